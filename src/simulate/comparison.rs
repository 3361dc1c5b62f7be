//! Serin's guard and the rules that others use, each with a rollout of its own on the very same requests.
//!
//! Owns how a rule is put in charge of a rollout: the guard moves users itself, by the file; the others get the file's
//! ramp, or the share that it pins. A rollout ends when the rule acts on a regression, whatever the file makes of that
//! (back to stable, one stage back, or a pause), or when it is completed and nothing is to come any more: the guard looks
//! after a canary that has everybody as well, which the others do not. Besides its end this keeps what only a person
//! asks: how far it came, how often it was confirmed, and whether users were moved to a stable that was dead.

use super::guarded::Guarded;
use super::reference_rules::{Argo, Flagger, Naive};
use super::rollout::{End, Rollout, Span, play};
use super::rule::{Judge, Rule, Seen, Verdict};
use super::scenario::{Counted, Stage};
use super::schedule::{Fixed, Schedule, Scheduled};
use crate::decide::event::Action;
use crate::decide::guard::analysis::fraction;
use crate::decide::policy::{Canary, Intent};
use crate::decide::units::{Millis, UnixMillis};

/// When simulated rollouts begin, for files that know office hours: a Monday, 2026-01-05T00:00:00Z.
pub const BEGIN: UnixMillis = UnixMillis(1_767_571_200_000);

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The guard of this program, by the file.
    Serin,
    /// The threshold rule that everybody writes first.
    Naive,
    /// Flagger with the numbers of its documentation.
    Flagger,
    /// Argo Rollouts with the numbers of its documentation.
    Argo,
}

impl Contender {
    /// All of them, the guard first.
    pub const ALL: [Contender; 4] = [Contender::Serin, Contender::Naive, Contender::Flagger, Contender::Argo];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Contender::Serin => "Serin",
            Contender::Naive => "naive threshold",
            Contender::Flagger => "Flagger",
            Contender::Argo => "Argo Rollouts",
        }
    }
}

/// What is played: a scenario, the file's rollout, and how long it is watched.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The scenario.
    pub stage: Stage,
    /// The rollout as the file has it.
    pub canary: Canary,
    /// How long it is watched, and since when the canary deserves to be taken back.
    pub span: Span,
    /// When stable stops answering.
    pub stable_dies: Option<f64>,
    /// Until when something is still to come, in seconds: a rollout that is completed before is looked after.
    pub looks_until: f64,
}

/// What became of one rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// Its end and its cost.
    pub rollout: Rollout,
    /// The largest share that the canary ever had, 0 to 1.
    pub highest: f64,
    /// How often half of the users went to each, to see which is to blame.
    pub confirmations: u32,
    /// Whether users were moved to stable after that had died.
    pub to_dead: bool,
}

impl Contest {
    /// One rollout under this rule.
    #[must_use]
    pub fn play(&self, contender: Contender, seed: u64) -> Life {
        match contender {
            Contender::Serin => self.guarded(seed).0,
            Contender::Naive => self.judged(Naive::default(), seed),
            Contender::Flagger => self.judged(Flagger::default(), seed),
            Contender::Argo => self.judged(Argo::default(), seed),
        }
    }

    /// One rollout under the guard, and the guard as it was at its end.
    #[must_use]
    pub fn guarded(&self, seed: u64) -> (Life, Guarded) {
        let guarded = Guarded::new(self.canary.clone(), "simulated", BEGIN);
        let rule =
            Acting { guarded, told: 0, confirmations: 0, at: 0.0, looks_until: self.looks_until, completed: None };
        let (mut life, rule) = self.watch(rule, seed, Counted::Unpaused);
        life.confirmations = rule.confirmations;
        // It had been completed, and nothing came of looking on.
        if let (Some(at), false) = (rule.completed, life.rollout.end == End::RolledBack) {
            (life.rollout.end, life.rollout.at) = (End::Completed, at);
        }
        (life, rule.guarded)
    }

    fn judged(&self, judge: impl Judge, seed: u64) -> Life {
        match self.canary.percent {
            Intent::Auto => self.watch(Scheduled::new(judge, self.schedule()), seed, Counted::Everybody).0,
            Intent::Pinned(share) => {
                let share = fraction(share.min(self.canary.ramp.max));
                self.watch(Fixed::new(judge, share), seed, Counted::Everybody).0
            }
        }
    }

    fn schedule(&self) -> Schedule {
        let ramp = &self.canary.ramp;
        let stages = ramp.stages.iter().copied().filter(|stage| *stage <= ramp.max).map(fraction).collect();
        Schedule { stages, first: seconds(ramp.hold_start), every: seconds(ramp.every) }
    }

    fn watch<R: Rule>(&self, rule: R, seed: u64, counted: Counted) -> (Life, R) {
        let dies = self.stable_dies.unwrap_or(f64::INFINITY);
        let mut watched = Watched { rule, at: 0.0, dies, highest: 0.0, to_dead: false };
        let rollout = play(&mut self.stage.run(seed, counted), &mut watched, &self.span);
        let Watched { rule, highest, to_dead, .. } = watched;
        (Life { rollout, highest, confirmations: 0, to_dead }, rule)
    }
}

