//! A canary's failure rate, interval by interval, as a metrics server would be asked for it.
//!
//! Owns the counts of the interval that is running. An interval without requests has no rate and is left out by those
//! who ask: what a real query gives then (nothing, or no number) depends on how it was written. Intervals follow
//! each other without gaps from the start of the rollout; a tick belongs to the interval that it ends in.

use crate::simulate::rule::TickCounts;

/// The counts of the running interval.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    length: f64,
    seconds: f64,
    requests: u64,
    errors: u64,
}

/// What a tick brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum IntervalResult {
    /// The interval goes on.
    Running,
    /// It is over, and had no requests.
    Empty,
    /// It is over, with this failure rate.
    Rate(f64),
}

impl Interval {
    /// Intervals of so many seconds.
    pub(super) const fn new(length: f64) -> Interval {
        Interval { length, seconds: 0.0, requests: 0, errors: 0 }
    }

    pub(super) fn tick(&mut self, seen: &TickCounts) -> IntervalResult {
        self.seconds += seen.seconds;
        self.requests += u64::from(seen.canary.requests);
        self.errors += u64::from(seen.canary.errors);
        if self.seconds < self.length - 1e-6 {
            return IntervalResult::Running;
        }
        let reading = match self.requests {
            0 => IntervalResult::Empty,
            requests => IntervalResult::Rate(self.errors as f64 / requests as f64),
        };
        *self = Interval { seconds: (self.seconds - self.length).max(0.0), ..Interval::new(self.length) };
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rule::SimulatedArm;

    #[test]
    fn each_interval_has_a_rate_of_its_own() {
        let mut interval = Interval::new(3.0);
        let mut tick = |requests: u32, errors: u32| {
            interval.tick(&TickCounts {
                seconds: 1.5,
                canary: SimulatedArm::counted(requests - errors, errors),
                ..TickCounts::default()
            })
        };
        assert_eq!([tick(3, 0), tick(1, 1)], [IntervalResult::Running, IntervalResult::Rate(0.25)]);
        assert_eq!([tick(0, 0), tick(0, 0)], [IntervalResult::Running, IntervalResult::Empty]);
        assert_eq!([tick(4, 4), tick(0, 0)], [IntervalResult::Running, IntervalResult::Rate(1.0)]);
    }
}
