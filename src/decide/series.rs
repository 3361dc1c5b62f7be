//! The series of a rollout: what was in force, and what became of its requests, second by second.
//!
//! Owns the steps and how long each is kept, what a point holds, and how points become points of a longer step: counts
//! and histograms add up, and of what was in force the last is kept. Knows no clock and no disk. Invariant: rolling up is
//! exact, in whatever order and grouping it is done.

pub mod encoding;
pub mod histogram;

use std::collections::BTreeMap;

use self::histogram::Histogram;
use super::units::{Millis, Percent, UnixMillis};

/// How long a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Second,
    TenSeconds,
    TenMinutes,
}

impl Step {
    /// The finest first.
    pub const ALL: [Step; 3] = [Step::Second, Step::TenSeconds, Step::TenMinutes];

    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Step::Second => 1,
            Step::TenSeconds => 10,
            Step::TenMinutes => 600,
        }
    }

    #[must_use]
    pub const fn millis(self) -> u64 {
        self.seconds() * 1000
    }

    /// As it is asked for.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Step::Second => "1s",
            Step::TenSeconds => "10s",
            Step::TenMinutes => "10m",
        }
    }

    /// How long its points are kept.
    #[must_use]
    pub const fn kept(self) -> Millis {
        const HOUR: u64 = 3_600_000;
        Millis(match self {
            Step::Second => HOUR,
            Step::TenSeconds => 48 * HOUR,
            Step::TenMinutes => 90 * 24 * HOUR,
        })
    }

    /// The beginning of the point that a moment belongs to.
    #[must_use]
    pub const fn start_of(self, at: UnixMillis) -> UnixMillis {
        UnixMillis(at.0 - at.0 % self.millis())
    }
}

/// What became of an arm's requests that ended within a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArmPoint {
    pub requests: u32,
    /// Those that the arm's own provider did not answer well, whoever answered instead.
    pub failures: u32,
    /// To the first byte of an answer's body.
    pub first_output: Histogram,
    /// To the end of the answer.
    pub duration: Histogram,
}

impl ArmPoint {
    fn add(&mut self, other: &ArmPoint) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.first_output.add(&other.first_output);
        self.duration.add(&other.duration);
    }
}

/// One step of a rollout's series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// The share in force at its end.
    pub percent: Percent,
    /// What the file asked for at its end; `None`: auto.
    pub intent: Option<Percent>,
    /// The guard's evidence at its end; `None`: nothing is judged.
    pub evidence: Option<f64>,
    /// Stable's and the canary's.
    pub arms: [ArmPoint; 2],
}

impl Point {
    /// Takes in a point of the same time or a later one.
    pub fn absorb(&mut self, later: &Point) {
        (self.percent, self.intent, self.evidence) = (later.percent, later.intent, later.evidence);
        for (arm, other) in self.arms.iter_mut().zip(&later.arms) {
            arm.add(other);
        }
    }
}

/// Points by where they begin.
pub type Points = BTreeMap<UnixMillis, Point>;

/// Adds points, oldest first, as points of this step.
pub fn roll_up<'a>(into: &mut Points, points: impl IntoIterator<Item = (UnixMillis, &'a Point)>, step: Step) {
    for (at, point) in points {
        into.entry(step.start_of(at)).and_modify(|known| known.absorb(point)).or_insert_with(|| point.clone());
    }
}

#[cfg(test)]
mod tests;
