//! Which requests no longer wait for a canary that does not answer, and how long those do that wait for such a stable.
//!
//! Control raises it when the guard finds the canary down, and every request that waits there looks at it: those that
//! were sent before this second ask somebody else. One for a rollout's canary, whatever share is in force, since
//! whoever was sent at another share waits as well. While it is stable that does not answer, each request that begins
//! to wait for it reads how long it should. Decides nothing. Invariant: it only rises, so whoever is withdrawn stays
//! so.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::decide::guard::waiting::ResponseKind;
use crate::decide::units::Millis;

/// Up to when requests are withdrawn.
#[derive(Debug, Default)]
pub struct Withdrawal {
    before: AtomicU32,
    // How often everything under way on the canary was ended.
    cuts: AtomicU32,
    // By kind, in milliseconds; 0: as long as the provider's timeouts allow.
    stable_waits: [AtomicU32; 2],
}

impl Withdrawal {
    /// Whether a request that was begun in the second of this number is withdrawn.
    #[must_use]
    pub fn covers(&self, second: u32) -> bool {
        second < self.second()
    }

    /// The number of the second before which requests are withdrawn; 0: none is.
    #[must_use]
    pub fn second(&self) -> u32 {
        self.before.load(Relaxed)
    }

    /// How often everything that was under way on the canary was ended: whoever was planned at a lower count ends.
    #[must_use]
    pub fn cuts(&self) -> u32 {
        self.cuts.load(Relaxed)
    }

    /// Control only: everything that is under way on the canary ends.
    pub fn cut(&self) {
        self.cuts.fetch_add(1, Relaxed);
    }

    /// Control only: requests that were sent before the second of this number wait no more.
    pub fn raise(&self, second: u32) {
        self.before.fetch_max(second, Relaxed);
    }

    /// How long a request of this kind waits for a stable that does not answer; `None`: stable answers.
    #[must_use]
    pub fn stable_waits(&self, kind: ResponseKind) -> Option<Millis> {
        let millis = self.stable_waits[kind as usize].load(Relaxed);
        (millis > 0).then_some(Millis(millis.into()))
    }

    /// Control only: how long they wait from now on, by kind.
    pub fn set_stable_waits(&self, waits: [Option<Millis>; 2]) {
        for (cell, wait) in self.stable_waits.iter().zip(waits) {
            cell.store(wait.map_or(0, |wait| u32::try_from(wait.0).unwrap_or(u32::MAX)), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_withdrawn_stays_so() {
        let withdrawal = Withdrawal::default();
        assert!(!withdrawal.covers(0));
        withdrawal.raise(7);
        withdrawal.raise(5);
        assert_eq!([0, 6, 7, 8].map(|second| withdrawal.covers(second)), [true, true, false, false]);
    }

    #[test]
    fn each_kind_waits_for_a_silent_stable_as_long_as_it_is_told() {
        let withdrawal = Withdrawal::default();
        let waits = || ResponseKind::ALL.map(|kind| withdrawal.stable_waits(kind));
        assert_eq!(waits(), [None, None]);
        withdrawal.set_stable_waits([None, Some(Millis(6000))]);
        assert_eq!(waits(), [None, Some(Millis(6000))]);
        withdrawal.set_stable_waits([Some(Millis(u64::MAX)), None]);
        assert_eq!(waits(), [Some(Millis(u32::MAX.into())), None]);
    }
}
