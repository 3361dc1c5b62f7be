//! What may still be done for a request whose attempt failed before any byte of its answer was sent on.
//!
//! One table ([`next_action`]) covers every attempt, the first and the last. It knows what is left (keys, candidates,
//! repeats), not which providers they are. Invariants: a provider that was silent, or that broke off an answer, is not
//! tried again; repeats are bounded; a request that was rejected goes to stable once; one that was rejected for its
//! length goes on through the list of a plain route; a content filter is never bypassed.

use super::outcome::Outcome;
use super::policy::{Backoff, First};
use super::units::Millis;

/// The longest pause that a provider may ask for and still be waited for.
const LONGEST_PAUSE: Millis = Millis(2000);

/// A failed attempt, as far as it decides what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// What became of it.
    pub outcome: Outcome,
    /// For how long the provider asks not to be asked again.
    pub retry_after: Option<Millis>,
    /// Whether the canary refused the request itself, for no reason of policy.
    pub rejected: bool,
    /// Whether the request is longer than the provider takes, or larger than its limits allow, where another provider may
    /// take more.
    pub too_long: bool,
    /// Whether it fell silent, or broke off, within what it answered.
    pub cut: bool,
    /// Whether the connection was refused rather than waited for.
    pub at_once: bool,
}

/// What has not been tried yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// Another key of the same provider.
    pub keys: bool,
    /// Another provider.
    pub others: bool,
    /// Stable, for a request that the canary refused, where it may be asked.
    pub stable: bool,
    /// Whether the same provider may be asked once more.
    pub repeat: bool,
    /// Whether it may be sent what it may have read already.
    pub resend: bool,
}

/// How the same provider is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPacing {
    /// Who comes first.
    pub first: First,
    /// How long is waited before it.
    pub backoff: Backoff,
    /// How often it was asked again so far.
    pub repeats: u8,
    /// A draw, 0 to 9999.
    pub draw: u16,
    /// The longest pause that there is time for.
    pub most: Millis,
}

impl RetryPacing {
    /// Anything up to this repeat's backoff, so that those who failed together do not come back together.
    fn pause(self) -> Millis {
        let Backoff { from, to } = self.backoff;
        let longest = from.0.saturating_mul(1 << self.repeats.min(32)).min(to.0);
        self.drawn(longest)
    }

    /// What a provider asks for, and up to a tenth more, for the same reason.
    fn pause_asked_for(self, asked: Millis) -> Millis {
        Millis(asked.0.saturating_add(self.drawn(asked.0 / 10).0))
    }

