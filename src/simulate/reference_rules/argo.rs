//! Argo Rollouts with the analysis that its documentation opens with.
//!
//! In the background, every five minutes, the success rate of the last five is asked for. Below 95% the measurement has
//! failed; more than three failed ones, in a row or not, abort the rollout: twenty minutes in at best. Steps of the
//! rollout do not wait for it. See "Analysis & Progressive Delivery" at argoproj.github.io/argo-rollouts and
//! `analysis/analysis.go` of its sources, where the count must exceed `failureLimit`. Kinder than the real one: five
//! minutes without requests are no measurement here, where the real query's result is an error and errors have a limit
//! of their own.

use super::interval::{Interval, IntervalResult};
use crate::simulate::rule::{Detector, TickCounts};

/// Between two measurements, in seconds (`interval`).
const EVERY: f64 = 300.0;
/// A measurement fails above this failure rate (`successCondition: result[0] >= 0.95`).
const LIMIT: f64 = 0.05;
/// So many may fail (`failureLimit`).
const FAILURE_LIMIT: u32 = 3;

/// Argo's analysis in the background.
#[derive(Clone, Debug)]
pub struct Argo {
    interval: Interval,
    failed: u32,
}

impl Default for Argo {
    fn default() -> Argo {
        Argo { interval: Interval::new(EVERY), failed: 0 }
    }
}

impl Detector for Argo {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        match self.interval.tick(seen) {
            IntervalResult::Rate(rate) if rate > LIMIT => {
                self.failed += 1;
                self.failed > FAILURE_LIMIT
            }
            IntervalResult::Rate(_) | IntervalResult::Running | IntervalResult::Empty => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rule::SimulatedArm;

    fn measured(argo: &mut Argo, requests: u32, errors: u32) -> bool {
        argo.is_bad(&TickCounts {
            seconds: 300.0,
            canary: SimulatedArm::counted(requests - errors, errors),
            ..TickCounts::default()
        })
    }

    #[test]
    fn the_fourth_failure_aborts_whatever_lies_between() {
        let mut argo = Argo::default();
        for _ in 0..3 {
            assert!(!measured(&mut argo, 100, 6) && !measured(&mut argo, 100, 5) && !measured(&mut argo, 0, 0));
            assert!(argo.may_promote());
        }
        assert!(measured(&mut argo, 100, 100));
    }
}
