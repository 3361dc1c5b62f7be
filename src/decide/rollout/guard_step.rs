//! The guard's part of a step: how the share changes after a detection.
//!
//! Takes a tick, evaluates the numbers, and does what the file asks for: rolls back, goes one stage back, pauses the
//! ramp, or moves half of the users to stable for a comparison. Never moves users to a stable that is in trouble
//! itself, and never raises the share of a canary with a regression. A tick in which stable's breaker diverted requests
//! is left out, since stable's users are on the canary then and there is no comparison; if the canary is dead as well,
//! no user is moved to a stable that is unreachable. Invariant: users on the canary are guarded in every phase.

use super::context::Observation;
use super::in_force::{confirming, in_force};
use super::promotion::{confirmation_condition, may_confirm};
use super::ramp;
use super::retry_after_rollback::{millis, real};
use super::state::{Pause, Phase};
use super::step_builder::{StepBuilder, WithdrawWaiting};
use crate::decide::event::{Action, Actor, Decision, DecisionKind, Reason, Regression};
use crate::decide::guard::analysis::{AnalysisResult, TickContext, fraction};
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::decision_inputs::DecisionInputs;
use crate::decide::guard::numbers::wilson;
use crate::decide::guard::rule::Rule;
use crate::decide::guard::tick::Tick;
use crate::decide::policy::{Intent, OnExcess, OnRegression};
use crate::decide::units::{Millis, Percent};

