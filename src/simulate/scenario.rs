//! What an operator states, as a source of ticks: traffic, what fails, and what happens when.
//!
//! Owns how the statements go together: an outage hits both providers, a fault the canary, the worse of the two counts, a
//! provider that dies never comes back, and a canary that is silent takes requests and answers none. Where users are told apart each rule sees
//! the counts that it would have: Serin pauses a user who fails, the others count everybody. Invariant: the same seed
//! gives the same requests, whoever looks at them.

use super::course::Course;
use super::excess::{Excess, Marker};
use super::pauses::Pauses;
use super::rule::{Arm, Seen, Source};
use super::traffic::{Arrivals, Traffic};
use super::users::{Crowd, Everybody, Habits, Visits};

/// Both providers fail more often for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// Which part of the requests fails.
    pub errors: f64,
    /// For how many seconds.
    pub seconds: f64,
    /// From when on, in seconds from the start.
    pub from: f64,
}

/// What is stated. Rates are parts of 1, times are seconds from the rollout's start.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Requests a second, of everybody.
    pub requests: f64,
    /// Which part of stable's requests fails.
    pub stable: f64,
    /// Which part of the canary's requests fails, and since when; before it is as stable is.
    pub canary: (f64, f64),
    /// Both providers fail.
    pub outages: Vec<Outage>,
    /// How many users are told apart; `None`: none.
    pub users: Option<u32>,
    /// Whether one user of the canary sends a request a second, and every one fails.
    pub failing_user: bool,
    /// Whether the canary takes requests and never answers.
    pub silent: bool,
    /// When stable stops answering anything.
    pub stable_dies: Option<f64>,
    /// Answers that no status calls bad, and that are worse; `None`: there are none.
    pub excess: Option<Excess>,
}

/// Whose counts a rule sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Everybody's, always.
    Everybody,
    /// Those of users who are not paused for their failures.
    Unpaused,
}

/// A scenario with its courses, from which any number of runs begin.
#[derive(Clone, Debug)]
pub struct Stage {
    traffic: Traffic,
    crowd: Option<Crowd>,
    silent: bool,
    excess: Option<Excess>,
}

impl Scenario {
    /// Ready to run.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let mut changes: Vec<f64> = vec![self.canary.1];
        changes.extend(self.outages.iter().flat_map(|outage| [outage.from, outage.from + outage.seconds]));
        changes.extend(self.stable_dies);
        changes.sort_by(f64::total_cmp);
        let course = |errors: &dyn Fn(f64) -> f64| {
            changes.iter().fold(Course::steady(errors(0.0)), |course, at| course.then(*at, errors(*at)))
        };
        let mut traffic = Traffic::steady(self.requests, self.stable);
        traffic.stable = course(&|at| self.stable_errors(at));
        traffic.canary = course(&|at| self.canary_errors(at));
        let hammer = self.failing_user.then_some(1.0);
        let users = self.users;
        let habits = self.excess.map(|excess| Habits { excess, ..Habits::default() });
        let crowd = users.map(|users| Crowd { traffic: traffic.clone(), users, spread: 0.0, hammer, habits });
        Stage { traffic, crowd, silent: self.silent, excess: self.excess }
    }

    /// Which part of stable's requests fails at this time.
    #[must_use]
    pub fn stable_errors(&self, at: f64) -> f64 {
        let dead = self.stable_dies.is_some_and(|from| at >= from);
        if dead { 1.0 } else { self.stable.max(self.outage(at)) }
    }

    /// Which part of the canary's requests fails at this time.
    #[must_use]
    pub fn canary_errors(&self, at: f64) -> f64 {
        let (errors, from) = self.canary;
        let own = if at >= from { errors } else { self.stable };
        own.max(self.outage(at))
    }

    // The worst of the outages at this time.
    fn outage(&self, at: f64) -> f64 {
        let now = |outage: &&Outage| (outage.from..outage.from + outage.seconds).contains(&at);
        self.outages.iter().filter(now).map(|outage| outage.errors).fold(0.0, f64::max)
    }
}

