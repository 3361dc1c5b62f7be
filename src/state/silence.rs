//! Who is paused, as cores read it: a mask for each slot, with a bit for each aspect.
//!
//! A user who failed is not counted for a while, on either arm and in that aspect only; control decides for how long,
//! and cores read the masks when they dispatch. Owns no times and no growth of pauses. Successive epochs of one rollout
//! share one, so that a change of percent ends nobody's pause. Invariant: control alone writes; what a core reads may be
//! older by a moment, and one request more or less is counted.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::decide::guard::aspect::Aspect;
use crate::decide::units::Slot;

/// The masks of all slots.
#[derive(Debug)]
pub struct Silence(Box<[AtomicU8]>);

impl Default for Silence {
    fn default() -> Silence {
        Silence((0..Slot::COUNT).map(|_| AtomicU8::new(0)).collect())
    }
}

impl Silence {
    /// In which aspects this slot is paused: a bit for each; 0 for requests that belong to nobody.
    #[must_use]
    pub fn mask(&self, slot: Option<Slot>) -> u8 {
        slot.map_or(0, |slot| self.0[slot.index()].load(Relaxed))
    }

    /// Control only: from now on this slot is paused in this aspect, or is no more.
    pub fn set(&self, slot: Slot, aspect: Aspect, silent: bool) {
        let cell = &self.0[slot.index()];
        let mask = cell.load(Relaxed);
        cell.store(if silent { mask | bit(aspect) } else { mask & !bit(aspect) }, Relaxed);
    }
}

/// The bit of an aspect in a mask.
#[must_use]
pub const fn bit(aspect: Aspect) -> u8 {
    1 << aspect as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_aspect_is_paused_by_itself() {
        let silence = Silence::default();
        let (one, other) = (Slot::of(7), Slot::of(8191));
        silence.set(one, Aspect::Slow, true);
        silence.set(one, Aspect::Failing, true);
        silence.set(other, Aspect::Refusing, true);
        assert_eq!(silence.mask(Some(one)), bit(Aspect::Slow) | bit(Aspect::Failing));
        silence.set(one, Aspect::Slow, false);
        silence.set(one, Aspect::Slow, false);
        assert_eq!([Some(one), Some(other), None].map(|slot| silence.mask(slot)), [1, 4, 0]);
        assert!(Aspect::ALL.iter().all(|aspect| bit(*aspect) > 0));
    }
}