    fn drawn(self, longest: u64) -> Millis {
        Millis(longest.saturating_mul(u64::from(self.draw.min(9999)) + 1) / 10_000)
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAction {
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
    /// Stable, whose answer shows whether the request was sound.
    AskStable,
}

/// What is done after a failed attempt.
#[must_use]
pub fn next_action(failed: FailedAttempt, left: RetryOptions, pace: RetryPacing) -> NextAction {
    if let Some(pause) = again(failed, left, pace) {
        return NextAction::Again(pause);
    }
    match failed.outcome {
        Outcome::Connect if failed.at_once && left.repeat && pace.repeats == 0 => NextAction::Redial,
        Outcome::Throttled | Outcome::Quota | Outcome::Auth if left.keys && !failed.too_long => NextAction::NextKey,
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
            NextAction::Other
        }
        Outcome::ClientError if failed.rejected && left.stable => NextAction::AskStable,
        Outcome::ClientError if failed.too_long && left.others => NextAction::Other,
        _ => NextAction::Deliver,
    }
}

/// After what pause the same provider is asked again; `None`: it is not.
fn again(failed: FailedAttempt, left: RetryOptions, pace: RetryPacing) -> Option<Millis> {
    let pause = match failed.outcome {
        // One redial was made at once. Where nobody else is left, more of them wait.
        Outcome::Connect if failed.at_once && !left.others && pace.repeats > 0 => pace.pause(),
        Outcome::Throttled if !left.keys && !left.others => pace.pause_asked_for(failed.retry_after?),
        Outcome::ServerError | Outcome::Reset
            if left.resend && !failed.cut && (!left.others || pace.first == First::Same) =>
        {
            failed.retry_after.map_or_else(|| pace.pause(), |asked| pace.pause_asked_for(asked))
        }
        _ => return None,
    };
    let asked_for = failed.retry_after.unwrap_or(Millis(0));
    (left.repeat && asked_for <= LONGEST_PAUSE && pause <= pace.most).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: RetryOptions = RetryOptions { keys: true, others: true, stable: true, repeat: true, resend: false };
    const LONE: RetryOptions = RetryOptions { keys: false, others: false, stable: false, repeat: true, resend: false };
    const PACE: RetryPacing = RetryPacing {
        first: First::Other,
        backoff: Backoff { from: Millis(500), to: Millis(8000) },
        repeats: 0,
        draw: 9999,
        most: Millis(u64::MAX),
    };

    fn next(failed: FailedAttempt, left: RetryOptions) -> NextAction {
        super::next_action(failed, left, PACE)
    }

    fn failed(outcome: Outcome) -> FailedAttempt {
        FailedAttempt { outcome, retry_after: None, rejected: true, too_long: false, cut: false, at_once: true }
    }

    #[test]
    fn the_table_of_what_comes_next() {
        let (lone, others) = (LONE, RetryOptions { others: true, ..LONE });
        for (outcome, with_all, with_others, alone) in [
            (Outcome::Connect, NextAction::Redial, NextAction::Redial, NextAction::Redial),
            (Outcome::Reset, NextAction::Other, NextAction::Other, NextAction::Deliver),
            (Outcome::Timeout, NextAction::Other, NextAction::Other, NextAction::Deliver),
            (Outcome::ServerError, NextAction::Other, NextAction::Other, NextAction::Deliver),
            (Outcome::Malformed, NextAction::Other, NextAction::Other, NextAction::Deliver),
            (Outcome::StreamError, NextAction::Other, NextAction::Other, NextAction::Deliver),
            (Outcome::Truncated, NextAction::Other, NextAction::Other, NextAction::Deliver),
            (Outcome::Stalled, NextAction::Other, NextAction::Other, NextAction::Deliver),
            (Outcome::Throttled, NextAction::NextKey, NextAction::Other, NextAction::Deliver),
            (Outcome::Quota, NextAction::NextKey, NextAction::Other, NextAction::Deliver),
            (Outcome::Auth, NextAction::NextKey, NextAction::Other, NextAction::Deliver),
            (Outcome::SerinError, NextAction::Other, NextAction::Other, NextAction::Deliver),
            (Outcome::ClientError, NextAction::AskStable, NextAction::Deliver, NextAction::Deliver),
            (Outcome::Empty, NextAction::Deliver, NextAction::Deliver, NextAction::Deliver),
            (Outcome::ClientGone, NextAction::Deliver, NextAction::Deliver, NextAction::Deliver),
            (Outcome::Unsupported, NextAction::Deliver, NextAction::Deliver, NextAction::Deliver),
            (Outcome::Ok, NextAction::Deliver, NextAction::Deliver, NextAction::Deliver),
        ] {
            assert_eq!(next(failed(outcome), ALL), with_all, "{outcome:?} with everything left");
            assert_eq!(next(failed(outcome), others), with_others, "{outcome:?} with another provider left");
            assert_eq!(next(failed(outcome), lone), alone, "{outcome:?} with nothing left but a repeat");
        }
    }

    #[test]
    fn a_refused_connection_is_tried_again_once_at_once_and_then_with_pauses_or_elsewhere() {
        let again = |repeats, left| super::next_action(failed(Outcome::Connect), left, RetryPacing { repeats, ..PACE });
        assert_eq!(
            [0, 1, 2].map(|repeats| again(repeats, ALL)),
            [NextAction::Redial, NextAction::Other, NextAction::Other]
        );
        assert_eq!(
            [0, 1, 2].map(|repeats| again(repeats, LONE)),
            [NextAction::Redial, NextAction::Again(Millis(1000)), NextAction::Again(Millis(2000))]
        );
        assert_eq!(again(1, RetryOptions { repeat: false, ..LONE }), NextAction::Deliver);
    }

    #[test]
    fn what_is_larger_than_the_limits_goes_elsewhere_and_to_no_other_key() {
        let oversized = FailedAttempt { too_long: true, ..failed(Outcome::Throttled) };
        assert_eq!(next(oversized, ALL), NextAction::Other);
        assert_eq!(next(oversized, RetryOptions { keys: true, ..LONE }), NextAction::Deliver);
    }

    #[test]
    fn the_last_candidate_is_waited_for_only_if_it_asks_for_little() {
        let lone = LONE;
        let throttled = |pause| FailedAttempt { retry_after: pause, ..failed(Outcome::Throttled) };
        assert_eq!(next(throttled(Some(Millis(2000))), lone), NextAction::Again(Millis(2200)));
        assert_eq!(next(throttled(Some(Millis(2001))), lone), NextAction::Deliver);
        assert_eq!(next(throttled(Some(Millis(1))), RetryOptions { repeat: false, ..lone }), NextAction::Deliver);
        assert_eq!(next(throttled(Some(Millis(1))), RetryOptions { others: true, ..lone }), NextAction::Other);
    }

    #[test]
    fn a_request_that_is_too_long_goes_on_and_no_other_refusal_does() {
        let others = RetryOptions { others: true, ..LONE };
        let too_long = FailedAttempt { too_long: true, ..failed(Outcome::ClientError) };
        assert_eq!(next(too_long, others), NextAction::Other);
        assert_eq!(next(too_long, RetryOptions { others: false, ..others }), NextAction::Deliver);
        assert_eq!(next(too_long, ALL), NextAction::AskStable, "a canary's refusal is stable's to judge");
        assert_eq!(next(FailedAttempt { too_long: false, ..too_long }, others), NextAction::Deliver);
    }

    #[test]
    fn a_connection_that_was_waited_for_is_not_dialled_again() {
        let slow = FailedAttempt { at_once: false, ..failed(Outcome::Connect) };
        assert_eq!(next(slow, ALL), NextAction::Other);
    }

    #[test]
    fn a_provider_that_failed_is_asked_again_where_nobody_else_is_left_or_it_comes_first() {
        let (other, same) = (PACE, RetryPacing { first: First::Same, ..PACE });
        let lone = RetryOptions { resend: true, ..LONE };
        let with_others = RetryOptions { others: true, ..lone };
        for outcome in Outcome::ALL {
            let repeated = matches!(outcome, Outcome::ServerError | Outcome::Reset);
            let failed = FailedAttempt { rejected: false, at_once: false, ..failed(outcome) };
            let again = |left, pace| super::next_action(failed, left, pace) == NextAction::Again(Millis(500));
            assert_eq!(again(lone, other), repeated, "{outcome:?}, the last");
            assert_eq!(again(with_others, same), repeated, "{outcome:?}, before others");
            for (left, pace) in [
                (with_others, other),
                (RetryOptions { repeat: false, ..lone }, other),
                (RetryOptions { resend: false, ..lone }, other),
                (lone, RetryPacing { most: Millis(499), ..other }),
            ] {
                assert!(!again(left, pace), "{outcome:?} {left:?} {pace:?}");
            }
            let cut = FailedAttempt { cut: true, ..failed };
            assert!(!matches!(super::next_action(cut, lone, other), NextAction::Again(_)), "{outcome:?}, cut");
        }
    }

    #[test]
    fn a_failure_that_asks_for_a_pause_is_given_it_or_is_not_repeated() {
        let lone = RetryOptions { resend: true, ..LONE };
        let failed = |pause| FailedAttempt { retry_after: Some(Millis(pause)), ..failed(Outcome::ServerError) };
        assert_eq!(next(failed(0), lone), NextAction::Again(Millis(0)));
        assert_eq!(next(failed(2000), lone), NextAction::Again(Millis(2200)), "and a tenth at most");
        assert_eq!(next(failed(2001), lone), NextAction::Deliver);
        let same = RetryPacing { first: First::Same, ..PACE };
        assert_eq!(super::next_action(failed(2001), RetryOptions { others: true, ..lone }, same), NextAction::Other);
    }

    #[test]
    fn a_pause_is_drawn_up_to_a_backoff_that_doubles() {
        let pause = |repeats, draw| RetryPacing { repeats, draw, ..PACE }.pause().0;
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 9, 255].map(|repeats| pause(repeats, 9999)),
            [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]
        );
        assert_eq!([0, 4999, 9999, u16::MAX].map(|draw| pause(1, draw)), [0, 500, 1000, 1000]);
        assert_eq!(
            RetryPacing { backoff: Backoff { from: Millis(u64::MAX), to: Millis(u64::MAX) }, draw: 1, ..PACE }
                .pause()
                .0,
            u64::MAX / 10_000
        );
    }
}
