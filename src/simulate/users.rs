//! Traffic of users who can be told apart: a few of them send most of it, some fail more often, one fails for ever.
//!
//! Request by request, since a [`Cap`] silences users one by one: what a silenced user sends and fails is not counted,
//! what is answered still is. Users stay on their arm: each has a place, and is the canary's while the share lies above
//! it. The user of rank `k` sends in proportion to `1 / k` (Zipf). Deterministic for a seed. Costs some tens of
//! nanoseconds a request, where [`traffic`](super::traffic) costs as much a tick: for rollouts of days with
//! thousands of requests a second it is the wrong place to ask.

use super::excess::{EMPTY, Excess, FILTERED, LENGTH, Rates};
use super::inversion::Inversion;
use super::normal::normal;
use super::poisson::Poisson;
use super::rule::{ANSWER_ASPECTS, SimulatedArm, TickCounts, TickSource};
use super::traffic::{Traffic, seeded};

/// Who is counted.
pub trait Cap {
    /// Whether a request that this user sends now is counted.
    fn counts(&self, user: u32, now: f64) -> bool;
    /// This user sends a request. Told where it is worth knowing to whom something happens again and again.
    fn sends(&mut self, _user: u32, _now: f64) {}
    /// A request of this user has failed; whether that is counted.
    fn failed(&mut self, user: u32, now: f64) -> bool;
}

/// Everybody is counted, always.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCap;

impl Cap for NoCap {
    fn counts(&self, _: u32, _: f64) -> bool {
        true
    }

    fn failed(&mut self, _: u32, _: f64) -> bool {
        true
    }
}

/// Users, and what they send.
#[derive(Clone, Debug, PartialEq)]
pub struct Crowd {
    /// What all of them send together, and how often it fails.
    pub traffic: Traffic,
    /// How many there are.
    pub users: u32,
    /// How far users' own failure rates lie apart: the deviation of their logarithm around the arm's rate. 0: not at
    /// all.
    pub spread: f64,
    /// One more user of the canary sends a request each so many seconds, and every one fails.
    pub hammer: Option<f64>,
    /// Answers that no status calls bad, and that are worse.
    pub habits: Option<Habits>,
}

/// How users' answers come out that no status calls bad.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Habits {
    /// Everybody's.
    pub excess: Excess,
    /// Which part of the users has every answer cut, on either provider: they ask for a few words.
    pub cut: f64,
    /// One more user of the canary sends a request each so many seconds, and every answer is cut.
    pub hammer: Option<f64>,
}

impl Crowd {
    /// The ticks of this crowd, the same for the same seed. Who is counted is told apart for failures and for each kind
    /// of marked answers.
    pub fn visits<C: Cap + Clone>(&self, cap: C, seed: u64) -> CrowdTicks<'_, C> {
        let mut of_habits = seeded(!seed);
        let cut = self.habits.map_or(0.0, |habits| habits.cut);
        let cut = (0..self.users).map(|_| cut > 0.0 && of_habits.f64() < cut).collect();
        let mut rng = seeded(seed);
        let users = (0..self.users).map(|_| {
            let factor = (self.spread * normal(&mut rng) - self.spread * self.spread / 2.0).exp();
            User { place: rng.f64(), factor }
        });
        let users = users.collect();
        let volumes: Vec<f64> = (1..=self.users).map(|rank| 1.0 / f64::from(rank)).collect();
        CrowdTicks {
            crowd: self,
            of_kinds: [(); ANSWER_ASPECTS].map(|()| cap.clone()),
            cap,
            of_habits,
            cut,
            rng,
            users,
            volumes: Inversion::new(&volumes),
            arrivals: (f64::NAN, Poisson::new(0.0)),
            ticks: 0,
            hammered: 0,
            insisted: 0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct User {
    // On the canary while the share lies above it.
    place: f64,
    // The user's own failure rate is so many times the arm's.
    factor: f64,
}

/// The ticks of one run.
#[derive(Clone, Debug)]
pub struct CrowdTicks<'c, C> {
    crowd: &'c Crowd,
    cap: C,
    of_kinds: [C; ANSWER_ASPECTS],
    of_habits: fastrand::Rng,
    // Whose answers are all cut.
    cut: Vec<bool>,
    rng: fastrand::Rng,
    users: Vec<User>,
    volumes: Inversion,
    // The mean and the draws for it.
    arrivals: (f64, Poisson),
    ticks: u64,
    hammered: u64,
    insisted: u64,
}

impl<C: Cap> CrowdTicks<'_, C> {
    fn request(&mut self, arm: &mut SimulatedArm, user: u32, now: f64, failed: bool) {
        arm.requests += u32::from(self.cap.counts(user, now));
        if !failed {
            arm.successes += 1;
        } else if self.cap.failed(user, now) {
            arm.errors += 1;
        }
    }

