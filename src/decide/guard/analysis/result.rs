//! What the numbers of an analysis say: of each aspect, and of the rollout as a whole.
//!
//! Owns the shapes and the two comparisons with a bound. Decides nothing: what follows from a result is
//! [`rollout::guard_step`](crate::decide::rollout)'s. Invariant: an aspect below its floor is no alarm, whatever its
//! evidence.

use crate::decide::guard::aspect::{ASPECTS, Aspect};

/// What one aspect has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AspectResult {
    /// How many times likelier what was seen is if the canary is worse than tolerated.
    pub evidence: f64,
    /// The evidence that is an alarm.
    pub bound: f64,
    /// Evidence that the canary's rate is above the floor, in nats.
    pub floor: f64,
    /// Whether that is enough.
    pub above_floor: bool,
}

impl AspectResult {
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        self.evidence >= self.bound && self.above_floor
    }

    /// Whether this speaks against the canary at all.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.evidence > 1.0 && self.above_floor
    }
}

/// What the guard's numbers say now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnalysisResult {
    pub aspects: [AspectResult; ASPECTS],
    /// Whether the canary is down while stable works.
    pub down: bool,
    /// Whether the canary takes requests and never answers while stable does.
    pub silent: bool,
    /// Whether stable is down while the canary works.
    pub stable_down: bool,
    /// Whether stable is in an incident.
    pub incident: bool,
    /// Evidence that the canary's rate is above stable's usual rate, in nats.
    pub suspicion: f64,
    /// Whether that asks for a confirmation.
    pub suspicious: bool,
}

impl AnalysisResult {
    #[must_use]
    pub const fn of(&self, aspect: Aspect) -> &AspectResult {
        &self.aspects[aspect as usize]
    }
}
