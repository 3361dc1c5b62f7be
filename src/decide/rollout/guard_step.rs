//! The guard's part of a step: how the share changes after a detection.
//!
//! Takes a tick, evaluates the numbers, and does what the file asks for: rolls back, goes one stage back, pauses the
//! ramp, or moves half of the users to stable for a comparison. Never moves users to a stable that is in trouble
//! itself, and never raises the share of a canary with a regression. A tick in which stable's breaker diverted requests
//! is left out, since stable's users are on the canary then and there is no comparison; if the canary is dead as well,
//! no user is moved to a stable that is unreachable. Invariant: users on the canary are guarded in every phase.

use super::context::Observation;
use super::in_force::{confirming, in_force};
use super::promotion::{confirmation, may_confirm};
use super::ramp;
use super::retry_after_rollback::{millis, real};
use super::state::{Pause, Phase};
use super::step_builder::{Draft, Rescue};
use crate::decide::event::{Action, Actor, Decided, Decision, Reason, Regression};
use crate::decide::guard::analysis::{Circumstances, Reading, fraction};
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::decision_inputs::Grounds;
use crate::decide::guard::numbers::wilson;
use crate::decide::guard::rule::Rule;
use crate::decide::guard::tick::Tick;
use crate::decide::policy::{Intent, OnExcess, OnRegression};
use crate::decide::units::{Millis, Percent};

