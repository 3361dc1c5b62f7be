//! The rules of the guard: the kinds of regression that it detects.
//!
//! Each rule compares one aspect, and several rules may compare the same one. What a rule found is reported in its
//! [`Decision`](crate::decide::event::Decision). Invariant: a problem that was reported is reported again only when it
//! gets worse.

use serde::{Deserialize, Serialize};

use super::aspect::Aspect;

/// Which rule of the guard fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It fails more often than stable.
    Worse,
    /// It fails every request while stable works.
    Down,
    /// It takes requests and never answers while stable does.
    Silent,
    /// It is slower than stable.
    Slower,
    /// It refuses more requests than stable.
    Refusing,
    /// It gives more answers without output than stable.
    Empty,
    /// It cuts more answers at a limit of their length than stable.
    Length,
    /// It filters more answers than stable.
    Filtered,
    /// Its streams come slowly more often than stable's.
    Pace,
    /// The application calls more of its answers bad than of stable's.
    Feedback,
    /// It fails more often than `ceiling`.
    Ceiling,
}

impl Rule {
    /// Those that have a word of their own in the file for what follows.
    pub const OF_EXCESS: [Rule; 6] =
        [Rule::Refusing, Rule::Empty, Rule::Length, Rule::Filtered, Rule::Pace, Rule::Feedback];

    /// Whether a report of this rule makes one of the other unnecessary: the same problem, and no worse.
    #[must_use]
    pub fn covers(self, other: Rule) -> bool {
        let trouble = |rule| match rule {
            Rule::Slower => 1,
            Rule::Worse | Rule::Ceiling => 2,
            Rule::Down | Rule::Silent => 3,
            Rule::Refusing | Rule::Empty | Rule::Length | Rule::Filtered | Rule::Pace | Rule::Feedback => 0,
        };
        self == other || (trouble(other) > 0 && trouble(self) >= trouble(other))
    }

    /// The word in history and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::Worse => "worse",
            Rule::Down => "down",
            Rule::Silent => "silent",
            Rule::Slower => "slower",
            Rule::Refusing => "refusing",
            Rule::Empty => "empty",
            Rule::Length => "length",
            Rule::Filtered => "filtered",
            Rule::Pace => "pace",
            Rule::Feedback => "feedback",
            Rule::Ceiling => "ceiling",
        }
    }

    /// What it compares.
    #[must_use]
    pub const fn aspect(self) -> Aspect {
        match self {
            Rule::Worse | Rule::Down | Rule::Silent | Rule::Ceiling => Aspect::Failing,
            Rule::Slower => Aspect::Slow,
            Rule::Refusing => Aspect::Refusing,
            Rule::Empty => Aspect::Empty,
            Rule::Length => Aspect::Length,
            Rule::Filtered => Aspect::Filtered,
            Rule::Pace => Aspect::Pace,
            Rule::Feedback => Aspect::Feedback,
        }
    }
}
