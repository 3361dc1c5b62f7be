//! The limits for the canary's failure rate at the end of a step, of the ramp and of a confirmation.
//!
//! All of them use the present step, and compare with stable's rate over the same time, or with its history where
//! stable had no requests. Passing such a check means that the canary does well. Whether it does worse than stable is a
//! separate question, which an [`Analysis`] answers.

use super::analysis::{Analysis, fraction};
use super::numbers::wilson;
use crate::decide::policy::Guard;

/// A rate and what it is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateCheck {
    /// The canary's rate, or the highest that it may be.
    pub rate: f64,
    /// What it must not exceed.
    pub limit: f64,
    requests: f64,
    failures: f64,
    // The normal quantile of an upper bound; 0: the plain rate.
    z: f64,
}

impl RateCheck {
    fn new(analysis: &Analysis, z: f64, limit: f64) -> RateCheck {
        let (requests, failures) = (analysis.step.canary, analysis.step.canary_events);
        RateCheck { rate: rate(failures, requests, z), limit, requests, failures, z }
    }

    /// How many failures more make it too many; `None`: no number does.
    #[must_use]
    pub fn failures_to_miss(&self) -> Option<f64> {
        let misses = |more: f64| rate(self.failures + more, self.requests, self.z) >= self.limit;
        let (mut low, mut high) = (0.0, (self.requests - self.failures).floor());
        if high < 1.0 || !misses(high) {
            return None;
        }
        while high - low > 1.0 {
            let middle = f64::midpoint(low, high).floor();
            if misses(middle) { high = middle } else { low = middle }
        }
        Some(high)
    }
}

fn rate(failures: f64, requests: f64, z: f64) -> f64 {
    if z > 0.0 { wilson(failures, requests, z).1 } else { failures / requests.max(1.0) }
}

/// More users may follow while the canary's rate, at the upper end of its interval, does not exceed the limit.
#[must_use]
pub fn promotion_check(guard: &Guard, analysis: &Analysis) -> RateCheck {
    let limit = fraction(guard.max_error_rate).max(2.0 * stable_rate(analysis));
    RateCheck::new(analysis, guard.constants.promote_z, limit)
}

/// The canary is done below this.
#[must_use]
pub fn completion_check(guard: &Guard, analysis: &Analysis) -> RateCheck {
    let limit = fraction(guard.done_below).max(guard.constants.reference_ratio * stable_rate(analysis));
    RateCheck::new(analysis, 0.0, limit)
}

/// A confirmation ends well while the canary's rate does not exceed this.
#[must_use]
pub fn confirmation_check(guard: &Guard, analysis: &Analysis) -> RateCheck {
    let stable = (analysis.step.stable_events + 1.0) / analysis.step.stable.max(1.0);
    let limit = fraction(guard.done_below).max(guard.constants.reference_ratio * stable);
    RateCheck::new(analysis, 0.0, limit)
}

fn stable_rate(analysis: &Analysis) -> f64 {
    analysis.step.stable_rate().unwrap_or_else(|| analysis.baseline.rate())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failures_that_would_miss_a_measure_are_the_fewest() {
        let guard = Guard::default();
        let mut analysis = Analysis::new(&guard.constants);
        (analysis.step.stable, analysis.step.stable_events) = (9000.0, 36.0);
        (analysis.step.canary, analysis.step.canary_events) = (1000.0, 4.0);
        let measure = completion_check(&guard, &analysis);
        assert!((measure.limit - 0.006).abs() < 1e-9);
        // Six of a thousand are not below six of a thousand.
        assert_eq!(measure.failures_to_miss(), Some(2.0));
        let measure = promotion_check(&guard, &analysis);
        let more = measure.failures_to_miss().unwrap();
        let upper = |failures| wilson(failures, 1000.0, guard.constants.promote_z).1;
        assert!(upper(4.0 + more) >= 0.05 && upper(3.0 + more) < 0.05, "{more}");
        analysis.step.canary = 0.0;
        assert_eq!(promotion_check(&guard, &analysis).failures_to_miss(), None);
    }
}
