//! What an operator states, as a source of ticks: traffic, what fails, and what happens when.
//!
//! Owns how the statements go together: an outage hits both providers, a fault the canary, the worse of the two counts,
//! a provider that dies never comes back, and a canary that is silent takes requests and answers none. Where users are
//! told apart each rule sees the counts that it would have: Serin pauses a user who fails, the others count everybody.
//! Invariant: the same seed gives the same requests, whoever looks at them.

use super::excess::{Excess, Marker, some_of};
use super::feedback::{Feedback, FeedbackMarker};
use super::pauses::Pauses;
use super::profile::Profile;
use super::rule::{TickCounts, TickSource};
use super::traffic::{Arrivals, Traffic, seeded};
use super::users::{Crowd, CrowdTicks, Habits, NoCap};
use super::waits::{self, Waits};
use crate::decide::policy::Guard;

/// Half of stable's answers begin within so many seconds, where it matters.
pub const MEDIAN: f64 = 2.0;
/// What is usual is learnt in this time, in seconds.
const LEARNT: f64 = 600.0;

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
    /// Which part of its requests the canary takes and never answers, from when it is otherwise than stable on.
    pub silent: Option<f64>,
    /// When stable stops answering anything.
    pub stable_dies: Option<f64>,
    /// Answers that no status calls bad, and that are worse; `None`: there are none.
    pub excess: Option<Excess>,
    /// Verdicts of the application; `None`: there are none.
    pub feedback: Option<Feedback>,
}

/// Whose counts a rule sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedRequests {
    /// Everybody's, always.
    Everybody,
    /// Those of users who are not paused for their failures.
    Unpaused,
}

/// A scenario with its courses, from which any number of runs begin.
#[derive(Clone, Debug)]
pub struct PreparedScenario {
    traffic: Traffic,
    crowd: Option<Crowd>,
    // Since when, and how long requests take besides.
    silent: Option<(f64, Waits)>,
    excess: Option<Excess>,
    feedback: Option<Feedback>,
}

impl Scenario {
    /// Ready to run.
    #[must_use]
    pub fn prepare(&self) -> PreparedScenario {
        let mut changes: Vec<f64> = vec![self.canary.1];
        changes.extend(self.outages.iter().flat_map(|outage| [outage.from, outage.from + outage.seconds]));
        changes.extend(self.stable_dies);
        changes.sort_by(f64::total_cmp);
        let course = |errors: &dyn Fn(f64) -> f64| {
            changes.iter().fold(Profile::steady(errors(0.0)), |course, at| course.then(*at, errors(*at)))
        };
        let mut traffic = Traffic::steady(self.requests, self.stable);
        traffic.stable = course(&|at| self.stable_errors(at));
        traffic.canary = course(&|at| self.canary_errors(at));
        let hammer = self.failing_user.then_some(1.0);
        let users = self.users;
        let habits = self.excess.map(|excess| Habits { excess, ..Habits::default() });
        let crowd = users.map(|users| Crowd { traffic: traffic.clone(), users, spread: 0.0, hammer, habits });
        let silent = self.silent.map(|part| {
            let from = self.canary.1;
            // What is usual is learnt in the time before, at the latest from ten minutes before on.
            let learnt = from.min(LEARNT);
            let users = self.users.and_then(|users| u16::try_from(users).ok());
            let usual = Waits::of_median(self.requests, MEDIAN);
            let waits = Waits { silent: Some((part, learnt)), users: users.unwrap_or(usual.users), ..usual };
            (from - learnt, waits)
        });
        PreparedScenario { traffic, crowd, silent, excess: self.excess, feedback: self.feedback }
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

impl PreparedScenario {
    /// The ticks of one run.
    #[must_use]
    pub fn run(&self, seed: u64, counted: CountedRequests) -> ScenarioRun<'_> {
        let requests = match (&self.crowd, counted) {
            (None, _) => Requests::Alike(self.traffic.arrivals(seed)),
            (Some(crowd), CountedRequests::Everybody) => Requests::All(crowd.visits(NoCap, seed)),
            (Some(crowd), CountedRequests::Unpaused) => Requests::Unpaused(crowd.visits(Pauses::default(), seed)),
        };
        // Where users are told apart, each answer is marked with its user.
        let alike = self.excess.filter(|_| self.crowd.is_none());
        let silent = self.silent.as_ref().map(|(begins, waits)| SilentCanary {
            begins: *begins,
            at: 0.0,
            part: waits.silent.map_or(0.0, |(part, _)| part),
            from: waits.silent.map_or(0.0, |(_, from)| begins + from),
            run: (counted == CountedRequests::Unpaused).then(|| waits.run(Guard::default(), seed)),
            share: 0.0,
            rng: seeded(!seed),
        });
        let marker = alike.map(|excess| Marker::new(excess, seed));
        let feedback = self.feedback.map(|feedback| FeedbackMarker::new(feedback, seed));
        ScenarioRun { requests, silent, marker, feedback }
    }
}

/// The ticks of one run.
#[derive(Clone, Debug)]
pub struct ScenarioRun<'s> {
    requests: Requests<'s>,
    silent: Option<SilentCanary<'s>>,
    marker: Option<Marker>,
    feedback: Option<FeedbackMarker>,
}

