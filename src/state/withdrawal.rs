//! Which requests no longer wait for a canary that does not answer.
//!
//! Control raises it when the guard finds the canary down, and every request that waits there looks at it: those that were
//! sent before this second ask somebody else. One for a rollout's canary, whatever share is in force, since whoever was
//! sent at another share waits as well. Decides nothing. Invariant: it only rises, so whoever is withdrawn stays so.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Up to when requests are withdrawn.
#[derive(Debug, Default)]
pub struct Withdrawal(AtomicU32);

impl Withdrawal {
    /// Whether a request that was begun in the second of this number is withdrawn.
    #[must_use]
    pub fn covers(&self, second: u32) -> bool {
        second < self.second()
    }

    /// The number of the second before which requests are withdrawn; 0: none is.
    #[must_use]
    pub fn second(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Control only: whoever was sent before the second of this number waits no more.
    pub fn raise(&self, second: u32) {
        self.0.fetch_max(second, Relaxed);
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
}