    /// Marks the answer that this user just had.
    fn mark(&mut self, arm: &mut SimulatedArm, user: u32, now: f64, rates: &Rates, cut: bool) {
        let mut fine = true;
        for (kind, cap) in self.of_kinds.iter_mut().enumerate() {
            arm.marked.requests[kind] += u32::from(cap.counts(user, now));
            cap.sends(user, now);
            let happens = self.of_habits.f64() < rates[kind] || (cut && kind == LENGTH);
            if happens && fine && cap.failed(user, now) {
                arm.marked.events[kind] += 1;
            }
            if happens && (kind == EMPTY || kind == FILTERED) {
                arm.successes -= u32::from(fine);
                fine = false;
            }
        }
    }
}

impl<C: Cap> TickSource for CrowdTicks<'_, C> {
    #[expect(clippy::float_cmp, reason = "another mean is one that is not the same")]
    fn tick(&mut self, share: f64) -> TickCounts {
        let Traffic { tick, requests, stable, canary, .. } = &self.crowd.traffic;
        let now = self.ticks as f64 * tick;
        self.ticks += 1;
        let mean = requests.at(now) * tick;
        if mean != self.arrivals.0 {
            self.arrivals = (mean, Poisson::new(mean));
        }
        let (stable_rate, canary_rate) = (stable.at(now), canary.at(now));
        let mut seen = TickCounts { seconds: *tick, share, ..TickCounts::default() };
        (seen.stable.dead, seen.canary.dead) = (stable_rate >= 1.0, canary_rate >= 1.0);
        for _ in 0..self.arrivals.1.draw(&mut self.rng) {
            let user = self.volumes.draw(&mut self.rng);
            let User { place, factor } =
                self.users.get(user as usize).copied().unwrap_or(User { place: 1.0, factor: 1.0 });
            let (arm, rate) =
                if place < share { (&mut seen.canary, canary_rate) } else { (&mut seen.stable, stable_rate) };
            let failed = self.rng.f64() < rate * factor;
            self.request(arm, user, now, failed);
            if let Some(Habits { excess, .. }) = &self.crowd.habits
                && !failed
            {
                let rates = if place < share { excess.of_canary(now) } else { &excess.stable };
                let cut = self.cut.get(user as usize).copied().unwrap_or_default();
                self.mark(arm, user, now, rates, cut);
            }
        }
        if let Some(every) = self.crowd.habits.and_then(|habits| habits.hammer)
            && share > 0.0
        {
            while self.insisted as f64 * every < now + tick {
                self.insisted += 1;
                let user = self.crowd.users + 1;
                self.request(&mut seen.canary, user, now, false);
                self.mark(&mut seen.canary, user, now, &[0.0; ANSWER_ASPECTS], true);
            }
        }
        if let Some(every) = self.crowd.hammer
            && share > 0.0
        {
            while self.hammered as f64 * every < now + tick {
                self.hammered += 1;
                self.request(&mut seen.canary, self.crowd.users, now, true);
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(errors: f64) -> Crowd {
        Crowd { traffic: Traffic::steady(50.0, errors), users: 2000, spread: 0.0, hammer: None, habits: None }
    }

    fn total(crowd: &Crowd, cap: impl Cap + Clone, share: f64, ticks: u32) -> TickCounts {
        let mut visits = crowd.visits(cap, 11);
        let mut total = TickCounts::default();
        for _ in 0..ticks {
            let seen = visits.tick(share);
            for (sum, arm) in [(&mut total.stable, seen.stable), (&mut total.canary, seen.canary)] {
                sum.requests += arm.requests;
                sum.errors += arm.errors;
                sum.successes += arm.successes;
                for kind in 0..ANSWER_ASPECTS {
                    sum.marked.requests[kind] += arm.marked.requests[kind];
                    sum.marked.events[kind] += arm.marked.events[kind];
                }
            }
        }
        total
    }

    /// Each user counts until the first failure.
    #[derive(Clone, Default)]
    struct Once(std::collections::BTreeSet<u32>);

    impl Cap for Once {
        fn counts(&self, user: u32, _: f64) -> bool {
            !self.0.contains(&user)
        }

        fn failed(&mut self, user: u32, _: f64) -> bool {
            self.0.insert(user)
        }
    }

    #[test]
    fn users_stay_on_their_arm_and_fail_as_it_does() {
        let TickCounts { stable, canary, .. } = total(&crowd(0.1), NoCap, 0.5, 1000);
        let all = f64::from(stable.requests + canary.requests);
        assert!((all - 50_000.0).abs() < 1000.0, "{all}");
        for arm in [stable, canary] {
            assert_eq!(arm.successes + arm.errors, arm.requests);
            let rate = f64::from(arm.errors) / f64::from(arm.requests);
            assert!((rate - 0.1).abs() < 0.015 && f64::from(arm.requests) > 0.2 * all, "{arm:?}");
        }
        assert_eq!(total(&crowd(0.1), NoCap, 0.0, 50).canary, SimulatedArm::default());
        assert_eq!(total(&crowd(0.1), NoCap, 1.0, 50).stable, SimulatedArm::default());
    }

    #[test]
    fn who_is_silenced_is_neither_above_nor_below_the_line() {
        let hammered = Crowd { hammer: Some(1.0), ..crowd(0.0) };
        let (capped, all) = (total(&hammered, Once::default(), 0.1, 300), total(&hammered, NoCap, 0.1, 300));
        assert_eq!((capped.canary.errors, all.canary.errors), (1, 300));
        assert_eq!(all.canary.requests - capped.canary.requests, 299);
        assert_eq!(all.canary.successes, capped.canary.successes);
    }

    #[test]
    fn a_hammer_strikes_as_often_as_it_says() {
        let hammered = Crowd { hammer: Some(60.0), ..crowd(0.0) };
        assert_eq!(total(&hammered, NoCap, 0.1, 600).canary.errors, 10);
    }

    #[test]
    fn a_user_whose_answers_are_all_cut_is_paused_in_that_alone() {
        let habits = Habits { excess: Excess::alike([0.01, 0.02, 0.0, 0.0]), cut: 0.0, hammer: Some(1.0) };
        let habitual = Crowd { habits: Some(habits), ..crowd(0.0) };
        let cut = |cap| total(&habitual, cap, 0.1, 600).canary.marked;
        let (all, once) = (cut(NoCap), total(&habitual, Once::default(), 0.1, 600).canary.marked);
        assert!(all.events[LENGTH] > 600 && once.events[LENGTH] < 200, "{all:?} {once:?}");
        assert!(once.requests[LENGTH] + 599 <= once.requests[FILTERED], "paused for one kind, and for no other");
        let some = Habits { cut: 0.2, hammer: None, ..habits };
        let many = total(&Crowd { habits: Some(some), ..crowd(0.0) }, NoCap, 0.5, 600);
        for arm in [many.stable.marked, many.canary.marked] {
            let part = f64::from(arm.events[LENGTH]) / f64::from(arm.requests[LENGTH]);
            assert!((0.1..0.4).contains(&part), "the busiest users make the difference: {part}");
        }
    }

    #[test]
    fn own_rates_spread_around_the_arms_rate() {
        let spread = Crowd { spread: 1.0, users: 100_000, ..crowd(0.0) };
        let factors: f64 = spread.visits(NoCap, 1).users.iter().map(|user| user.factor).sum();
        assert!((factors / 1e5 - 1.0).abs() < 0.03, "{factors}");
    }
}
