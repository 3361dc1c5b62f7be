//! Why users of stable get no answers: Serin cannot send to it, or its requests fail.
//!
//! Values, derived from the outcomes of attempts; counts nothing and moves no users.
//! [`describe::stable_fault`](crate::describe::stable_fault) writes the text and the remedy. Invariant: every outcome
//! without an answer has exactly one kind.

use super::outcome::Outcome;

/// What is wrong with a stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StableFault {
    /// It cannot be asked.
    Unusable {
        /// The provider's name.
        provider: String,
        /// What it lacks.
        why: String,
    },
    /// It was asked, and nothing came of it.
    Unanswered {
        /// The provider's name.
        provider: String,
        /// The attempts since its last answer, by why there was none: in the order of [`NoAnswer::ALL`], none of 0.
        attempts: Vec<(NoAnswer, u64)>,
    },
}

impl StableFault {
    /// Whether Serin itself cannot ask it: that is no outage.
    #[must_use]
    pub const fn is_unusable(&self) -> bool {
        matches!(self, StableFault::Unusable { .. })
    }
}

/// Why an attempt had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// No connection was made.
    NoConnection,
    /// The key is not taken.
    KeyRefused,
    /// Something else than its API answered.
    NotItsApi,
    /// The request was refused as the client's error.
    Refused,
    /// It answered with an error, or broke off.
    Error,
    /// Nothing came.
    Silence,
}

impl NoAnswer {
    pub const ALL: [NoAnswer; 6] = [
        NoAnswer::NoConnection,
        NoAnswer::KeyRefused,
        NoAnswer::NotItsApi,
        NoAnswer::Refused,
        NoAnswer::Error,
        NoAnswer::Silence,
    ];

    #[must_use]
    pub const fn outcomes(self) -> &'static [Outcome] {
        match self {
            NoAnswer::NoConnection => &[Outcome::Connect],
            NoAnswer::KeyRefused => &[Outcome::Auth, Outcome::Quota],
            NoAnswer::NotItsApi => &[Outcome::Malformed],
            NoAnswer::Refused => &[Outcome::ClientError],
            NoAnswer::Error => &[Outcome::ServerError, Outcome::Reset, Outcome::StreamError, Outcome::Truncated],
            NoAnswer::Silence => &[Outcome::Timeout, Outcome::Stalled],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_outcome_is_of_two_kinds_and_answers_are_of_none() {
        let kinds = |outcome: Outcome| NoAnswer::ALL.iter().filter(|kind| kind.outcomes().contains(&outcome)).count();
        assert!(Outcome::ALL.into_iter().all(|outcome| kinds(outcome) <= 1));
        let none: Vec<Outcome> = Outcome::ALL.into_iter().filter(|outcome| kinds(*outcome) == 0).collect();
        let answers = [Outcome::Ok, Outcome::Throttled, Outcome::Unsupported, Outcome::Empty];
        assert_eq!(none[..4], answers);
        assert_eq!(none[4..], [Outcome::ClientGone, Outcome::SerinError], "which say nothing of the provider");
    }
}
