//! Which users are paused, as cores read it: a mask for each slot of an arm and a group of sources, with a bit per
//! aspect.
//!
//! A user who failed is not counted for a while, on that arm, for that source and in that aspect only: one source
//! cannot pause the users of another. Control decides for how long; cores read the masks when they dispatch. Owns no
//! times. A table is allocated with its first pause. All epochs of one rollout share one, so a change of percent ends
//! no pause. Invariant: control is the only writer. A core may read a mask that is slightly old, and then one request
//! more or less is counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::sources::{GROUPS, SourceGroup};
use crate::decide::units::{Arm, Slot};

/// The arm, source and user that a request is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// The arm that the split chose.
    pub arm: Arm,
    /// Where it comes from.
    pub source: SourceGroup,
    /// Its user; `None`: it has none.
    pub slot: Option<Slot>,
}

/// For a source that is not distinguished.
impl From<(Arm, Option<Slot>)> for Attribution {
    fn from((arm, slot): (Arm, Option<Slot>)) -> Attribution {
        Attribution { arm, source: SourceGroup::default(), slot }
    }
}

/// The masks of all slots.
#[derive(Debug, Default)]
pub struct PauseMasks([[OnceLock<Box<[AtomicU8]>>; GROUPS]; 2]);

impl PauseMasks {
    /// The aspects in which this slot is paused, a bit for each; 0 for requests without a user.
    #[must_use]
    pub fn mask(&self, whose: Attribution) -> u8 {
        let table = self.0[whose.arm as usize][whose.source.index()].get();
        whose.slot.zip(table).map_or(0, |(slot, table)| table[slot.index()].load(Relaxed))
    }

    /// Control only: from now on this slot is paused in this aspect, or is no more.
    pub fn set(&self, (arm, source, slot): (Arm, SourceGroup, Slot), aspect: Aspect, silent: bool) {
        let table =
            self.0[arm as usize][source.index()].get_or_init(|| (0..Slot::COUNT).map(|_| AtomicU8::new(0)).collect());
        let cell = &table[slot.index()];
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
        let silence = PauseMasks::default();
        let of = |slot: u16| (Arm::Canary, SourceGroup::of(1), Slot::of(slot));
        let (one, other) = (of(7), of(8191));
        silence.set(one, Aspect::Slow, true);
        silence.set(one, Aspect::Failing, true);
        silence.set(other, Aspect::Refusing, true);
        let mask = |arm, source, slot: Option<u16>| {
            silence.mask(Attribution { arm, source: SourceGroup::of(source), slot: slot.map(Slot::of) })
        };
        assert_eq!(mask(Arm::Canary, 1, Some(7)), bit(Aspect::Slow) | bit(Aspect::Failing));
        assert_eq!(
            (mask(Arm::Stable, 1, Some(7)), mask(Arm::Canary, 2, Some(7))),
            (0, 0),
            "on that arm, by that source"
        );
        silence.set(one, Aspect::Slow, false);
        silence.set(one, Aspect::Slow, false);
        assert_eq!([Some(7), Some(8191), None].map(|slot| mask(Arm::Canary, 1, slot)), [1, 4, 0]);
        assert!(Aspect::ALL.iter().all(|aspect| bit(*aspect) > 0));
    }
}
