//! Answers that no status calls bad, beside what fails: so many of each provider's are empty, cut, filtered or slow.
//!
//! Marks the answers of ticks that another source gives, each with its own chance, so that traffic is the same with and
//! without them. An answer that is empty or filtered is no success, as the proxy counts it; one that is cut or slowly
//! streamed is. Owns how often a stream lies beyond the limit that is learnt from stable's own ([`beyond`]): paces
//! spread as a lognormal, and a canary's are a multiple of stable's. Deterministic for a seed.

use super::rule::{ANSWER_ASPECTS, SimulatedArm, TickCounts, TickSource};
use super::traffic::seeded;
use crate::decide::policy::SlowRule;

/// Which part of an arm's answers, 0 to 1, by [`Aspect::OF_ANSWERS`](crate::decide::guard::aspect::Aspect::OF_ANSWERS).
pub type Rates = [f64; ANSWER_ASPECTS];

/// How often each provider's answers are worse than their status.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Excess {
    /// Of stable's.
    pub stable: Rates,
    /// Of the canary's, from `from` on; before it is as stable is.
    pub canary: Rates,
    /// In seconds.
    pub from: f64,
}

impl Excess {
    /// Both the same.
    #[must_use]
    pub const fn alike(rates: Rates) -> Excess {
        Excess { stable: rates, canary: rates, from: 0.0 }
    }

    /// Of the canary's at this time.
    #[must_use]
    pub fn of_canary(&self, at: f64) -> &Rates {
        if at >= self.from { &self.canary } else { &self.stable }
    }
}

/// Marks answers.
#[derive(Clone, Debug)]
pub struct Marker {
    excess: Excess,
    rng: fastrand::Rng,
    at: f64,
}

impl Marker {
    /// The same for the same seed.
    #[must_use]
    pub fn new(excess: Excess, seed: u64) -> Marker {
        Marker { excess, rng: seeded(!seed), at: 0.0 }
    }

    /// Marks the next tick's.
    pub fn mark(&mut self, seen: &mut TickCounts) {
        let canary = *self.excess.of_canary(self.at);
        self.at += seen.seconds;
        mark(&mut self.rng, &mut seen.stable, &self.excess.stable);
        mark(&mut self.rng, &mut seen.canary, &canary);
    }
}

fn mark(rng: &mut fastrand::Rng, arm: &mut SimulatedArm, rates: &Rates) {
    let mut answers = arm.successes;
    for (kind, rate) in rates.iter().enumerate() {
        let events = some_of(rng, answers, *rate);
        (arm.marked.requests[kind], arm.marked.events[kind]) = (arm.requests, events);
        if kind == EMPTY || kind == FILTERED {
            answers -= events;
        }
    }
    arm.successes = answers;
}

/// Their places among the kinds.
pub(super) const EMPTY: usize = 0;
pub(super) const LENGTH: usize = 1;
pub(super) const FILTERED: usize = 2;

/// How many of so many, each with this chance: from one to the next by the gap between them.
pub(super) fn some_of(rng: &mut fastrand::Rng, all: u32, chance: f64) -> u32 {
    if chance <= 0.0 || all == 0 {
        return 0;
    }
    if chance >= 1.0 {
        return all;
    }
    let (mut at, mut some) = (0.0, 0);
    loop {
        at += ((1.0 - rng.f64()).ln() / (1.0 - chance).ln()).floor() + 1.0;
        if at > f64::from(all) {
            return some;
        }
        some += 1;
    }
}

/// A source whose answers are marked.
#[derive(Clone, Debug)]
pub struct Marked<S> {
    source: S,
    marker: Marker,
}

impl<S: TickSource> Marked<S> {
    /// This source's.
    pub fn new(source: S, excess: Excess, seed: u64) -> Marked<S> {
        Marked { source, marker: Marker::new(excess, seed) }
    }
}

impl<S: TickSource> TickSource for Marked<S> {
    fn tick(&mut self, share: f64) -> TickCounts {
        let mut seen = self.source.tick(share);
        self.marker.mark(&mut seen);
        seen
    }
}

