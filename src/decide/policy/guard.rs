//! What judges a canary, as the file has it: the rules of the guard and what follows from a regression.
//!
//! Shapes and defaults only; what is made of them is [`decide::guard`](crate::decide::guard)'s. The defaults are the
//! ones that were tried by simulation. Invariant: ratios are at least 1, patience and quantiles lie in the ranges that
//! the reader of the file checks.

use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::constants::Constants;
use crate::decide::units::{Millis, Percent};

/// What judges the canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// The chance of a wrong rollback, over all tries of an attempt together.
    pub false_alarm: Percent,
    /// Up to this multiple of stable's failure rate the canary is not worse.
    pub tolerated_ratio: f64,
    /// A canary that fails less often than this is never rolled back for it.
    pub ignore_below: Percent,
    /// A deviation that is not a plain failure must last this many times longer.
    pub patience: f64,
    /// No promotion while the canary's failure rate may lie above this (or twice stable's).
    pub max_error_rate: Percent,
    /// No promotion while the canary's median time to the first output is above this; `None`: whatever it is.
    pub max_first_output: Option<Millis>,
    /// Whether promotions beyond half of the users wait until stable could take everybody back.
    pub rollback_ready: bool,
    /// No promotion before this many requests were sent to the canary and answered at its present share.
    pub min_requests: u32,
    /// The canary is done below this failure rate, or below one and a half times stable's.
    pub done_below: Percent,
    /// When slow answers take the canary back; `None`: never.
    pub slow: Option<SlowRule>,
    /// What follows when the canary refuses more requests than stable does.
    pub client_errors: OnExcess,
    /// What follows when the canary gives more answers than stable does that are fine by every status, and worse.
    pub answers: Answers,
    /// When verdicts of the application count, and what follows; `None`: they do not.
    pub feedback: Option<FeedbackRule>,
    /// A failure rate that is too high as soon as anything speaks for the canary being worse than stable; `None`: there
    /// is none. Lies outside `false_alarm`.
    pub ceiling: Option<Percent>,
    /// The time over which rates are shown, and held against `ceiling`.
    pub window: Millis,
    /// Which of the outcomes that are open to opinion count as failures.
    pub counting: Counting,
    /// The numbers that operators do not set.
    pub constants: Constants,
}

impl Default for Guard {
    fn default() -> Guard {
        let percent = |hundredths| Percent::from_hundredths(hundredths).unwrap_or(Percent::ALL);
        Guard {
            false_alarm: percent(10),
            tolerated_ratio: 1.25,
            ignore_below: percent(20),
            patience: 1.0,
            max_error_rate: percent(500),
            max_first_output: None,
            rollback_ready: true,
            min_requests: 100,
            done_below: percent(50),
            slow: Some(SlowRule::default()),
            client_errors: OnExcess::Hold,
            answers: Answers::default(),
            feedback: None,
            ceiling: None,
            window: Millis(1_800_000),
            counting: Counting::default(),
            constants: Constants::default(),
        }
    }
}

/// When an answer is slow, and how many slow answers are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowRule {
    /// Of stable's times to the first output: which quantile is looked at, 0 to 1.
    pub quantile: f64,
    /// An answer is slow that takes more than this many times this quantile.
    pub tolerance: f64,
    /// Up to this multiple of stable's share of slow answers the canary is not slower.
    pub tolerated_ratio: f64,
}

impl Default for SlowRule {
    fn default() -> SlowRule {
        SlowRule { quantile: 0.95, tolerance: 1.5, tolerated_ratio: 2.5 }
    }
}

/// How many more bad verdicts than stable the canary may have, and what follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedbackRule {
    /// Up to this multiple of stable's share of bad verdicts the canary is not worse.
    pub tolerated_ratio: f64,
    /// What follows when it is.
    pub then: OnExcess,
}

impl Default for FeedbackRule {
    fn default() -> FeedbackRule {
        FeedbackRule { tolerated_ratio: 1.1, then: OnExcess::Hold }
    }
}

impl Guard {
    /// What follows when the canary is found worse in an aspect that has a word of its own in the file; of the others
    /// it is what follows from any regression.
    #[must_use]
    pub const fn follows(&self, aspect: Aspect) -> OnExcess {
        match aspect {
            Aspect::Failing | Aspect::Slow => OnExcess::Rollback,
            Aspect::Refusing => self.client_errors,
            // Where it is a failure, it is one already.
            Aspect::Empty if self.counting.empty => OnExcess::Ignore,
            Aspect::Empty => self.answers.empty,
            Aspect::Length => self.answers.length,
            Aspect::Filtered => self.answers.filtered,
            Aspect::Pace => self.answers.pace,
            Aspect::Feedback => match self.feedback {
                Some(rule) => rule.then,
                None => OnExcess::Ignore,
            },
        }
    }

    /// What is slow of stable's own paces: as of times to the first output, where the file has those looked at.
    #[must_use]
    pub fn pace_rule(&self) -> SlowRule {
        self.slow.unwrap_or_default()
    }
}

/// What follows when the canary does something more often than stable does that may be rightly done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExcess {
    /// The ramp is paused, for a human to look at it.
    Hold,
    /// As any other regression.
    Rollback,
    /// Nothing.
    Ignore,
}

impl OnExcess {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            OnExcess::Hold => "hold",
            OnExcess::Rollback => "rollback",
            OnExcess::Ignore => "ignore",
        }
    }
}

/// What follows when the canary gives more answers than stable does that are fine by every status, and worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Whole answers without output.
    pub empty: OnExcess,
    /// Answers that a limit of their length ended.
    pub length: OnExcess,
    /// Answers that a content filter ended or took the place of.
    pub filtered: OnExcess,
    /// Streams that came slowly after their first output.
    pub pace: OnExcess,
}

impl Answers {
    /// Whatever the canary gives more of.
    #[must_use]
    pub const fn all(follows: OnExcess) -> Answers {
        Answers { empty: follows, length: follows, filtered: follows, pace: follows }
    }
}

impl Default for Answers {
    fn default() -> Answers {
        Answers::all(OnExcess::Hold)
    }
}

/// What the guard does about a regression of the canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRegression {
    /// Takes everybody back, to `rollback_to`.
    Rollback,
    /// Pauses the ramp and moves no users.
    Hold,
    /// Goes back one stage of the ramp; a canary that is down is taken back all the same.
    StepBack,
}

/// Which of the outcomes that are open to opinion count as failures of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// A 429.
    pub throttled: bool,
    /// A 200 without output.
    pub empty: bool,
}

impl Default for Counting {
    fn default() -> Counting {
        Counting { throttled: true, empty: false }
    }
}
