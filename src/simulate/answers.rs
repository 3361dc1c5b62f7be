//! Traffic whose answers take their time: each a draw around its provider's median.
//!
//! For rules that look at slowness. Times spread as a lognormal, as times to a first token roughly do, and a
//! [`SlowClassifier`] says which of them are slow; a slow answer is what a failure is elsewhere, so any
//! [`Detector`](super::rule::Detector) can look at the ticks. Request by request, since a watch may learn from each.
//! Knows of no failures: what fails has no time. Deterministic for a seed.

use super::normal::normal;
use super::poisson::Poisson;
use super::profile::Profile;
use super::rule::{SimulatedArm, TickCounts, TickSource};
use super::traffic::seeded;

/// Says which answers are slow.
pub trait SlowClassifier {
    /// Whether this time is slow; it may be learnt from.
    fn is_slow(&mut self, canary: bool, millis: f64) -> bool;
}

/// Answers of both providers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// How long a tick is, in seconds.
    pub tick: f64,
    /// Requests a second.
    pub requests: f64,
    /// Stable's median, in milliseconds.
    pub stable: Profile,
    /// The canary's.
    pub canary: Profile,
    /// The deviation of the logarithm of times.
    pub spread: f64,
}

impl Answers {
    /// The ticks of these answers, the same for the same seed.
    pub fn timed<W: SlowClassifier>(&self, watch: W, seed: u64) -> TimedTicks<'_, W> {
        TimedTicks {
            answers: self,
            watch,
            rng: seeded(seed),
            arrivals: Poisson::new(self.requests * self.tick),
            ticks: 0,
        }
    }
}

/// The ticks of one run.
#[derive(Clone, Debug)]
pub struct TimedTicks<'a, W> {
    answers: &'a Answers,
    watch: W,
    rng: fastrand::Rng,
    arrivals: Poisson,
    ticks: u64,
}

impl<W: SlowClassifier> TickSource for TimedTicks<'_, W> {
    fn tick(&mut self, share: f64) -> TickCounts {
        let Answers { tick, stable, canary, spread, .. } = self.answers;
        let now = self.ticks as f64 * tick;
        self.ticks += 1;
        let medians = [stable.at(now), canary.at(now)];
        let mut arms = [SimulatedArm::default(); 2];
        for _ in 0..self.arrivals.draw(&mut self.rng) {
            let to_canary = self.rng.f64() < share;
            let which = usize::from(to_canary);
            let millis = medians[which] * (spread * normal(&mut self.rng)).exp();
            let slow = self.watch.is_slow(to_canary, millis);
            arms[which].requests += 1;
            arms[which].successes += 1;
            arms[which].errors += u32::from(slow);
        }
        TickCounts { seconds: *tick, share, stable: arms[0], canary: arms[1], ..TickCounts::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Above(f64);

    impl SlowClassifier for Above {
        fn is_slow(&mut self, _: bool, millis: f64) -> bool {
            millis > self.0
        }
    }

    #[test]
    fn each_provider_has_its_own_times() {
        let answers = Answers {
            tick: 1.0,
            requests: 50.0,
            stable: Profile::steady(1000.0),
            canary: Profile::steady(1000.0).then(500.0, 2000.0),
            spread: 0.7,
        };
        let mut timed = answers.timed(Above(2000.0), 5);
        let mut slow = |ticks: u32| {
            let (mut stable, mut canary) = ((0, 0), (0, 0));
            for _ in 0..ticks {
                let seen = timed.tick(0.4);
                stable = (stable.0 + seen.stable.errors, stable.1 + seen.stable.requests);
                canary = (canary.0 + seen.canary.errors, canary.1 + seen.canary.requests);
            }
            [stable, canary].map(|(slow, all)| f64::from(slow) / f64::from(all))
        };
        // ln 2 / 0.7 deviations above the median lie 16.1% of all.
        assert!(slow(500).iter().all(|part| (part - 0.161).abs() < 0.015));
        let [stable, canary] = slow(500);
        assert!((stable - 0.161).abs() < 0.015 && (canary - 0.5).abs() < 0.02, "{stable}, {canary}");
    }
}
