//! How long a target is left alone after a failed try.
//!
//! The wait doubles from five seconds to an hour, less up to a fifth by chance, so that what failed together does not
//! come again together. What a target asks for is respected, up to a day. Invariant: after three days a notification is
//! given up.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::decide::units::{Millis, UnixMillis};

const FIRST: u64 = 5_000;
const LONGEST: u64 = 60 * 60 * 1000;
const LONGEST_ASKED: u64 = 24 * LONGEST;
/// How long a notification is tried.
const GIVEN_UP_AFTER: u64 = 3 * 24 * LONGEST;

/// The wait after so many failed tries. `id` and `target` stand for chance.
pub(super) fn wait(attempts: u32, asked: Option<Millis>, id: &str, target: &str) -> Millis {
    let doubled = FIRST.saturating_mul(1u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX)).min(LONGEST);
    let mut hasher = DefaultHasher::new();
    (id, target, attempts).hash(&mut hasher);
    let less = doubled / 5 * (hasher.finish() % 1000) / 1000;
    let asked = asked.map_or(0, |asked| asked.0.min(LONGEST_ASKED));
    Millis((doubled - less).max(asked))
}

/// Whether it has been tried for long enough.
pub(super) const fn is_over(queued_at: UnixMillis, now: UnixMillis) -> bool {
    now.0.saturating_sub(queued_at.0) >= GIVEN_UP_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour_and_differ() {
        let waits: Vec<u64> = (1..=80).map(|attempts| wait(attempts, None, "evt_1", "ops").0).collect();
        assert!((4_000..=5_000).contains(&waits[0]) && (8_000..=10_000).contains(&waits[1]), "{waits:?}");
        assert!(waits[20..].iter().all(|wait| (2_880_000..=3_600_000).contains(wait)), "{waits:?}");
        let others: Vec<u64> = (0..50).map(|id| wait(1, None, &format!("evt_{id}"), "ops").0).collect();
        assert!(others.iter().any(|wait| *wait != others[0]));
        assert_eq!(wait(1, Some(Millis(90_000)), "a", "b"), Millis(90_000));
        assert_eq!(wait(1, Some(Millis(u64::MAX)), "a", "b"), Millis(LONGEST_ASKED));
    }
}
