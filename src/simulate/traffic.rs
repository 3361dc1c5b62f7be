//! Traffic that an operator can state: how much there is, how often each provider fails, and what happens when.
//!
//! Requests come as a Poisson stream and each goes to the canary, and fails, with its own chance. Such a stream falls
//! apart into four that know nothing of each other (a classic property of thinning), so a tick is four draws: exact,
//! and as cheap for two thousand requests a second as for one. Deterministic for a seed. Each tick takes four random
//! numbers whatever the rates and the share are, so rules with different shares meet the same luck at the same second.
//! A change takes effect with the first tick that begins after it. Users are not told apart here: see
//! [`users`](super::users).

use super::poisson::Poisson;
use super::profile::Profile;
use super::rule::{SimulatedArm, TickCounts, TickSource};

/// Traffic on both providers.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// How long a tick is, in seconds.
    pub tick: f64,
    /// Requests a second, of everybody.
    pub requests: Profile,
    /// Which part of stable's requests fails.
    pub stable: Profile,
    /// Which part of the canary's requests fails.
    pub canary: Profile,
    /// Since when the canary deserves to be taken back; `None`: never.
    pub fault_at: Option<f64>,
}

impl Traffic {
    /// So many requests a second, of which both providers fail this part.
    #[must_use]
    pub fn steady(requests: f64, errors: f64) -> Traffic {
        let errors = Profile::steady(errors);
        Traffic {
            tick: 1.0,
            requests: Profile::steady(requests),
            stable: errors.clone(),
            canary: errors,
            fault_at: None,
        }
    }

    /// In ticks of so many seconds.
    #[must_use]
    pub fn ticking(self, tick: f64) -> Traffic {
        Traffic { tick, ..self }
    }

    /// The canary fails this part from `at` on: it ought to be taken back.
    #[must_use]
    pub fn fault(self, at: f64, errors: f64) -> Traffic {
        Traffic { canary: self.canary.then(at, errors), fault_at: Some(at), ..self }
    }

    /// Another canary from the start, as good as it ought to be.
    #[must_use]
    pub fn with_canary(self, errors: f64) -> Traffic {
        Traffic { canary: Profile::steady(errors), ..self }
    }

    /// Both providers fail this part for a while.
    #[must_use]
    pub fn outage(self, from: f64, seconds: f64, errors: f64) -> Traffic {
        Traffic {
            stable: self.stable.spell(from, seconds, errors),
            canary: self.canary.spell(from, seconds, errors),
            ..self
        }
    }

    /// The canary alone fails this part for a while, too short to be taken back for.
    #[must_use]
    pub fn burst(self, from: f64, seconds: f64, errors: f64) -> Traffic {
        Traffic { canary: self.canary.spell(from, seconds, errors), ..self }
    }

    /// Both providers get slowly worse, or better, and stay so.
    #[must_use]
    pub fn drift(self, from: f64, seconds: f64, errors: f64) -> Traffic {
        Traffic {
            stable: self.stable.drift(from, seconds, errors),
            canary: self.canary.drift(from, seconds, errors),
            ..self
        }
    }

    /// The ticks of this traffic, the same for the same seed.
    #[must_use]
    pub fn arrivals(&self, seed: u64) -> Arrivals<'_> {
        let none = || Poisson::new(0.0);
        Arrivals {
            traffic: self,
            rng: seeded(seed),
            ticks: 0,
            until: 0.0,
            share: 0.0,
            draws: [none(), none(), none(), none()],
            dead: [false; 2],
        }
    }
}

/// A generator for this seed. Neighbouring seeds are spread out first (the finaliser of `SplitMix64`), so that runs
/// which are numbered one after another have nothing in common.
#[must_use]
pub fn seeded(seed: u64) -> fastrand::Rng {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    fastrand::Rng::with_seed(mixed ^ (mixed >> 31))
}

/// The ticks of one run.
#[derive(Clone, Debug)]
pub struct Arrivals<'t> {
    traffic: &'t Traffic,
    rng: fastrand::Rng,
    ticks: u64,
    // The draws hold before this time, and for this share.
    until: f64,
    share: f64,
    // Stable's answers and failures, the canary's answers and failures.
    draws: [Poisson; 4],
    // Stable and canary answer nothing.
    dead: [bool; 2],
}

impl Arrivals<'_> {
    fn build(&mut self, now: f64, share: f64) {
        let Traffic { tick, requests, stable, canary, .. } = self.traffic;
        let all = requests.at(now) * tick;
        let (to_canary, to_stable) = (all * share, all * (1.0 - share));
        let (canary_errors, stable_errors) = (canary.at(now), stable.at(now));
        self.draws = [
            Poisson::new(to_stable * (1.0 - stable_errors)),
            Poisson::new(to_stable * stable_errors),
            Poisson::new(to_canary * (1.0 - canary_errors)),
            Poisson::new(to_canary * canary_errors),
        ];
        self.dead = [stable_errors, canary_errors].map(|errors| errors >= 1.0);
        self.share = share;
        let changes = [requests, stable, canary].map(|course| course.change_after(now));
        self.until = changes.into_iter().fold(f64::INFINITY, f64::min);
    }
}