impl Draft<'_> {
    /// Shows the guard a tick; whether it did something about the share.
    pub(super) fn guard_acts(&mut self, tick: &Tick, seen: &Observation) -> bool {
        let canary = self.view.canary;
        let guard = &canary.guard;
        let back = matches!(self.next.phase, Phase::RolledBack { .. });
        if back {
            self.next.waited = Millis(self.next.waited.0.saturating_add(millis(tick.seconds)));
        }
        if in_force(self.view, self.next).percent == Percent::ZERO {
            self.next.judge.rest(guard, tick, seen.apart.as_deref());
            return false;
        }
        let alone = self.before.in_force == Percent::ALL && !may_confirm(self.view, self.next);
        if seen.stable_shut && !alone {
            self.next.judge.leave_out(guard, tick, seen.apart.as_deref());
            return false;
        }
        let now = Circumstances {
            share: fraction(self.before.in_force),
            schedule: ramp::schedule(&canary.ramp),
            confirming: matches!(self.next.phase, Phase::Confirming { .. }),
            alone,
        };
        self.next.judge.tick(guard, &now, tick, seen.apart.as_deref());
        let reading = self.next.judge.reading(guard, self.next.tries());
        let rules = self.regressions(&reading, seen);
        let acted = rules.iter().any(|rule| self.act_on(*rule, &reading, seen));
        if rules.iter().any(|rule| matches!(rule, Rule::Down | Rule::Silent)) {
            self.rescue = Some(self.rescue(acted));
        }
        if acted {
            return true;
        }
        if reading.suspicious && may_confirm(self.view, self.next) && self.stable_is_well(&reading, seen) {
            self.confirm(Decided::Confirm, &reading, seen);
            return true;
        }
        false
    }

    /// The regressions of the canary, in the order in which they are tried until one changes something; no user is
    /// moved to a stable that is in trouble itself.
    fn regressions(&self, reading: &Reading, seen: &Observation) -> Vec<Rule> {
        let guard = &self.view.canary.guard;
        let alarm = |aspect: Aspect| reading.of(aspect).is_alarm();
        let mut rules = Vec::new();
        if alarm(Aspect::Failing) && !reading.stable_down {
            rules.push(Rule::Worse);
        }
        if reading.down {
            rules.push(Rule::Down);
        }
        if reading.silent && !reading.stable_down {
            rules.push(Rule::Silent);
        }
        if reading.stable_down || reading.incident {
            return rules;
        }
        if guard.slow.is_some() && alarm(Aspect::Slow) {
            // What is slow may never answer.
            rules.push(if self.next.judge.silence().early { Rule::Silent } else { Rule::Slower });
        }
        let window = seen.under_ceiling;
        let above = |ceiling: Percent| {
            let (failures, requests) = (real(window.failures), real(window.requests));
            let (lower, _) = wilson(failures, requests, guard.constants.ceiling_z);
            lower > fraction(ceiling) && reading.of(Aspect::Failing).is_doubt()
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

    fn stable_is_well(&self, reading: &Reading, seen: &Observation) -> bool {
        seen.stable_answers == Some(true) && !reading.stable_down
    }

    /// Does what the file asks for after a regression; false: nothing that was not done before.
    fn act_on(&mut self, rule: Rule, reading: &Reading, seen: &Observation) -> bool {
        let canary = self.view.canary;
        let holds = canary.on_regression == OnRegression::Hold || canary.guard.follows(rule.aspect()) == OnExcess::Hold;
        if matches!(self.next.phase, Phase::RolledBack { .. }) {
            return !holds && self.empty(rule, reading, seen);
        }
        // An earlier version wrote down no rule.
        let told = |pause: &Pause| match &pause.rules[..] {
            [] => pause.regression,
            rules => rules.iter().any(|told| told.covers(rule)),
        };
        if holds && self.next.paused.as_ref().is_some_and(told) {
            return false;
        }
        let decision = self.grounds(reading, seen).decide(Decided::Alarm(rule));
        if holds {
            self.hold(rule, &decision);
            self.record(Actor::Guard, Action::Hold, Reason::Decided(decision));
            return true;
        }
        let stage = self.stage_back(rule);
        if let Some(stage) = stage {
            self.next.step_backs += 1;
            self.begin_judgement();
            self.go_to(stage);
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
            self.begin_judgement();
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
    fn rescue(&self, acted: bool) -> Rescue {
        if acted {
            return Rescue::Everybody;
        }
        let waited = Millis(millis(self.next.judge.silence().shortest));
        Rescue::Longer(waited.max(self.view.canary.guard.constants.silent_least))
    }

    /// The users whom `rollback_to` left on the canary fail as well: roll back to 0.
    fn empty(&mut self, rule: Rule, reading: &Reading, seen: &Observation) -> bool {
        let decision = self.grounds(reading, seen).decide(Decided::Alarm(rule));
        let cause = Regression::Found(decision.clone());
        self.next.phase = Phase::RolledBack { at: self.now, cause, emptied: true };
        self.record(Actor::Guard, Action::Rollback, Reason::Decided(decision));
        true
    }

    /// Where a regression is answered by one stage less.
    fn stage_back(&self, rule: Rule) -> Option<Percent> {
        let canary = self.view.canary;
        let dead = matches!(rule, Rule::Down | Rule::Silent)
            || self.next.judge.canary_run().evidence() >= canary.guard.constants.down_evidence;
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

    pub(super) fn confirm(&mut self, decided: Decided, reading: &Reading, seen: &Observation) {
        let completed = self.next.phase == Phase::Completed;
        self.next.judge.expect_confirmation();
        let decision = self.grounds(reading, seen).decide(decided);
        self.next.phase = Phase::Confirming { completed };
        self.next.since = self.now;
        self.record(Actor::Guard, Action::Confirm, Reason::Decided(decision));
    }

    /// Back to the share that was confirmed, once the canary has shown that it is not to blame.
    pub(super) fn end_confirmation(&mut self, completed: bool, seen: &Observation) {
        let (guard, tries) = (&self.view.canary.guard, self.next.tries());
        let judge = &self.next.judge;
        let reading = judge.reading(guard, tries);
        let (decided, action) = if reading.stable_down || seen.stable_shut {
            self.next.judge.confirm_rest = guard.constants.confirm_seconds;
            // Half of the users are with a stable that is down: that waits for no disk. A restart begins it again.
            self.forgettable = true;
            (Decided::GivenUp, Action::GiveUp)
        } else if judge.step.seconds >= guard.constants.confirm_seconds
            && confirmation(guard, judge, tries).is_none()
            && self.view.may_write()
        {
            self.keep_watched();
            self.next.judge.confirmed();
            (Decided::Confirmed, Action::Confirmed)
        } else {
            return;
        };
        let decision = self.grounds(&reading, seen).decide(decided);
        self.next.phase = if completed { Phase::Completed } else { Phase::Ramping };
        self.next.since = self.now;
        self.record(Actor::Guard, action, Reason::Decided(decision));
    }

    pub(super) fn grounds<'g>(&'g self, reading: &'g Reading, seen: &'g Observation) -> Grounds<'g> {
        Grounds {
            guard: &self.view.canary.guard,
            judge: &self.next.judge,
            reading,
            now: self.now,
            window: seen.under_ceiling,
            refuses: seen.refuses.as_deref(),
            causes: &seen.causes,
            users: seen.users,
            held: (self.before.in_force, ramp::hold(&self.view.canary.ramp, self.next.percent)),
            confirming: confirming(self.view, self.next),
        }
    }
}
