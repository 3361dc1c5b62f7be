//! What may still be done for a request whose attempt failed before anything of its answer went out.
//!
//! One table ([`next`]) for every attempt, the first and the last. It knows what is left (keys, candidates, repeats), not
//! who they are. Invariants: a provider that was silent, or that broke off, is not asked again; nothing is repeated
//! without end; a refusal of the request itself is asked of stable once, or for its length of the list of a plain route; a
//! content filter is never routed around.

use super::outcome::Outcome;
use super::units::{Millis, Percent};

/// The longest pause that a throttled provider may ask for and still be waited for.
const LONGEST_PAUSE: Millis = Millis(2000);

/// A failed attempt, as far as it decides what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What became of it.
    pub outcome: Outcome,
    /// For how long the provider asks not to be asked again.
    pub retry_after: Option<Millis>,
    /// Whether the canary refused the request itself, for no reason of policy.
    pub refused: bool,
    /// Whether the request is longer than the provider takes, where somebody else may take more.
    pub too_long: bool,
    /// Whether the connection was refused rather than waited for.
    pub at_once: bool,
}

/// What has not been tried yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Another key of the same provider.
    pub keys: bool,
    /// Another provider.
    pub others: bool,
    /// Stable, for a request that the canary refused, where it may be asked.
    pub stable: bool,
    /// Whether the same provider may be asked once more.
    pub repeat: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The failure goes to the client.
    Deliver,
    /// The same provider, with its next key.
    NextKey,
    /// The same provider, after this pause.
    Again(Millis),
    /// The same provider: the connection alone is tried again, and both count as one attempt.
    Redial,
    /// The next provider.
    Other,
    /// Stable, which says by its answer whether the request was sound.
    AskStable,
}

/// What is done after a failed attempt.
#[must_use]
pub fn next(failed: Failed, left: Left) -> Next {
    match failed.outcome {
        Outcome::Connect if failed.at_once && left.repeat => Next::Redial,
        Outcome::Throttled | Outcome::Quota | Outcome::Auth if left.keys => Next::NextKey,
        Outcome::Throttled if !left.others => match failed.retry_after {
            Some(pause) if pause <= LONGEST_PAUSE && left.repeat => Next::Again(pause),
            _ => Next::Deliver,
        },
        Outcome::Connect
        | Outcome::Reset
        | Outcome::Timeout
        | Outcome::ServerError
        | Outcome::Malformed
        | Outcome::StreamError
        | Outcome::Truncated
        | Outcome::Stalled
        | Outcome::Throttled
        | Outcome::Quota
        | Outcome::Auth
        | Outcome::SerinError
            if left.others =>
        {
            Next::Other
        }
        Outcome::ClientError if failed.refused && left.stable => Next::AskStable,
        Outcome::ClientError if failed.too_long && left.others => Next::Other,
        _ => Next::Deliver,
    }
}

/// How many requests may be repeated: a share of all, saved up within a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// In hundredths of a percent of a request.
    saved: u32,
}

/// What one repeat costs: the share of 100%.
const REPEAT: u32 = 10_000;
/// Repeats that can be saved up.
const MOST_SAVED: u32 = 10 * REPEAT;

impl Budget {
    /// With everything saved that can be: the first failure after a start may be repeated.
    #[must_use]
    pub const fn full() -> Budget {
        Budget { saved: MOST_SAVED }
    }

    /// As one word.
    #[must_use]
    pub const fn pack(self) -> u32 {
        self.saved
    }

    /// From the word that [`Budget::pack`] made.
    #[must_use]
    pub fn unpack(word: u32) -> Budget {
        Budget { saved: word.min(MOST_SAVED) }
    }

    /// A request came.
    #[must_use]
    pub fn earn(self, share: Percent) -> Budget {
        Budget { saved: (self.saved + u32::from(share.hundredths())).min(MOST_SAVED) }
    }