impl Stage {
    /// The ticks of one run.
    #[must_use]
    pub fn run(&self, seed: u64, counted: Counted) -> Run<'_> {
        let requests = match (&self.crowd, counted) {
            (None, _) => Requests::Alike(self.traffic.arrivals(seed)),
            (Some(crowd), Counted::Everybody) => Requests::All(crowd.visits(Everybody, seed)),
            (Some(crowd), Counted::Unpaused) => Requests::Unpaused(crowd.visits(Pauses::default(), seed)),
        };
        // Where users are told apart, each answer is marked with its user.
        let alike = self.excess.filter(|_| self.crowd.is_none());
        Run { requests, silent: self.silent, marker: alike.map(|excess| Marker::new(excess, seed)) }
    }
}

/// The ticks of one run.
#[derive(Clone, Debug)]
pub struct Run<'s> {
    requests: Requests<'s>,
    silent: bool,
    marker: Option<Marker>,
}

#[derive(Clone, Debug)]
enum Requests<'s> {
    Alike(Arrivals<'s>),
    All(Visits<'s, Everybody>),
    Unpaused(Visits<'s, Pauses>),
}

impl Source for Run<'_> {
    fn tick(&mut self, share: f64) -> Seen {
        let mut seen = match &mut self.requests {
            Requests::Alike(requests) => requests.tick(share),
            Requests::All(requests) => requests.tick(share),
            Requests::Unpaused(requests) => requests.tick(share),
        };
        if self.silent {
            // It answers probes, or no ramp would begin.
            seen.canary = Arm { errors: 0, successes: 0, ..seen.canary };
        }
        if let Some(marker) = &mut self.marker {
            marker.mark(&mut seen);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm() -> Scenario {
        Scenario {
            requests: 50.0,
            stable: 0.0,
            canary: (0.0, 0.0),
            outages: Vec::new(),
            users: None,
            failing_user: false,
            silent: false,
            stable_dies: None,
            excess: None,
        }
    }

    fn ticks(scenario: &Scenario, counted: Counted, count: usize) -> Vec<Seen> {
        let stage = scenario.stage();
        let mut run = stage.run(3, counted);
        (0..count).map(|_| run.tick(0.5)).collect()
    }

    #[test]
    fn what_is_stated_happens_when_it_is_stated() {
        let outage = Outage { errors: 1.0, seconds: 2.0, from: 2.0 };
        let scenario = Scenario { canary: (1.0, 6.0), outages: vec![outage], stable_dies: Some(8.0), ..calm() };
        let failing = |arm: Arm| arm.errors == arm.requests && arm.dead;
        let seen = ticks(&scenario, Counted::Everybody, 10);
        let failed: Vec<(bool, bool)> = seen.iter().map(|seen| (failing(seen.stable), failing(seen.canary))).collect();
        let expected =
            [[(false, false); 2], [(true, true); 2], [(false, false); 2], [(false, true); 2], [(true, true); 2]];
        assert_eq!(failed, expected.concat());
    }

    #[test]
    fn a_silent_canary_takes_requests_and_answers_none() {
        let seen = ticks(&Scenario { silent: true, ..calm() }, Counted::Everybody, 20);
        assert!(seen.iter().all(|seen| seen.canary.successes == 0 && seen.canary.errors == 0 && !seen.canary.dead));
        assert!(seen.iter().map(|seen| seen.canary.requests).sum::<u32>() > 300);
    }

    #[test]
    fn serin_pauses_the_user_who_fails_and_others_do_not() {
        let scenario = Scenario { users: Some(2000), failing_user: true, ..calm() };
        let errors = |counted| ticks(&scenario, counted, 60).iter().map(|seen| seen.canary.errors).sum::<u32>();
        assert_eq!(errors(Counted::Everybody), 60);
        // Pauses of ten seconds, then of forty.
        assert_eq!(errors(Counted::Unpaused), 3);
    }

    #[test]
    fn whoever_looks_sees_the_same_requests() {
        let scenario = Scenario { users: Some(500), stable: 0.2, canary: (0.2, 0.0), ..calm() };
        let successes = |counted| ticks(&scenario, counted, 60).iter().map(|s| s.stable.successes).sum::<u32>();
        assert_eq!(successes(Counted::Everybody), successes(Counted::Unpaused));
    }
}
