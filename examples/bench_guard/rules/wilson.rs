//! The threshold rule done with care: a window, a least number of requests, and a confidence bound.
//!
//! The canary's failures of the last half hour; back when at least a hundred requests were seen and the lower end of
//! Wilson's 99% interval lies above 5%. Compares with nothing. Owns the window, one entry a tick.

use std::collections::VecDeque;

use serin::simulate::rule::{Detector, TickCounts};

const WINDOW: f64 = 1800.0;
const LEAST: f64 = 100.0;
const LIMIT: f64 = 0.05;
const Z: f64 = 2.576;

#[derive(Clone, Debug, Default)]
pub(crate) struct Wilson {
    ticks: VecDeque<(f64, f64, f64)>,
    seconds: f64,
    requests: f64,
    errors: f64,
}

impl Detector for Wilson {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        let (requests, errors) = (f64::from(seen.canary.requests), f64::from(seen.canary.errors));
        self.ticks.push_back((seen.seconds, requests, errors));
        self.seconds += seen.seconds;
        self.requests += requests;
        self.errors += errors;
        while self.seconds > WINDOW + 1e-6
            && let Some((seconds, requests, errors)) = self.ticks.pop_front()
        {
            self.seconds -= seconds;
            self.requests -= requests;
            self.errors -= errors;
        }
        // The bound lies below the rate itself: mostly there is nothing to compute.
        self.requests >= LEAST && self.errors > LIMIT * self.requests && lower_bound(self.errors, self.requests) > LIMIT
    }
}

fn lower_bound(errors: f64, requests: f64) -> f64 {
    let (rate, z2) = (errors / requests, Z * Z);
    let centre = rate + z2 / (2.0 * requests);
    let half = Z * (rate * (1.0 - rate) / requests + z2 / (4.0 * requests * requests)).sqrt();
    (centre - half) / (1.0 + z2 / requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serin::simulate::rule::SimulatedArm;

    #[test]
    fn the_window_forgets_and_the_bound_takes_its_time() {
        let mut rule = Wilson::default();
        let mut tick = |requests: u32, errors: u32| {
            rule.is_bad(&TickCounts {
                seconds: 900.0,
                canary: SimulatedArm::counted(requests - errors, errors),
                ..TickCounts::default()
            })
        };
        assert!(!tick(99, 99));
        assert!(!tick(10_000, 0));
        assert!(!tick(0, 0));
        assert!(!tick(1000, 66) && tick(1000, 140));
    }
}