    /// What is left after a repeat; `None`: it cannot be afforded.
    #[must_use]
    pub fn spend(self) -> Option<Budget> {
        self.saved.checked_sub(REPEAT).map(|saved| Budget { saved })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Left = Left { keys: true, others: true, stable: true, repeat: true };

    fn failed(outcome: Outcome) -> Failed {
        Failed { outcome, retry_after: None, refused: true, too_long: false, at_once: true }
    }

    #[test]
    fn the_table_of_what_comes_next() {
        let lone = Left { keys: false, others: false, stable: false, repeat: true };
        let others = Left { others: true, ..lone };
        for (outcome, with_all, with_others, alone) in [
            (Outcome::Connect, Next::Redial, Next::Redial, Next::Redial),
            (Outcome::Reset, Next::Other, Next::Other, Next::Deliver),
            (Outcome::Timeout, Next::Other, Next::Other, Next::Deliver),
            (Outcome::ServerError, Next::Other, Next::Other, Next::Deliver),
            (Outcome::Malformed, Next::Other, Next::Other, Next::Deliver),
            (Outcome::StreamError, Next::Other, Next::Other, Next::Deliver),
            (Outcome::Truncated, Next::Other, Next::Other, Next::Deliver),
            (Outcome::Stalled, Next::Other, Next::Other, Next::Deliver),
            (Outcome::Throttled, Next::NextKey, Next::Other, Next::Deliver),
            (Outcome::Quota, Next::NextKey, Next::Other, Next::Deliver),
            (Outcome::Auth, Next::NextKey, Next::Other, Next::Deliver),
            (Outcome::SerinError, Next::Other, Next::Other, Next::Deliver),
            (Outcome::ClientError, Next::AskStable, Next::Deliver, Next::Deliver),
            (Outcome::Empty, Next::Deliver, Next::Deliver, Next::Deliver),
            (Outcome::ClientGone, Next::Deliver, Next::Deliver, Next::Deliver),
            (Outcome::Unsupported, Next::Deliver, Next::Deliver, Next::Deliver),
            (Outcome::Ok, Next::Deliver, Next::Deliver, Next::Deliver),
        ] {
            assert_eq!(next(failed(outcome), ALL), with_all, "{outcome:?} with everything left");
            assert_eq!(next(failed(outcome), others), with_others, "{outcome:?} with another provider left");
            assert_eq!(next(failed(outcome), lone), alone, "{outcome:?} with nothing left but a repeat");
        }
    }

    #[test]
    fn the_last_candidate_is_waited_for_only_if_it_asks_for_little() {
        let lone = Left { keys: false, others: false, stable: false, repeat: true };
        let throttled = |pause| Failed { retry_after: pause, ..failed(Outcome::Throttled) };
        assert_eq!(next(throttled(Some(Millis(2000))), lone), Next::Again(Millis(2000)));
        assert_eq!(next(throttled(Some(Millis(2001))), lone), Next::Deliver);
        assert_eq!(next(throttled(Some(Millis(1))), Left { repeat: false, ..lone }), Next::Deliver);
        assert_eq!(next(throttled(Some(Millis(1))), Left { others: true, ..lone }), Next::Other);
    }

    #[test]
    fn a_request_that_is_too_long_goes_on_and_no_other_refusal_does() {
        let others = Left { keys: false, others: true, stable: false, repeat: true };
        let too_long = Failed { too_long: true, ..failed(Outcome::ClientError) };
        assert_eq!(next(too_long, others), Next::Other);
        assert_eq!(next(too_long, Left { others: false, ..others }), Next::Deliver);
        assert_eq!(next(too_long, ALL), Next::AskStable, "a canary's refusal is stable's to judge");
        assert_eq!(next(Failed { too_long: false, ..too_long }, others), Next::Deliver);
    }

    #[test]
    fn a_connection_that_was_waited_for_is_not_dialled_again() {
        let slow = Failed { at_once: false, ..failed(Outcome::Connect) };
        assert_eq!(next(slow, ALL), Next::Other);
    }

    proptest! {
        #[test]
        fn repeats_stay_within_their_share(share in 0u16..=10_000, requests in 1u32..5000) {
            let share = Percent::from_hundredths(share).unwrap();
            let mut budget = Budget::full();
            let mut repeats = 0_u32;
            for _ in 0..requests {
                budget = budget.earn(share);
                if let Some(left) = budget.spend() {
                    budget = left;
                    repeats += 1;
                }
            }
            let allowed = u64::from(requests) * u64::from(share.hundredths()) / 10_000 + 11;
            prop_assert!(u64::from(repeats) <= allowed);
        }
    }
}
