//! How many requests of a rollout may be sent to the same provider again: a share of all, saved up within a bound.
//!
//! Two numbers that only grow: what requests have earned, and what repeats have spent. What was earned beyond the bound
//! is lost, which the next repeat writes off as spent. A hundredth of the share is held back, so that what was saved up
//! before a failure is within the share too, over ten thousand requests at 10%. Has no state.
//! Invariant: repeats never exceed the share of all requests by more than what can be saved up.

use super::units::Percent;

/// What one repeat costs.
const REPEAT: u64 = 1_000_000;
/// Repeats that can be saved up.
const MOST_SAVED: u64 = 10 * REPEAT;

/// What is saved up at the start: the first failures may be repeated.
pub const AT_THE_START: u64 = MOST_SAVED;

/// What one request earns.
#[must_use]
pub const fn earned_by_request(share: Percent) -> u64 {
    share.hundredths() as u64 * 99
}

/// Whether a repeat can be afforded.
#[must_use]
pub const fn affords(earned: u64, spent: u64) -> bool {
    earned.saturating_sub(spent) >= REPEAT
}

/// What is spent after a repeat. One that could not be afforded is owed.
#[must_use]
pub const fn after_repeat(earned: u64, spent: u64) -> u64 {
    let lost = earned.saturating_sub(MOST_SAVED);
    let spent = if spent > lost { spent } else { lost };
    spent.saturating_add(REPEAT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn repeats_stay_within_their_share(share in 0u16..=10_000, requests in 1u32..5000, quiet in 0u32..5000) {
            let share = Percent::from_hundredths(share).unwrap();
            let (mut earned, mut spent) = (AT_THE_START + u64::from(quiet) * earned_by_request(share), 0);
            let mut repeats = 0_u32;
            for _ in 0..requests {
                earned += earned_by_request(share);
                if affords(earned, spent) {
                    spent = after_repeat(earned, spent);
                    repeats += 1;
                }
            }
            let allowed = u64::from(requests) * u64::from(share.hundredths()) / 10_000 + 10;
            prop_assert!(u64::from(repeats) <= allowed);
        }
    }

    #[test]
    fn savings_are_within_the_share_of_a_storm() {
        let share = Percent::from_hundredths(1000).unwrap();
        let (mut earned, mut spent, mut repeats) = (AT_THE_START, 0, 0_u32);
        for _ in 0..12_000 {
            earned += earned_by_request(share);
            if affords(earned, spent) {
                spent = after_repeat(earned, spent);
                repeats += 1;
            }
        }
        assert_eq!(repeats, 1197, "of 12,000 requests");
    }

    #[test]
    fn what_is_owed_is_earned_first() {
        assert_eq!(after_repeat(0, 0), REPEAT);
        assert!(!affords(REPEAT, REPEAT) && affords(2 * REPEAT, REPEAT));
    }
}
