//! How many requests came to be compared, and why the others did not.
//!
//! Counts only. Each request that could be copied is counted where it leaves: as skipped with its reason, or as
//! compared. Invariant: what was sampled is skipped, under way, or compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why a request that was sampled is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// More than `per_minute`.
    Rate,
    /// Too many copies wait, or they hold too much memory.
    Busy,
    /// Its body is too large, or could not be read.
    TooLarge,
    /// No bucket would choose its arm: its user is pinned or excluded, a tester chose, or the canary has no such model.
    NotSplit,
    /// It goes on from state that stable keeps, or leaves some.
    State,
    /// It asks for a background response.
    Background,
    /// It has tools that a provider runs itself.
    ServerTools,
    /// Stable's own answer was no success.
    StableFailed,
    /// Stable's answer, or the canary's, was too long to be kept, or the canary's took longer than a copy may.
    LongAnswer,
    /// `max_cost` of the day is used up.
    Cost,
    /// The canary's `rate_limit` has no room to spare.
    NoRoom,
    /// None of the canary's keys is usable.
    NoKey,
    /// The canary has just said that it is asked too often.
    Throttled,
    /// There was no connection to send it by: none was free, or it had ended.
    Unsent,
    /// The rollout was taken back, the file changed, or the process ends.
    Ended,
}

impl Skip {
    pub const ALL: [Skip; 15] = [
        Skip::Rate,
        Skip::Busy,
        Skip::TooLarge,
        Skip::NotSplit,
        Skip::State,
        Skip::Background,
        Skip::ServerTools,
        Skip::StableFailed,
        Skip::LongAnswer,
        Skip::Cost,
        Skip::NoRoom,
        Skip::NoKey,
        Skip::Throttled,
        Skip::Unsent,
        Skip::Ended,
    ];

    /// The word in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Skip::Rate => "rate",
            Skip::Busy => "busy",
            Skip::TooLarge => "too_large",
            Skip::NotSplit => "not_split",
            Skip::State => "state",
            Skip::Background => "background",
            Skip::ServerTools => "server_tools",
            Skip::StableFailed => "stable_failed",
            Skip::LongAnswer => "long_answer",
            Skip::Cost => "cost",
            Skip::NoRoom => "no_room",
            Skip::NoKey => "no_key",
            Skip::Throttled => "throttled",
            Skip::Unsent => "unsent",
            Skip::Ended => "ended",
        }
    }
}

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Funnel {
    /// Requests of stable that could be copied.
    pub seen: u64,
    /// Those of them that were chosen.
    pub sampled: u64,
    pub skipped: BTreeMap<Skip, u64>,
    /// Copies that were sent.
    pub sent: u64,
    /// Copies that were answered, with whatever status.
    pub answered: u64,
    /// Pairs that were compared.
    pub compared: u64,
}

impl Funnel {
    pub fn skip(&mut self, why: Skip) {
        *self.skipped.entry(why).or_default() += 1;
    }
}