/// How far the logarithms of paces lie apart, usually.
pub const SPREAD: f64 = 0.5;

/// Which part of the streams lies beyond the limit that the rule draws from stable's own, where they come so many times
/// as slowly.
#[must_use]
pub fn beyond(rule: &SlowRule, times: f64, spread: f64) -> f64 {
    above(quantile(rule.quantile) + (rule.tolerance.ln() - times.ln()) / spread)
}

/// The part of a normal distribution above this many deviations (W. J. Cody's bounds are finer; the error is below
/// 1e-7, Abramowitz and Stegun 7.1.26).
fn above(deviations: f64) -> f64 {
    let x = deviations.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let sum = series.iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let tail = 0.5 * sum * (-x * x).exp();
    if deviations < 0.0 { 1.0 - tail } else { tail }
}

/// The quantile of the normal distribution, by halves.
fn quantile(part: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if 1.0 - above(middle) < part { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::traffic::Traffic;

    #[test]
    fn each_arm_is_marked_as_often_as_stated_and_since_then() {
        let excess = Excess { stable: [0.005, 0.02, 0.0, 1.0], canary: [0.3, 0.02, 0.1, 0.5], from: 500.0 };
        let traffic = Traffic::steady(50.0, 0.1);
        let mut source = Marked::new(traffic.arrivals(3), excess, 3);
        let mut part = |ticks: u32| {
            let (mut stable, mut canary) = ([0.0; ANSWER_ASPECTS], [0.0; ANSWER_ASPECTS]);
            let (mut of_stable, mut of_canary) = (0.0, 0.0);
            for _ in 0..ticks {
                let seen = source.tick(0.5);
                assert_eq!(seen.stable.marked.requests, [seen.stable.requests; ANSWER_ASPECTS]);
                of_stable += f64::from(seen.stable.requests - seen.stable.errors);
                of_canary += f64::from(seen.canary.requests - seen.canary.errors);
                for kind in 0..ANSWER_ASPECTS {
                    stable[kind] += f64::from(seen.stable.marked.events[kind]);
                    canary[kind] += f64::from(seen.canary.marked.events[kind]);
                }
            }
            [stable.map(|some| some / of_stable), canary.map(|some| some / of_canary)]
        };
        let close = |got: Rates, wanted: Rates| {
            assert!(got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 0.02), "{got:?} and {wanted:?}");
        };
        let [stable, canary] = part(500);
        close(stable, [0.005, 0.02, 0.0, 0.995]);
        close(canary, [0.005, 0.02, 0.0, 0.995]);
        let [stable, canary] = part(500);
        close(stable, [0.005, 0.02, 0.0, 0.995]);
        close(canary, [0.3, 0.014, 0.07, 0.315]);
    }

    #[test]
    fn what_is_empty_or_filtered_is_no_success() {
        let traffic = Traffic::steady(50.0, 0.0);
        let mut source = Marked::new(traffic.arrivals(3), Excess::alike([0.5, 1.0, 1.0, 1.0]), 3);
        for _ in 0..20 {
            let arm = source.tick(0.0).stable;
            let [empty, length, filtered, pace] = arm.marked.events;
            assert_eq!((arm.successes, empty + filtered, length, pace), (0, arm.requests, arm.requests - empty, 0));
        }
    }

    #[test]
    fn streams_beyond_the_limit_are_a_matter_of_how_slow_they_are() {
        let rule = SlowRule::default();
        assert!((beyond(&SlowRule { tolerance: 1.0, ..rule }, 1.0, SPREAD) - 0.05).abs() < 1e-6);
        assert!((beyond(&rule, 1.0, 0.5) - 0.0070).abs() < 1e-4, "{}", beyond(&rule, 1.0, 0.5));
        assert!((beyond(&rule, 3.0, 0.5) - 0.398).abs() < 1e-3, "{}", beyond(&rule, 3.0, 0.5));
        assert!((0.0..1e-6).contains(&beyond(&rule, 0.2, 0.5)));
    }
}