/// A canary that takes requests and never answers.
#[derive(Clone, Debug)]
struct SilentCanary<'s> {
    // From when on who waits is counted.
    begins: f64,
    at: f64,
    part: f64,
    from: f64,
    // Nobody but the guard looks at it.
    run: Option<waits::WaitsRun<'s>>,
    share: f64,
    rng: fastrand::Rng,
}

impl SilentCanary<'_> {
    #[expect(clippy::float_cmp, reason = "another share is one that is not the same")]
    fn mark(&mut self, seen: &mut TickCounts) {
        if self.at >= self.from {
            let unanswered = some_of(&mut self.rng, seen.canary.successes, self.part);
            seen.canary.successes -= unanswered;
            let failing = some_of(&mut self.rng, seen.canary.errors, self.part);
            seen.canary.errors -= failing;
        }
        if let Some(run) = self.run.as_mut().filter(|_| self.at >= self.begins) {
            if seen.share != self.share {
                self.share = seen.share;
                run.begin();
            }
            // It answers probes, or no ramp would begin; so does stable, where it is asked.
            seen.waited = run.tick(seen.share, u32::from(!seen.stable.dead));
        }
        self.at += seen.seconds;
    }
}

#[derive(Clone, Debug)]
enum Requests<'s> {
    Alike(Arrivals<'s>),
    All(CrowdTicks<'s, NoCap>),
    Unpaused(CrowdTicks<'s, Pauses>),
}

impl TickSource for ScenarioRun<'_> {
    fn tick(&mut self, share: f64) -> TickCounts {
        let mut seen = match &mut self.requests {
            Requests::Alike(requests) => requests.tick(share),
            Requests::All(requests) => requests.tick(share),
            Requests::Unpaused(requests) => requests.tick(share),
        };
        if let Some(silent) = &mut self.silent {
            silent.mark(&mut seen);
        }
        if let Some(marker) = &mut self.marker {
            marker.mark(&mut seen);
        }
        if let Some(feedback) = &mut self.feedback {
            feedback.mark(&mut seen);
        }
        seen
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::simulate::rule::SimulatedArm;

    pub(in crate::simulate) fn calm() -> Scenario {
        Scenario {
            requests: 50.0,
            stable: 0.0,
            canary: (0.0, 0.0),
            outages: Vec::new(),
            users: None,
            failing_user: false,
            silent: None,
            stable_dies: None,
            excess: None,
            feedback: None,
        }
    }

    fn ticks(scenario: &Scenario, counted: CountedRequests, count: usize) -> Vec<TickCounts> {
        let stage = scenario.prepare();
        let mut run = stage.run(3, counted);
        (0..count).map(|_| run.tick(0.5)).collect()
    }

    #[test]
    fn what_is_stated_happens_when_it_is_stated() {
        let outage = Outage { errors: 1.0, seconds: 2.0, from: 2.0 };
        let scenario = Scenario { canary: (1.0, 6.0), outages: vec![outage], stable_dies: Some(8.0), ..calm() };
        let failing = |arm: SimulatedArm| arm.errors == arm.requests && arm.dead;
        let seen = ticks(&scenario, CountedRequests::Everybody, 10);
        let failed: Vec<(bool, bool)> = seen.iter().map(|seen| (failing(seen.stable), failing(seen.canary))).collect();
        let expected =
            [[(false, false); 2], [(true, true); 2], [(false, false); 2], [(false, true); 2], [(true, true); 2]];
        assert_eq!(failed, expected.concat());
    }

    #[test]
    fn a_silent_canary_takes_requests_and_answers_none() {
        let seen = ticks(&Scenario { silent: Some(1.0), ..calm() }, CountedRequests::Everybody, 20);
        assert!(seen.iter().all(|seen| seen.canary.successes == 0 && seen.canary.errors == 0 && !seen.canary.dead));
        assert!(seen.iter().map(|seen| seen.canary.requests).sum::<u32>() > 300);
    }

    #[test]
    fn serin_pauses_the_user_who_fails_and_others_do_not() {
        let scenario = Scenario { users: Some(2000), failing_user: true, ..calm() };
        let errors = |counted| ticks(&scenario, counted, 60).iter().map(|seen| seen.canary.errors).sum::<u32>();
        assert_eq!(errors(CountedRequests::Everybody), 60);
        // Pauses of ten seconds, then of forty.
        assert_eq!(errors(CountedRequests::Unpaused), 3);
    }

    #[test]
    fn whoever_looks_sees_the_same_requests() {
        let scenario = Scenario { users: Some(500), stable: 0.2, canary: (0.2, 0.0), ..calm() };
        let successes = |counted| ticks(&scenario, counted, 60).iter().map(|s| s.stable.successes).sum::<u32>();
        assert_eq!(successes(CountedRequests::Everybody), successes(CountedRequests::Unpaused));
    }
}
