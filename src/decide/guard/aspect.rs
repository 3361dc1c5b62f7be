//! The aspects in which the canary is compared with stable.
//!
//! Each aspect has its own events, its own budget of false alarms and its own pauses of users, so that a user who is
//! always slow still counts when a request fails. Four aspects are about answers with a good status: one such answer is
//! fine, but many more of them than stable has are a regression. One is of verdicts that the application gives. Invariant: the position of an aspect in
//! [`Aspect::ALL`] is its number, and its bit in the masks that cores read.

use serde::{Deserialize, Serialize};

/// How many aspects there are.
pub const ASPECTS: usize = 8;

/// What the canary is compared with stable on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Failures of the provider.
    Failing,
    /// Answers whose first output came late.
    Slow,
    /// Requests that were refused as the client's error.
    Refusing,
    /// Whole answers without output.
    Empty,
    /// Answers that a limit of their length ended.
    Length,
    /// Answers that a content filter ended or took the place of.
    Filtered,
    /// Streams that came slowly after their first output.
    Pace,
    /// Verdicts of the application that an answer was bad. Its requests are all verdicts.
    Feedback,
}

impl Aspect {
    pub const ALL: [Aspect; ASPECTS] = [
        Aspect::Failing,
        Aspect::Slow,
        Aspect::Refusing,
        Aspect::Empty,
        Aspect::Length,
        Aspect::Filtered,
        Aspect::Pace,
        Aspect::Feedback,
    ];
    /// Those of answers that are fine by every status.
    pub const OF_ANSWERS: [Aspect; 4] = [Aspect::Empty, Aspect::Length, Aspect::Filtered, Aspect::Pace];

    /// Whether it is of answers that are fine by every status.
    #[must_use]
    pub const fn is_of_answers(self) -> bool {
        matches!(self, Aspect::Empty | Aspect::Length | Aspect::Filtered | Aspect::Pace)
    }
}
