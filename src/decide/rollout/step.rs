//! The state machine of a rollout: one input in, the next state and its events out.
//!
//! Pure: no clock, no I/O, no live counters; [`Observation`] is plain numbers. The control loop and the simulation
//! carry out the result. Order within a tick: the guard, then a new try, then the ramp, so that a rollback wins over a
//! promotion that is due at the same moment. Whenever the share in force changes, the epoch rises: requests that were
//! sent at another share are no evidence for this one. The guard's numbers of the canary survive that, until a new try
//! begins or guard or ramp are edited. [`guard_step`](super::guard_step) is the guard's part of a step, [`command`] the
//! part of humans.

use super::command;
use super::command_result::{CommandNote, CommandRefusal};
use super::context::{Observation, RolloutContext};
use super::in_force::{in_force, share_reason};
use super::promotion::{may_confirm, next_promotion, step_left};
use super::ramp;
use super::retry_after_rollback::{pause_before_retry, waits_before_retry};
use super::rules_fingerprint::rules_fingerprint;
use super::state::{Lock, Phase, RolloutCommand, RolloutState};
use super::step_builder::StepBuilder;
use super::write_ahead::needs_write_ahead;
use crate::decide::event::{Action, Actor, DecisionKind, Event, Reason};
use crate::decide::guard::analysis::fraction;
use crate::decide::guard::rate_check::{self, RateCheck};
use crate::decide::policy::Intent;
use crate::decide::units::{Millis, Percent, UnixMillis};

pub use super::step_builder::WithdrawWaiting;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "the largest is by far the most frequent, and is never kept")]
pub enum Input {
    /// Time has passed, and this was seen.
    Tick(Observation),
    /// A human asks for something.
    Command {
        verb: RolloutCommand,
        /// Who.
        actor: String,
        /// Why; empty: not said.
        reason: String,
    },
    /// A version of flags.yaml came into force, or the process began with one. `fresh`: guard or ramp were edited.
    PolicyChanged {
        /// Whether evidence begins afresh.
        fresh: bool,
    },
    /// A lock was found as a file.
    LockFound(Lock),
    /// The human who locked it moved everything that the canary keeps, too.
    StateMoved,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The state that it leads to.
    pub next: RolloutState,
    /// The events for the history; empty: nothing to report.
    pub events: Vec<Event>,
    /// Why a command is not carried out; then nothing changed.
    pub refused: Option<CommandRefusal>,
    /// What a command's sender should know besides.
    pub notes: Vec<CommandNote>,
    /// `None`: the next state is in force at once. Else it has to be on the disk first, with its events
    /// ([`write_ahead`](super::write_ahead)), and this is in force until then: what was, with what the guard has
    /// seen since.
    pub meanwhile: Option<Box<RolloutState>>,
    /// Which requests that wait for the canary go to another provider.
    pub withdraw_waiting: Option<WithdrawWaiting>,
}

/// What follows for a rollout when this happens.
#[must_use]
pub fn step(view: &RolloutContext<'_>, state: &RolloutState, input: &Input, now: UnixMillis) -> Step {
    // In its place from the start, since it is large and ticks are many.
    let mut step = Step {
        next: state.clone(),
        events: Vec::new(),
        refused: None,
        notes: Vec::new(),
        meanwhile: None,
        withdraw_waiting: None,
    };
    let mut builder = StepBuilder::new(view, state, &mut step.next, now);
    match input {
        Input::Tick(seen) => builder.tick(seen),
        Input::Command { verb, actor, reason } => command::carry_out(&mut builder, verb, actor, reason),
        Input::PolicyChanged { fresh } => builder.policy_changed(*fresh),
        Input::LockFound(lock) => builder.lock(lock),
        Input::StateMoved => builder.next.state_moved = true,
    }
    // It goes with its lock.
    builder.next.state_moved &= builder.next.lock.is_some();
    step.meanwhile = builder.finish(input);
    let StepBuilder { events, refused, notes, rescue, .. } = builder;
    (step.events, step.refused, step.notes, step.withdraw_waiting) = (events, refused, notes, rescue);
    step
}

