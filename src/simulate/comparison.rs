//! Serin's guard and the rules that others use, each with a rollout of its own on the very same requests.
//!
//! Owns how a rule is put in charge of a rollout: the guard moves users itself, by the file; the others get the file's
//! ramp, or the share that it pins. A rollout ends when the rule acts on a regression, whatever the file makes of that
//! (back to stable, one stage back, or a pause), or when it is completed and nothing is to come any more: the guard
//! looks after a canary that has everybody as well, which the others do not. Besides its end this keeps what only a
//! person asks: how far it came, how often it was confirmed, and whether users were moved to a stable that was dead.

use super::guarded::GuardRule;
use super::reference_rules::{Argo, Flagger, Naive};
use super::rollout::{RolloutEnd, SimulatedRollout, Span, play};
use super::rule::{Detector, RolloutRule, TickCounts, Verdict};
use super::scenario::{CountedRequests, PreparedScenario};
use super::schedule::{FixedShare, Schedule, ScheduledShare};
use crate::decide::event::Action;
use crate::decide::guard::analysis::fraction;
use crate::decide::policy::{Canary, Intent};
use crate::decide::units::{Millis, UnixMillis};

/// When simulated rollouts begin, for files that know office hours: a Monday, 2026-01-05T00:00:00Z.
pub const BEGIN: UnixMillis = UnixMillis(1_767_571_200_000);

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparedRule {
    /// The guard of this program, by the file.
    Serin,
    /// The threshold rule that everybody writes first.
    Naive,
    /// Flagger with the numbers of its documentation.
    Flagger,
    /// Argo Rollouts with the numbers of its documentation.
    Argo,
}

impl ComparedRule {
    /// All of them, the guard first.
    pub const ALL: [ComparedRule; 4] =
        [ComparedRule::Serin, ComparedRule::Naive, ComparedRule::Flagger, ComparedRule::Argo];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ComparedRule::Serin => "Serin",
            ComparedRule::Naive => "naive threshold",
            ComparedRule::Flagger => "Flagger",
            ComparedRule::Argo => "Argo Rollouts",
        }
    }
}

/// What is played: a scenario, the file's rollout, and how long it is watched.
#[derive(Clone, Debug)]
pub struct RuleComparison {
    pub scenario: PreparedScenario,
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
pub struct RuleRun {
    /// Its end and its cost.
    pub rollout: SimulatedRollout,
    /// The largest share that the canary ever had, 0 to 1.
    pub highest: f64,
    /// How often half of the users went to each, to see which is to blame.
    pub confirmations: u32,
    /// Whether users were moved to stable after that had died.
    pub to_dead: bool,
}

impl RuleComparison {
    /// One rollout under this rule.
    #[must_use]
    pub fn play(&self, rule: ComparedRule, seed: u64) -> RuleRun {
        match rule {
            ComparedRule::Serin => self.guarded(seed).0,
            ComparedRule::Naive => self.judged(Naive::default(), seed),
            ComparedRule::Flagger => self.judged(Flagger::default(), seed),
            ComparedRule::Argo => self.judged(Argo::default(), seed),
        }
    }

    /// One rollout under the guard, and the guard as it was at its end.
    #[must_use]
    pub fn guarded(&self, seed: u64) -> (RuleRun, GuardRule) {
        let guarded = GuardRule::new(self.canary.clone(), "simulated", BEGIN);
        let rule =
            Acting { guarded, reported: 0, confirmations: 0, at: 0.0, looks_until: self.looks_until, completed: None };
        let (mut life, rule) = self.watch(rule, seed, CountedRequests::Unpaused);
        life.confirmations = rule.confirmations;
        // It had been completed, and nothing came of looking on.
        if let (Some(at), false) = (rule.completed, life.rollout.end == RolloutEnd::RolledBack) {
            (life.rollout.end, life.rollout.at) = (RolloutEnd::Completed, at);
        }
        (life, rule.guarded)
    }

    fn judged(&self, detector: impl Detector, seed: u64) -> RuleRun {
        match self.canary.percent {
            Intent::Auto => {
                self.watch(ScheduledShare::new(detector, self.schedule()), seed, CountedRequests::Everybody).0
            }
            Intent::Pinned(share) => {
                let share = fraction(share.min(self.canary.ramp.max));
                self.watch(FixedShare::new(detector, share), seed, CountedRequests::Everybody).0
            }
        }
    }

    fn schedule(&self) -> Schedule {
        let ramp = &self.canary.ramp;
        let stages = ramp.stages.iter().copied().filter(|stage| *stage <= ramp.max).map(fraction).collect();
        Schedule { stages, first: seconds(ramp.hold_start), every: seconds(ramp.every) }
    }

