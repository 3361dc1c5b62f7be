//! The two speeds of the demo: one to watch, one for tests.
//!
//! Owns every time and count in which they differ. Invariant: at both speeds each stage lasts until the guard has seen
//! enough requests for `max_error_rate`.

use super::script::Pace;
use crate::decide::units::Millis;

/// What the two speeds differ in.
pub(super) struct Speed {
    pub(super) hold_start: Millis,
    pub(super) step: &'static str,
    pub(super) every: Millis,
    pub(super) max_error_rate: &'static str,
    pub(super) min_requests: u32,
    pub(super) per_second: u32,
    pub(super) pace: Pace,
}

// A stage lasts until the guard has seen enough: some fifty answers for 5%, half as many for 10%.
pub(super) const CALM: Speed = Speed {
    hold_start: Millis(5000),
    step: "15%",
    every: Millis(3000),
    max_error_rate: "5%",
    min_requests: 50,
    per_second: 60,
    pace: Pace { rolled_back: Millis(6000), mended: Millis(3000), deadline: Millis(240_000) },
};

pub(super) const FAST: Speed = Speed {
    hold_start: Millis(1000),
    step: "30%",
    every: Millis(1000),
    max_error_rate: "10%",
    min_requests: 20,
    per_second: 200,
    pace: Pace { rolled_back: Millis(500), mended: Millis(500), deadline: Millis(90_000) },
};