/// A rule, and where it moves users.
struct Watched<R> {
    rule: R,
    at: f64,
    dies: f64,
    highest: f64,
    to_dead: bool,
}

impl<R: Rule> Rule for Watched<R> {
    fn tick(&mut self, seen: &Seen) -> Verdict {
        self.highest = self.highest.max(seen.share);
        let verdict = self.rule.tick(seen);
        self.at += seen.seconds;
        let back = verdict == Verdict::Rollback || self.rule.share() < seen.share;
        self.to_dead |= back && self.at > self.dies;
        verdict
    }

    fn share(&self) -> f64 {
        self.rule.share()
    }
}

/// The guard, where whatever it does about a regression ends the rollout.
struct Acting {
    guarded: Guarded,
    told: usize,
    confirmations: u32,
    at: f64,
    looks_until: f64,
    completed: Option<f64>,
}

impl Rule for Acting {
    fn tick(&mut self, seen: &Seen) -> Verdict {
        let verdict = self.guarded.tick(seen);
        let mut acted = false;
        for event in &self.guarded.events()[self.told..] {
            acted |= event.action.answers_regression();
            self.confirmations += u32::from(event.action == Action::Confirm);
        }
        self.told = self.guarded.events().len();
        self.at += seen.seconds;
        if verdict == Verdict::Complete && self.completed.is_none() {
            self.completed = Some(self.at);
        }
        match verdict {
            _ if acted => Verdict::Rollback,
            _ if self.completed.is_some() && self.at >= self.looks_until => Verdict::Complete,
            Verdict::Complete => Verdict::Stay,
            verdict => verdict,
        }
    }

    fn share(&self) -> f64 {
        self.guarded.share()
    }
}

const fn seconds(time: Millis) -> f64 {
    time.0 as f64 / 1000.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::decide::policy::OnRegression;
    use crate::decide::units::Percent;
    use crate::simulate::guarded::usual;
    use crate::simulate::scenario::Scenario;

    pub(in crate::simulate) fn contest(scenario: &Scenario, seconds: f64, fault_at: Option<f64>) -> Contest {
        let canary = usual(&Schedule::even(0.1, 0.3, 300.0));
        Contest {
            stage: scenario.stage(),
            canary,
            span: Span { seconds, fault_at },
            stable_dies: scenario.stable_dies,
            looks_until: fault_at.map_or(0.0, |_| f64::INFINITY),
        }
    }

    pub(in crate::simulate) fn scenario(canary: (f64, f64)) -> Scenario {
        Scenario {
            requests: 50.0,
            stable: 0.004,
            canary,
            outages: Vec::new(),
            users: None,
            failing_user: false,
            silent: None,
            stable_dies: None,
            excess: None,
        }
    }

    #[test]
    fn a_fault_is_found_sooner_by_the_guard_than_by_the_others() {
        let contest = contest(&scenario((0.5, 200.0)), 7200.0, Some(200.0));
        let after = |contender| {
            let life = contest.play(contender, 4);
            assert_eq!(life.rollout.end, End::RolledBack, "{contender:?}");
            life.rollout.since_fault.map(|(seconds, _)| seconds).unwrap()
        };
        let [serin, naive, flagger, argo] = Contender::ALL.map(after);
        assert!(serin < 20.0 && serin < naive && serin < flagger && flagger < argo);
    }

    #[test]
    fn a_healthy_rollout_is_completed_in_the_ramps_time() {
        let life = contest(&scenario((0.004, 0.0)), 7200.0, None).play(Contender::Serin, 4);
        assert_eq!((life.rollout.end, life.highest, life.confirmations), (End::Completed, 1.0, 0));
        assert!((life.rollout.at - 1200.0).abs() < 5.0, "{}", life.rollout.at);
    }

    #[test]
    fn whatever_the_file_makes_of_a_regression_ends_the_rollout() {
        for on_regression in [OnRegression::Hold, OnRegression::StepBack] {
            let mut contest = contest(&scenario((0.5, 400.0)), 7200.0, Some(400.0));
            contest.canary.on_regression = on_regression;
            let (life, guarded) = contest.guarded(4);
            assert_eq!(life.rollout.end, End::RolledBack);
            assert!(guarded.share() > 0.0, "nobody, or not everybody, was moved");
        }
    }

    #[test]
    fn a_fault_after_the_ramps_end_is_found_by_who_still_looks() {
        let contest = contest(&scenario((0.05, 1500.0)), 4000.0, Some(1500.0));
        let life = contest.play(Contender::Serin, 4);
        assert_eq!((life.rollout.end, life.highest, life.confirmations), (End::RolledBack, 1.0, 1));
        assert_eq!(contest.play(Contender::Argo, 4).rollout.end, End::Completed);
    }

    #[test]
    fn nobody_is_moved_to_a_stable_that_is_dead() {
        let mut dead = scenario((0.004, 0.0));
        dead.stable_dies = Some(100.0);
        dead.canary = (0.3, 100.0);
        let mut contest = contest(&dead, 900.0, Some(100.0));
        contest.canary.percent = Intent::Pinned(Percent::ALL);
        assert!(!contest.play(Contender::Serin, 4).to_dead);
        assert!(contest.play(Contender::Naive, 4).to_dead);
    }
}