    fn watch<R: RolloutRule>(&self, rule: R, seed: u64, counted: CountedRequests) -> (RuleRun, R) {
        let dies = self.stable_dies.unwrap_or(f64::INFINITY);
        let mut watched = Watched { rule, at: 0.0, dies, highest: 0.0, to_dead: false };
        let rollout = play(&mut self.scenario.run(seed, counted), &mut watched, &self.span);
        let Watched { rule, highest, to_dead, .. } = watched;
        (RuleRun { rollout, highest, confirmations: 0, to_dead }, rule)
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

impl<R: RolloutRule> RolloutRule for Watched<R> {
    fn tick(&mut self, seen: &TickCounts) -> Verdict {
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
    guarded: GuardRule,
    reported: usize,
    confirmations: u32,
    at: f64,
    looks_until: f64,
    completed: Option<f64>,
}

impl RolloutRule for Acting {
    fn tick(&mut self, seen: &TickCounts) -> Verdict {
        let verdict = self.guarded.tick(seen);
        let mut acted = false;
        for event in &self.guarded.events()[self.reported..] {
            acted |= event.action.answers_regression();
            self.confirmations += u32::from(event.action == Action::Confirm);
        }
        self.reported = self.guarded.events().len();
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
    use crate::simulate::guarded::default_canary;
    use crate::simulate::scenario::Scenario;
    use crate::simulate::scenario::tests::calm;

    pub(in crate::simulate) fn comparison(scenario: &Scenario, seconds: f64, fault_at: Option<f64>) -> RuleComparison {
        let canary = default_canary(&Schedule::even(0.1, 0.3, 300.0));
        RuleComparison {
            scenario: scenario.prepare(),
            canary,
            span: Span { seconds, fault_at },
            stable_dies: scenario.stable_dies,
            looks_until: fault_at.map_or(0.0, |_| f64::INFINITY),
        }
    }

    pub(in crate::simulate) fn scenario(canary: (f64, f64)) -> Scenario {
        Scenario { stable: 0.004, canary, ..calm() }
    }

    #[test]
    fn a_fault_is_found_sooner_by_the_guard_than_by_the_others() {
        let comparison = comparison(&scenario((0.5, 200.0)), 7200.0, Some(200.0));
        let after = |rule| {
            let life = comparison.play(rule, 4);
            assert_eq!(life.rollout.end, RolloutEnd::RolledBack, "{rule:?}");
            life.rollout.since_fault.map(|(seconds, _)| seconds).unwrap()
        };
        let [serin, naive, flagger, argo] = ComparedRule::ALL.map(after);
        assert!(serin < 20.0 && serin < naive && serin < flagger && flagger < argo);
    }

    #[test]
    fn a_healthy_rollout_is_completed_in_the_ramps_time() {
        let life = comparison(&scenario((0.004, 0.0)), 7200.0, None).play(ComparedRule::Serin, 4);
        assert_eq!((life.rollout.end, life.highest, life.confirmations), (RolloutEnd::Completed, 1.0, 0));
        assert!((life.rollout.at - 1200.0).abs() < 5.0, "{}", life.rollout.at);
    }

    #[test]
    fn whatever_the_file_makes_of_a_regression_ends_the_rollout() {
        for on_regression in [OnRegression::Hold, OnRegression::StepBack] {
            let mut comparison = comparison(&scenario((0.5, 400.0)), 7200.0, Some(400.0));
            comparison.canary.on_regression = on_regression;
            let (life, guarded) = comparison.guarded(4);
            assert_eq!(life.rollout.end, RolloutEnd::RolledBack);
            assert!(guarded.share() > 0.0, "nobody, or not everybody, was moved");
        }
    }

    #[test]
    fn a_fault_after_the_ramps_end_is_found_by_who_still_looks() {
        let comparison = comparison(&scenario((0.05, 1500.0)), 4000.0, Some(1500.0));
        let life = comparison.play(ComparedRule::Serin, 4);
        assert_eq!((life.rollout.end, life.highest, life.confirmations), (RolloutEnd::RolledBack, 1.0, 1));
        assert_eq!(comparison.play(ComparedRule::Argo, 4).rollout.end, RolloutEnd::Completed);
    }

    #[test]
    fn nobody_is_moved_to_a_stable_that_is_dead() {
        let mut dead = scenario((0.004, 0.0));
        dead.stable_dies = Some(100.0);
        dead.canary = (0.3, 100.0);
        let mut comparison = comparison(&dead, 900.0, Some(100.0));
        comparison.canary.percent = Intent::Pinned(Percent::ALL);
        assert!(!comparison.play(ComparedRule::Serin, 4).to_dead);
        assert!(comparison.play(ComparedRule::Naive, 4).to_dead);
    }
}
