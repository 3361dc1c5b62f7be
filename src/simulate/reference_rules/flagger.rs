//! Flagger with the numbers of its own examples.
//!
//! Once a minute the success rate of the last minute is asked for. Below 99% the check has failed; five failed checks
//! in all, not in a row, end the analysis, and the rollback comes with the check after them, six minutes in at best.
//! After a failed check the weight does not rise. See "Metrics Analysis" and "How it works" at docs.flagger.app and the
//! advance of a canary in `pkg/controller/scheduler.go` of its sources, where the count of failed checks only goes up.
//! Kinder than the real one: a minute without requests counts as passed here, where the real query finds no value and
//! the check fails.

use super::interval::{Interval, IntervalResult};
use crate::simulate::rule::{Detector, TickCounts};

/// Between two checks, in seconds (`interval`).
const EVERY: f64 = 60.0;
/// A check fails above this failure rate (`request-success-rate` of at least 99).
const LIMIT: f64 = 0.01;
/// So many failed checks end the analysis (`threshold`).
const THRESHOLD: u32 = 5;

/// Flagger's analysis.
#[derive(Clone, Debug)]
pub struct Flagger {
    interval: Interval,
    failed_checks: u32,
    passed: bool,
}

impl Default for Flagger {
    fn default() -> Flagger {
        Flagger { interval: Interval::new(EVERY), failed_checks: 0, passed: true }
    }
}

impl Detector for Flagger {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        let reading = self.interval.tick(seen);
        if reading == IntervalResult::Running {
            return false;
        }
        if self.failed_checks >= THRESHOLD {
            return true;
        }
        self.passed = match reading {
            IntervalResult::Rate(rate) => rate <= LIMIT,
            IntervalResult::Running | IntervalResult::Empty => true,
        };
        self.failed_checks += u32::from(!self.passed);
        false
    }

    fn may_promote(&self) -> bool {
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rule::SimulatedArm;

    /// A minute with so many requests, and so many failures among them.
    fn minute(flagger: &mut Flagger, requests: u32, errors: u32) -> bool {
        flagger.is_bad(&TickCounts {
            seconds: 60.0,
            canary: SimulatedArm::counted(requests - errors, errors),
            ..TickCounts::default()
        })
    }

    #[test]
    fn the_rollback_comes_with_the_sixth_check() {
        let mut flagger = Flagger::default();
        assert!((0..5).all(|_| !minute(&mut flagger, 100, 100)));
        assert!(minute(&mut flagger, 100, 0));
    }

    #[test]
    fn passed_checks_forgive_nothing() {
        let mut flagger = Flagger::default();
        for _ in 0..5 {
            assert!(!minute(&mut flagger, 100, 2) && !flagger.may_promote());
            assert!((0..50).all(|_| !minute(&mut flagger, 100, 0)) == (flagger.failed_checks < 5));
        }
    }

    #[test]
    fn one_percent_and_nothing_at_all_are_good_enough() {
        let mut flagger = Flagger::default();
        assert!((0..20).all(|_| !minute(&mut flagger, 100, 1) && !minute(&mut flagger, 0, 0)));
        assert!(flagger.may_promote());
    }
}