impl StepBuilder<'_> {
    /// Shows the guard a tick; whether it did something about the share.
    pub(super) fn run_guard(&mut self, tick: &Tick, seen: &Observation) -> bool {
        let canary = self.view.canary;
        let guard = &canary.guard;
        let back = matches!(self.next.phase, Phase::RolledBack { .. });
        if back {
            self.next.waited = Millis(self.next.waited.0.saturating_add(millis(tick.seconds)));
        }
        if in_force(self.view, self.next).percent == Percent::ZERO {
            self.next.analysis.tick_without_users(guard, tick, seen.by_source.as_deref());
            return false;
        }
        let alone = self.before.in_force == Percent::ALL && !may_confirm(self.view, self.next);
        if seen.stable_breaker_open && !alone {
            self.next.analysis.skip_tick(guard, tick, seen.by_source.as_deref());
            return false;
        }
        let now = TickContext {
            share: fraction(self.before.in_force),
            schedule: ramp::ramp_length(&canary.ramp),
            confirming: matches!(self.next.phase, Phase::Confirming { .. }),
            alone,
        };
        self.next.analysis.tick(guard, &now, tick, seen.by_source.as_deref());
        let result = self.next.analysis.result(guard, self.next.tries());
        let rules = self.regressions(&result, seen);
        let acted = rules.iter().any(|rule| self.act_on(*rule, &result, seen));
        if rules.iter().any(|rule| matches!(rule, Rule::Down | Rule::Silent)) {
            self.rescue = Some(self.withdraw_waiting(acted));
        }
        if acted {
            return true;
        }
        if result.suspicious && may_confirm(self.view, self.next) && self.is_stable_healthy(&result, seen) {
            self.confirm(DecisionKind::Confirm, &result, seen);
            return true;
        }
        false
    }

    /// The regressions of the canary, in the order in which they are tried until one changes something; no user is
    /// moved to a stable that is in trouble itself.
    fn regressions(&self, result: &AnalysisResult, seen: &Observation) -> Vec<Rule> {
        let guard = &self.view.canary.guard;
        let alarm = |aspect: Aspect| result.of(aspect).is_alarm();
        let mut rules = Vec::new();
        if alarm(Aspect::Failing) && !result.stable_down {
            rules.push(Rule::Worse);
        }
        if result.down {
            rules.push(Rule::Down);
        }
        if result.silent && !result.stable_down {
            rules.push(Rule::Silent);
        }
        if result.stable_down || result.incident {
            return rules;
        }
        if guard.slow.is_some() && alarm(Aspect::Slow) {
            // What is slow may never answer.
            rules.push(if self.next.analysis.silence().early { Rule::Silent } else { Rule::Slower });
        }
        let window = seen.ceiling_counts;
        let above = |ceiling: Percent| {
            let (failures, requests) = (real(window.failures), real(window.requests));
            let (lower, _) = wilson(failures, requests, guard.constants.ceiling_z);
            lower > fraction(ceiling) && result.of(Aspect::Failing).is_suspect()
        };
        if guard.ceiling.is_some_and(above) {
            rules.push(Rule::Ceiling);
        }
        // Last, as those that the file may ask to hold for alone: what is held must hide nothing.
        for follows in [OnExcess::Rollback, OnExcess::Hold] {
            let excess = Rule::OF_EXCESS.into_iter();
            rules.extend(excess.filter(|rule| guard.follows(rule.aspect()) == follows && alarm(rule.aspect())));
        }
        rules
    }

    fn is_stable_healthy(&self, result: &AnalysisResult, seen: &Observation) -> bool {
        seen.stable_answers == Some(true) && !result.stable_down
    }

    /// Does what the file asks for after a regression; false: nothing that was not done before.
    fn act_on(&mut self, rule: Rule, result: &AnalysisResult, seen: &Observation) -> bool {
        let canary = self.view.canary;
        let holds = canary.on_regression == OnRegression::Hold || canary.guard.follows(rule.aspect()) == OnExcess::Hold;
        if matches!(self.next.phase, Phase::RolledBack { .. }) {
            return !holds && self.roll_back_to_zero(rule, result, seen);
        }
        // An earlier version wrote down no rule.
        let covers = |pause: &Pause| match &pause.rules[..] {
            [] => pause.regression,
            rules => rules.iter().any(|other| other.covers(rule)),
        };
        if holds && self.next.paused.as_ref().is_some_and(covers) {
            return false;
        }
        let decision = self.decision_inputs(result, seen).decision(DecisionKind::Alarm(rule));
        if holds {
            self.hold(rule, &decision);
            self.record(Actor::Guard, Action::Hold, Reason::Decided(decision));
            return true;
        }
        let stage = self.stage_back(rule);
        if let Some(stage) = stage {
            self.next.step_backs += 1;
            self.begin_analysis();
            self.set_ramp_percent(stage);
            self.record(Actor::Guard, Action::StepBack, Reason::Decided(decision));
            return true;
        }
        let cause = Regression::Found(decision.clone());
        self.next.phase = Phase::RolledBack { at: self.now, cause, emptied: false };
        // During a confirmation fewer users are on the canary than the ramp's share.
        self.next.percent = self.next.percent.min(self.before.in_force);
        self.next.since = self.now;
        self.next.waited = Millis(0);
        self.next.paused.take_if(|pause| pause.regression);
        if canary.rollback_to > Percent::ZERO {
            // Users who stay there are still guarded.
            self.begin_analysis();
        }
        self.record(Actor::Guard, Action::Rollback, Reason::Decided(decision));
        true
    }

    /// Pauses the ramp for this rule; an existing pause stays, and the rule is added to it.
    fn hold(&mut self, rule: Rule, decision: &Decision) {
        let begin = || Pause {
            at: self.now,
            actor: Actor::Guard.into(),
            reason: String::new(),
            regression: true,
            rules: Vec::new(),
            found: Vec::new(),
        };
        let pause = self.next.paused.get_or_insert_with(begin);
        if pause.regression {
            pause.found.push(decision.clone());
        }
        pause.rules.push(rule);
    }

    /// Withdraws requests that wait for a canary that does not answer; on a hold, for as long as that lasts.
    fn withdraw_waiting(&self, acted: bool) -> WithdrawWaiting {
        if acted {
            return WithdrawWaiting::All;
        }
        let waited = Millis(millis(self.next.analysis.silence().shortest));
        WithdrawWaiting::LongerThan(waited.max(self.view.canary.guard.constants.silent_least))
    }

    /// The users whom `rollback_to` left on the canary fail as well: roll back to 0.
    fn roll_back_to_zero(&mut self, rule: Rule, result: &AnalysisResult, seen: &Observation) -> bool {
        let decision = self.decision_inputs(result, seen).decision(DecisionKind::Alarm(rule));
        let cause = Regression::Found(decision.clone());
        self.next.phase = Phase::RolledBack { at: self.now, cause, emptied: true };
        self.record(Actor::Guard, Action::Rollback, Reason::Decided(decision));
        true
    }

    /// Where a regression is answered by one stage less.
    fn stage_back(&self, rule: Rule) -> Option<Percent> {
        let canary = self.view.canary;
        let dead = matches!(rule, Rule::Down | Rule::Silent)
            || self.next.analysis.canary_run().evidence() >= canary.guard.constants.down_evidence;
        let apt = canary.on_regression == OnRegression::StepBack
            && !dead
            && canary.percent == Intent::Auto
            && !self.view.by_clock
            && self.next.lock.is_none()
            && self.next.step_backs < canary.guard.constants.most_retries;
        // During a confirmation fewer users are on the canary than the ramp's share.
        let share = self.next.percent.min(self.before.in_force);
        apt.then(|| ramp::previous_stage(&canary.ramp, share)).flatten()
    }

    pub(super) fn confirm(&mut self, decided: DecisionKind, result: &AnalysisResult, seen: &Observation) {
        let completed = self.next.phase == Phase::Completed;
        self.next.analysis.expect_confirmation();
        let decision = self.decision_inputs(result, seen).decision(decided);
        self.next.phase = Phase::Confirming { completed };
        self.next.since = self.now;
        self.record(Actor::Guard, Action::Confirm, Reason::Decided(decision));
    }

    /// Back to the share that was confirmed, once the canary has shown that it is not to blame.
    pub(super) fn end_confirmation(&mut self, completed: bool, seen: &Observation) {
        let (guard, tries) = (&self.view.canary.guard, self.next.tries());
        let analysis = &self.next.analysis;
        let result = analysis.result(guard, tries);
        let (decided, action) = if result.stable_down || seen.stable_breaker_open {
            self.next.analysis.confirm_rest = guard.constants.confirm_seconds;
            // Half of the users are with a stable that is down: that waits for no disk. A restart begins it again.
            self.forgettable = true;
            (DecisionKind::GivenUp, Action::GiveUp)
        } else if analysis.step.seconds >= guard.constants.confirm_seconds
            && confirmation_condition(guard, analysis, tries).is_none()
            && self.view.may_write()
        {
            self.keep_evidence();
            self.next.analysis.confirmed();
            (DecisionKind::Confirmed, Action::Confirmed)
        } else {
            return;
        };
        let decision = self.decision_inputs(&result, seen).decision(decided);
        self.next.phase = if completed { Phase::Completed } else { Phase::Ramping };
        self.next.since = self.now;
        self.record(Actor::Guard, action, Reason::Decided(decision));
    }

    pub(super) fn decision_inputs<'g>(
        &'g self,
        result: &'g AnalysisResult,
        seen: &'g Observation,
    ) -> DecisionInputs<'g> {
        DecisionInputs {
            guard: &self.view.canary.guard,
            analysis: &self.next.analysis,
            result,
            now: self.now,
            window: seen.ceiling_counts,
            most_rejected: seen.most_rejected.as_deref(),
            causes: &seen.causes,
            users: seen.users,
            held: (self.before.in_force, ramp::hold_time(&self.view.canary.ramp, self.next.percent)),
            confirming: confirming(self.view, self.next),
        }
    }
}
