//! The threshold rule that everybody writes first, and that guides to canary releases show.
//!
//! Count requests and the canary's failures; at every hundredth request, divide the failures by the number of requests
//! that the canary should have had by its share, and go back above 5%. The counts are those since the start, so a
//! canary that was healthy for a day may fail for a good while before the mean notices; at the start one failure among
//! ten requests is enough. More users only while there has not been a single failure. Compares with nothing: what
//! stable does meanwhile is not looked at.

use crate::simulate::rule::{Detector, TickCounts};

/// How many requests there are between two checks.
const EVERY: u64 = 100;
/// Above this failure rate the canary goes back.
const LIMIT: f64 = 0.05;

/// The threshold rule.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    requests: u64,
    canary_errors: u64,
}

impl Detector for Naive {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        let before = self.requests / EVERY;
        self.requests += u64::from(seen.stable.requests) + u64::from(seen.canary.requests);
        self.canary_errors += u64::from(seen.canary.errors);
        self.requests / EVERY > before && self.canary_errors as f64 > LIMIT * self.requests as f64 * seen.share
    }

    fn may_promote(&self) -> bool {
        self.canary_errors == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rule::SimulatedArm;

    fn seen(stable: u32, canary: u32, errors: u32) -> TickCounts {
        TickCounts {
            seconds: 1.0,
            share: 0.1,
            stable: SimulatedArm::counted(stable, 0),
            canary: SimulatedArm::counted(canary - errors, errors),
            ..TickCounts::default()
        }
    }

    #[test]
    fn it_checks_at_every_hundredth_request_only() {
        let mut naive = Naive::default();
        assert!(!naive.is_bad(&seen(80, 15, 15)));
        assert!(naive.is_bad(&seen(5, 0, 0)));
    }

    #[test]
    fn one_early_failure_is_too_many_and_a_hundred_late_ones_are_not() {
        assert!(Naive::default().is_bad(&seen(90, 10, 1)));
        let mut naive = Naive::default();
        assert!(!naive.is_bad(&seen(90_000, 10_000, 0)));
        assert!(!naive.is_bad(&seen(900, 100, 100)));
    }

    #[test]
    fn one_failure_ever_ends_the_ramp() {
        let mut naive = Naive::default();
        assert!(!naive.is_bad(&seen(900, 100, 0)) && naive.may_promote());
        assert!(!naive.is_bad(&seen(900, 100, 1)) && !naive.may_promote());
    }
}