impl TickSource for Arrivals<'_> {
    #[expect(clippy::float_cmp, reason = "another share is one that is not the same")]
    fn tick(&mut self, share: f64) -> TickCounts {
        // Counted anew each time, so that no error adds up over a million ticks.
        let now = self.ticks as f64 * self.traffic.tick;
        self.ticks += 1;
        if now >= self.until || share != self.share {
            self.build(now, share);
        }
        let [stable_ok, stable_errors, canary_ok, canary_errors] =
            [0, 1, 2, 3].map(|which: usize| self.draws[which].draw(&mut self.rng));
        let [stable_dead, canary_dead] = self.dead;
        TickCounts {
            seconds: self.traffic.tick,
            share,
            stable: SimulatedArm { dead: stable_dead, ..SimulatedArm::counted(stable_ok, stable_errors) },
            canary: SimulatedArm { dead: canary_dead, ..SimulatedArm::counted(canary_ok, canary_errors) },
            ..TickCounts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(traffic: &Traffic, share: f64, from: usize, ticks: usize) -> [f64; 4] {
        let mut arrivals = traffic.arrivals(7);
        let mut sums = [0.0; 4];
        for tick in 0..from + ticks {
            let TickCounts { stable, canary, .. } = arrivals.tick(share);
            if tick >= from {
                for (sum, count) in
                    sums.iter_mut().zip([stable.requests, stable.errors, canary.requests, canary.errors])
                {
                    *sum += f64::from(count);
                }
            }
        }
        sums
    }

    fn close(sums: [f64; 4], expected: [f64; 4]) {
        for (sum, expected) in sums.into_iter().zip(expected) {
            assert!((sum - expected).abs() <= 4.5 * expected.sqrt(), "{sum} and not {expected}");
        }
    }

    #[test]
    fn both_arms_get_their_share_and_fail_as_stated() {
        let traffic = Traffic::steady(50.0, 0.004).fault(3600.0, 0.2);
        close(sums(&traffic, 0.1, 0, 3600), [162_000.0, 648.0, 18_000.0, 72.0]);
        close(sums(&traffic, 0.1, 3600, 3600), [162_000.0, 648.0, 18_000.0, 3600.0]);
    }

    #[test]
    fn outages_hit_both_and_bursts_the_canary() {
        let traffic = Traffic::steady(50.0, 0.0).outage(10.0, 5.0, 1.0).burst(20.0, 2.0, 1.0);
        let mut arrivals = traffic.arrivals(3);
        for tick in 0..30 {
            let TickCounts { stable, canary, .. } = arrivals.tick(0.5);
            let failing = |yes: bool, arm: SimulatedArm| arm.errors == if yes { arm.requests } else { 0 };
            assert!(failing((10..15).contains(&tick), stable), "{tick}: {stable:?}");
            assert!(failing((10..15).contains(&tick) || (20..22).contains(&tick), canary), "{tick}: {canary:?}");
        }
    }

    #[test]
    fn a_seed_is_a_run_and_neighbours_are_strangers() {
        let traffic = Traffic::steady(5.0, 0.1);
        let run = |seed| {
            let mut arrivals = traffic.arrivals(seed);
            (0..50).map(|_| arrivals.tick(0.3)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let firsts: Vec<f64> = (0..4000).map(|seed| seeded(seed).f64()).collect();
        let mean = firsts.iter().sum::<f64>() / 4000.0;
        let pairs = firsts.windows(2).map(|pair| (pair[0] - 0.5) * (pair[1] - 0.5)).sum::<f64>() / 4000.0;
        assert!((mean - 0.5).abs() < 0.02 && pairs.abs() < 0.006, "{mean}, {pairs}");
    }

    #[test]
    fn shares_that_differ_for_a_while_do_not_change_the_luck() {
        let traffic = Traffic::steady(20.0, 0.05);
        let (mut one, mut other) = (traffic.arrivals(9), traffic.arrivals(9));
        for tick in 0..100 {
            let seen = (one.tick(0.5), other.tick(if tick < 50 { 0.1 } else { 0.5 }));
            assert!(tick < 50 || seen.0 == seen.1);
        }
    }

    #[test]
    fn without_a_share_the_canary_sees_nothing_and_with_all_of_it_stable() {
        let traffic = Traffic::steady(20.0, 0.5);
        assert_eq!(traffic.arrivals(1).tick(0.0).canary, SimulatedArm::default());
        assert_eq!(traffic.arrivals(1).tick(1.0).stable, SimulatedArm::default());
    }
}