impl StepBuilder<'_> {
    fn tick(&mut self, seen: &Observation) {
        if seen.was_suspended {
            self.next.analysis.skip_gap();
            self.fresh = true;
        }
        if let Some(threshold) = seen.slow_threshold {
            self.next.analysis.slow_threshold = threshold;
        }
        if let Some(threshold) = seen.pace_threshold {
            self.next.analysis.pace_threshold = threshold;
        }
        if let Some(tick) = &seen.tick
            && self.run_guard(tick, seen)
        {
            return;
        }
        if self.next.lock.is_some() || self.view.blocked.is_some() {
            return;
        }
        if let Phase::RolledBack { .. } = self.next.phase {
            return self.try_again();
        }
        if self.view.canary.percent != Intent::Auto {
            return;
        }
        match self.next.phase {
            Phase::Confirming { completed } => self.end_confirmation(completed, seen),
            Phase::Ramping | Phase::Completed if self.view.by_clock => self.follow_clock(),
            Phase::Ramping if step_left(self.view, self.next) > Millis(0) => {}
            Phase::Completed => {}
            _ if !self.view.writing && next_promotion(self.view, self.next, seen, self.now).due => self.end_step(seen),
            _ => {}
        }
    }

    fn try_again(&mut self) {
        let canary = self.view.canary;
        let (Some(pause), Some(after)) = (pause_before_retry(canary, self.next), canary.try_again_after) else {
            return;
        };
        let incident = self.next.analysis.baseline.in_incident(&canary.guard.constants);
        // A retry that a restart would forget waits for the disk.
        let may = waits_before_retry(canary, self.next) && !incident && self.view.may_write();
        if may && self.next.waited >= pause {
            self.keep_evidence();
            self.next.retries += 1;
            self.begin_try();
            let (retry, most) = (self.next.retries, canary.guard.constants.most_retries);
            self.record(Actor::Ramp, Action::Retry, Reason::Waited { pause, after, retry, most });
        }
    }

    /// The step's time is over, and nothing holds what follows.
    fn end_step(&mut self, seen: &Observation) {
        self.keep_evidence();
        let (ramp, guard) = (&self.view.canary.ramp, &self.view.canary.guard);
        let probing = self.next.phase == Phase::Probing;
        if probing {
            self.next.phase = Phase::Ramping;
            if self.view.by_clock {
                self.record(Actor::Ramp, Action::Start, Reason::Answered);
                return self.follow_clock();
            }
            if let Some(stage) = ramp::next_stage(ramp, Percent::ZERO) {
                self.set_ramp_percent(stage);
                self.record(Actor::Ramp, Action::Start, Reason::Answered);
            }
            return;
        }
        let result = self.next.analysis.result(guard, self.next.tries());
        if let Some(stage) = ramp::next_stage(ramp, self.next.percent) {
            let decision = self.decision_inputs(&result, seen).decision(DecisionKind::Promote);
            self.set_ramp_percent(stage);
            return self.record(Actor::Ramp, Action::Promote, Reason::Decided(decision));
        }
        let RateCheck { rate, limit, .. } = rate_check::completion_check(guard, &self.next.analysis);
        if rate < limit {
            let decision = self.decision_inputs(&result, seen).decision(DecisionKind::Complete);
            self.next.phase = Phase::Completed;
            self.next.since = self.now;
            self.record(Actor::Ramp, Action::Complete, Reason::Decided(decision));
        } else if self.next.analysis.rechecks < guard.constants.most_rechecks && may_confirm(self.view, self.next) {
            self.next.analysis.rechecks += 1;
            self.confirm(DecisionKind::Recheck, &result, seen);
        } else {
            self.next.analysis.repeat_step();
        }
    }

    fn follow_clock(&mut self) {
        let Some(from) = self.view.canary.ramp.from.filter(|_| self.next.paused.is_none()) else { return };
        let stage = ramp::scheduled(&self.view.canary.ramp, from, self.now);
        let phase = if stage.completed { Phase::Completed } else { Phase::Ramping };
        if stage.percent != self.next.percent {
            self.set_ramp_percent(stage.percent);
            self.record(Actor::Ramp, Action::Promote, Reason::Clock);
        }
        self.next.phase = phase;
    }

    fn policy_changed(&mut self, fresh: bool) {
        if fresh {
            self.begin_analysis();
        }
        let canary = self.view.canary;
        self.next.judged_by = Some(rules_fingerprint(&canary.guard, &canary.ramp));
        if canary.attempt > self.next.attempt {
            self.next.attempt = canary.attempt;
            (self.next.retries, self.next.step_backs) = (0, 0);
            self.begin_try();
            self.record(Actor::Flags, Action::Attempt, Reason::Attempt { attempt: canary.attempt });
        } else if self.next.phase == (Phase::Confirming { completed: true })
            && ramp::next_stage(&canary.ramp, self.next.percent).is_some()
        {
            self.next.phase = Phase::Confirming { completed: false };
        } else if self.next.phase == Phase::Completed && ramp::next_stage(&canary.ramp, self.next.percent).is_some() {
            self.next.phase = Phase::Ramping;
            self.next.since = self.now;
            self.record(Actor::Flags, Action::Ramp, Reason::StageAbove { percent: self.next.percent });
        }
    }

    /// Rules on what is in force now. Returns what is until then, where it has to be written first.
    fn finish(&mut self, input: &Input) -> Option<Box<RolloutState>> {
        // No command came; only time passed.
        let of_itself = matches!(input, Input::Tick(_));
        if self.refused.is_some() {
            *self.next = self.before.clone();
            (self.events, self.notes) = (Vec::new(), Vec::new());
            return None;
        }
        let effective = in_force(self.view, self.next);
        if effective.percent != self.before.in_force {
            self.fresh = true;
            self.next.analysis.share_changed(fraction(effective.percent));
            if self.before.in_force == Percent::ZERO {
                // A run of failures from before users came back does not apply to the present.
                self.next.analysis.skip_gap();
            }
            let more = self.before.in_force > Percent::ZERO && effective.percent > self.before.in_force;
            if more && !matches!(self.before.phase, Phase::Confirming { .. }) {
                let canary = self.view.canary;
                self.next.analysis.expect_change(&canary.guard.constants, &ramp::ramp_length(&canary.ramp));
            }
            // Time at another share is not time at this one.
            if matches!(self.next.phase, Phase::Ramping) {
                self.next.since = self.now;
            }
            if self.events.is_empty() {
                let by = share_reason(self.view, self.next);
                let (actor, action, reason) = match (of_itself, self.view.blocked) {
                    (false, _) => (Actor::Flags, Action::Percent, Reason::InForce { by }),
                    (true, Some(_)) => (Actor::Serin, Action::Block, Reason::InForce { by }),
                    (true, None) => (Actor::Serin, Action::Unblock, Reason::Unblocked { by }),
                };
                self.record(actor, action, reason);
            }
        }
        self.next.in_force = effective.percent;
        self.next.epoch += u64::from(self.fresh);
        for event in &mut self.events {
            event.to = effective.percent;
        }
        let by_file = matches!(input, Input::PolicyChanged { .. } | Input::LockFound(_));
        let waits = !by_file && !self.forgettable && needs_write_ahead(self.before, self.next);
        waits.then(|| self.until_written())
    }

    fn until_written(&mut self) -> Box<RolloutState> {
        let watched = self.watched.take().map(|mut watched| {
            watched.in_force = in_force(self.view, &watched).percent;
            watched
        });
        // More than what gathers by itself is for the next look, which then comes first.
        let watched = watched.filter(|watched| !watched.is_reportable_change_from(self.before));
        watched.unwrap_or_else(|| Box::new(self.before.clone()))
    }
}
