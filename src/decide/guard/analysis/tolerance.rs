//! What the file tolerates, in the units that the detectors calculate with.
//!
//! Owns the tolerance of each aspect, the evidence that is an alarm, and shares as fractions of 1. Keeps nothing.
//! Invariant: an aspect that the file ignores has no tolerance, so nothing is counted for it.

use crate::decide::guard::aspect::Aspect;
use crate::decide::policy::{Guard, OnExcess};
use crate::decide::units::Percent;

/// By how much an aspect may differ, and below which rate it does not matter.
pub(super) struct Tolerance {
    pub(super) tolerated_ratio: f64,
    pub(super) floor: f64,
}

pub(super) fn tolerance_in(guard: &Guard, aspect: Aspect) -> Option<Tolerance> {
    let failures = Tolerance { tolerated_ratio: guard.tolerated_ratio, floor: fraction(guard.ignore_below) };
    match aspect {
        Aspect::Failing => Some(failures),
        Aspect::Slow => guard
            .slow
            .map(|slow| Tolerance { tolerated_ratio: slow.tolerated_ratio, floor: guard.constants.slow_floor }),
        Aspect::Refusing => (guard.client_errors != OnExcess::Ignore).then_some(failures),
        Aspect::Feedback => guard
            .feedback
            .map(|feedback| Tolerance { tolerated_ratio: feedback.tolerated_ratio, floor: failures.floor }),
        Aspect::Empty | Aspect::Length | Aspect::Filtered | Aspect::Pace => {
            let tolerated_ratio = guard.constants.answers_ratio;
            // As of slow answers, what is rarer than that is what the limit was drawn through.
            let floor = if aspect == Aspect::Pace { guard.constants.slow_floor } else { failures.floor };
            (guard.follows(aspect) != OnExcess::Ignore).then_some(Tolerance { tolerated_ratio, floor })
        }
    }
}

/// The evidence that is an alarm: half of the budget for the first try, half of the rest for each further one.
#[must_use]
pub fn bound(guard: &Guard, tries: u32) -> f64 {
    f64::from(tries.saturating_add(1)).exp2() / fraction(guard.false_alarm)
}

/// A share as a fraction of 1.
#[must_use]
pub fn fraction(percent: Percent) -> f64 {
    f64::from(percent.hundredths()) / 10_000.0
}
