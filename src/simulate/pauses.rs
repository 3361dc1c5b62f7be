//! Users who are paused for their failures, as production pauses them.
//!
//! The very table that the guard counts with, asked by simulated users: whoever fails is not counted for a while,
//! longer each time. Users have numbers here and find their slots by a hash of them, so that some share one, as real
//! users do.

use super::users::Cap;
use crate::decide::guard::user_cap::UserCap;
use crate::decide::units::{Millis, Slot};

/// Everybody's pauses.
#[derive(Clone, Debug, Default)]
pub struct Pauses(UserCap);

impl Cap for Pauses {
    fn counts(&self, user: u32, now: f64) -> bool {
        self.0.counts(slot(user), millis(now))
    }

    fn sends(&mut self, user: u32, now: f64) {
        self.0.request(slot(user), millis(now));
    }

    fn failed(&mut self, user: u32, now: f64) -> bool {
        self.0.event(slot(user), millis(now)).is_some()
    }
}

// The upper half of the product, where neighbours differ most.
pub(super) const fn slot(user: u32) -> Slot {
    Slot::of((user.wrapping_mul(0x9e37_79b1) >> 16) as u16)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
pub(super) fn millis(seconds: f64) -> Millis {
    Millis((seconds * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_every_second_counts_ever_more_rarely() {
        let mut pauses = Pauses::default();
        let counted: Vec<u32> = (0..900)
            .filter(|second| pauses.counts(7, f64::from(*second)) && pauses.failed(7, f64::from(*second)))
            .collect();
        assert_eq!(counted, [0, 10, 50, 210, 850]);
        assert!(pauses.counts(8, 899.0), "others are not paused");
    }

    #[test]
    fn few_users_share_a_slot() {
        let slots: std::collections::BTreeSet<usize> = (0..2000).map(|user| slot(user).index()).collect();
        assert!(slots.len() > 1700, "{}", slots.len());
    }
}
