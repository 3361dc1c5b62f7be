//! The heart: one thing that happened to a rollout in, its next state and what to remember of it out.
//!
//! Pure: no clock, no I/O, no counter that is still running; [`Observation`] is plain numbers. The control loop and the
//! simulation perform what comes out. Order within a tick: the guard, then a new try, then the ramp, so that a rollback
//! wins over a promotion that is due at the same moment. Whenever the share in force changes the epoch rises: what was
//! sent at another share is no evidence for this one. What the guard knows of the canary lasts over that, until a new try
//! begins or guard or ramp are edited. [`guarding`](super::guarding) is the guard's part of it.

use std::sync::Arc;

use super::command::{self, Note, Refusal};
use super::in_force::{in_force, why};
use super::outlook::{may_confirm, outlook, step_left};
use super::ramp;
use super::state::{Lock, Phase, RolloutState, Verb};
use super::terms::terms;
use crate::decide::cause::CauseCount;
use crate::decide::event::{Action, Decided, Event, Reason};
use crate::decide::guard::Arms;
use crate::decide::guard::judge::fraction;
use crate::decide::guard::measure::{self, Measure};
use crate::decide::guard::slow::{SlowThreshold, SlowThresholds};
use crate::decide::guard::sources::Apart;
use crate::decide::guard::tick::Tick;
use crate::decide::policy::{Canary, Intent};
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::decide::window::Counts;

/// What the file and the machine's health say of a rollout.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the file asks for.
    pub canary: &'a Canary,
    /// Why nobody may be sent to the canary; `None`: they may.
    pub blocked: Option<&'a str>,
    /// Why state that could be written before cannot be just now: promotions wait for it.
    pub unwritable: Option<&'a str>,
    /// Whether state could never be written: then the ramp is a function of `ramp.from` and the clock.
    pub by_clock: bool,
    /// The version of the file, for the history.
    pub generation: u64,
}

/// What was seen of both arms in the current epoch, and what probes said in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// A length of time for the guard; `None`: its time has not come.
    pub tick: Option<Tick>,
    /// The same by source, where there are several.
    pub apart: Option<Box<Apart>>,
    /// Over the guard's window, users capped.
    pub window: Arms,
    /// The same of the canary, of those sources that decide: what a ceiling is held against.
    pub under_ceiling: Counts,
    /// Whether the process did not run for a while: what was under way then says nothing.
    pub slept: bool,
    /// How the canary answered its last probe; `None`: not yet.
    pub canary_answers: Option<Result<(), String>>,
    /// Whether stable's breaker kept requests from it: who is left on stable is nobody to be compared with.
    pub stable_shut: bool,
    /// Whether the canary, meanwhile, answers nobody either.
    pub canary_dead: bool,
    /// Whether stable has just answered a probe; `None`: it was not asked.
    pub stable_answers: Option<bool>,
    /// What a slow answer is by now.
    pub slow_threshold: Option<SlowThresholds>,
    /// What a slow pace between the outputs of a stream is by now.
    pub pace_threshold: Option<SlowThreshold>,
    /// What the canary refuses most.
    pub refuses: Option<Arc<str>>,
    /// Why the canary's requests failed at this share, the commonest cause first.
    pub causes: Arc<[CauseCount]>,
    /// Users behind the failures of stable and canary at this share.
    pub users: [u32; 2],
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "the largest is by far the most frequent, and is never kept")]
pub enum Input {
    /// Time has passed, and this was seen.
    Tick(Observation),
    /// A human asks for something.
    Command {
        /// What.
        verb: Verb,
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
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The state from now on.
    pub next: RolloutState,
    /// What changed, for the history; empty: nothing that anybody must know.
    pub events: Vec<Event>,
    /// Why a command is not carried out; then nothing changed.
    pub refused: Option<Refusal>,
    /// What a command's sender should know besides.
    pub notes: Vec<Note>,
    /// Whether by time or by a human's word more users follow, or what holds them is lifted. That has to be on the disk
    /// before it is in force, so that no restart takes it back. What the file itself asks for is asked for again by the
    /// next start, and whatever takes users back never waits.
    pub goes_on: bool,
    /// Whose requests that wait for the canary are asked of somebody else.
    pub rescue: Option<Rescue>,
}

/// Requests that wait for a canary that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescue {
    /// All of them.
    Everybody,
    /// Those that have waited for this long.
    Longer(Millis),
}

/// What follows for a rollout when this happens.
#[must_use]
pub fn step(view: &View<'_>, state: &RolloutState, input: &Input, now: UnixMillis) -> Step {
    // In its place from the start, since it is large and ticks are many.
    let mut step = Step {
        next: state.clone(),
        events: Vec::new(),
        refused: None,
        notes: Vec::new(),
        goes_on: false,
        rescue: None,
    };
    let mut draft = Draft::new(view, state, &mut step.next, now);
    match input {
        Input::Tick(seen) => draft.tick(seen),
        Input::Command { verb, actor, reason } => command::carry_out(&mut draft, verb, actor, reason),
        Input::PolicyChanged { fresh } => draft.policy_changed(*fresh),
        Input::LockFound(lock) => draft.lock(lock),
    }
    draft.finish(input);
    let Draft { events, refused, notes, goes_on, rescue, .. } = draft;
    (step.events, step.refused, step.notes, step.goes_on) = (events, refused, notes, goes_on);
    step.rescue = rescue;
    step
}

fn goes_on(before: &RolloutState, next: &RolloutState) -> bool {
    let taken_back = |state: &RolloutState| matches!(state.phase, Phase::RolledBack { .. });
    let lifted = (before.lock.is_some() && next.lock.is_none())
        || (before.paused.is_some() && next.paused.is_none())
        || (taken_back(before) && !taken_back(next));
    let moved = (&before.phase, before.percent) != (&next.phase, next.percent);
    lifted || (moved && (next.in_force > before.in_force || next.phase == Phase::Completed))
}

/// A step in the making.
pub(super) struct Draft<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) now: UnixMillis,
    pub(super) next: &'a mut RolloutState,
    pub(super) refused: Option<Refusal>,
    pub(super) notes: Vec<Note>,
    pub(super) before: &'a RolloutState,
    fresh: bool,
    // Whether a restart may forget it: it would come to the same.
    pub(super) forgettable: bool,
    goes_on: bool,
    pub(super) rescue: Option<Rescue>,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    fn new(view: &'a View<'a>, before: &'a RolloutState, next: &'a mut RolloutState, now: UnixMillis) -> Draft<'a> {
        // A stamp that lies ahead is of a clock that was set back since; waiting for it could take years.
        next.since = next.since.min(now);
        if let Phase::RolledBack { at, .. } = &mut next.phase {
            *at = (*at).min(now);
        }
        let (notes, events) = (Vec::new(), Vec::new());
        Draft {
            view,
            now,
            next,
            refused: None,
            notes,
            before,
            fresh: false,
            forgettable: false,
            goes_on: false,
            rescue: None,
            events,
        }
    }

    fn tick(&mut self, seen: &Observation) {
        if seen.slept {
            self.next.judge.skip_time();
            self.fresh = true;
        }
        if let Some(threshold) = seen.slow_threshold {
            self.next.judge.slow_threshold = threshold;
        }
        if let Some(threshold) = seen.pace_threshold {
            self.next.judge.pace_threshold = threshold;
        }
        if let Some(tick) = &seen.tick
            && self.guard_acts(tick, seen)
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
            _ if outlook(self.view, self.next, seen, self.now).due => self.end_step(seen),
            _ => {}
        }
    }

    fn try_again(&mut self) {
        let canary = self.view.canary;
        let (Some(pause), Some(after)) = (pause_before_retry(canary, self.next), canary.try_again_after) else {
            return;
        };
        let incident = self.next.judge.history.in_incident(&canary.guard.constants);
        // A retry that a restart would forget waits for the disk.
        let may = waits_before_retry(canary, self.next) && !incident && self.view.unwritable.is_none();
        if may && self.next.waited >= pause {
            self.next.retries += 1;
            self.begin_try();
            let (retry, most) = (self.next.retries, canary.guard.constants.most_retries);
            self.record("ramp", Action::Retry, Reason::Waited { pause, after, retry, most });
        }
    }

    /// The step's time is over, and nothing holds what follows.
    fn end_step(&mut self, seen: &Observation) {
        let (ramp, guard) = (&self.view.canary.ramp, &self.view.canary.guard);
        let probing = self.next.phase == Phase::Probing;
        if probing {
            self.next.phase = Phase::Ramping;
            if self.view.by_clock {
                self.record("ramp", Action::Start, Reason::Answered);
                return self.follow_clock();
            }
            if let Some(stage) = ramp::next_stage(ramp, Percent::ZERO) {
                self.go_to(stage);
                self.record("ramp", Action::Start, Reason::Answered);
            }
            return;
        }
        let reading = self.next.judge.reading(guard, self.next.tries());
        if let Some(stage) = ramp::next_stage(ramp, self.next.percent) {
            let decision = self.grounds(&reading, seen).decide(Decided::Promote);
            self.go_to(stage);
            return self.record("ramp", Action::Promote, Reason::Decided(decision));
        }
        let Measure { rate, limit, .. } = measure::completion(guard, &self.next.judge);
        if rate < limit {
            let decision = self.grounds(&reading, seen).decide(Decided::Complete);
            self.next.phase = Phase::Completed;
            self.next.since = self.now;
            self.record("ramp", Action::Complete, Reason::Decided(decision));
        } else if self.next.judge.rechecks < guard.constants.most_rechecks && may_confirm(self.view, self.next) {
            self.next.judge.rechecks += 1;
            self.confirm(Decided::Recheck, &reading, seen);
        } else {
            self.next.judge.repeat_step();
        }
    }

    fn follow_clock(&mut self) {
        let Some(from) = self.view.canary.ramp.from.filter(|_| self.next.paused.is_none()) else { return };
        let stage = ramp::scheduled(&self.view.canary.ramp, from, self.now);
        let phase = if stage.completed { Phase::Completed } else { Phase::Ramping };
        if stage.percent != self.next.percent {
            self.go_to(stage.percent);
            self.record("ramp", Action::Promote, Reason::Clock);
        }
        self.next.phase = phase;
    }

    fn policy_changed(&mut self, fresh: bool) {
        if fresh {
            self.begin_judgement();
        }
        let canary = self.view.canary;
        self.next.judged_by = Some(terms(&canary.guard, &canary.ramp));
        if canary.attempt > self.next.attempt {
            self.next.attempt = canary.attempt;
            (self.next.retries, self.next.step_backs) = (0, 0);
            self.begin_try();
            self.record("flags", Action::Attempt, Reason::Attempt { attempt: canary.attempt });
        } else if self.next.phase == (Phase::Confirming { completed: true })
            && ramp::next_stage(&canary.ramp, self.next.percent).is_some()
        {
            self.next.phase = Phase::Confirming { completed: false };
        } else if self.next.phase == Phase::Completed && ramp::next_stage(&canary.ramp, self.next.percent).is_some() {
            self.next.phase = Phase::Ramping;
            self.next.since = self.now;
            self.record("flags", Action::Ramp, Reason::StageAbove { percent: self.next.percent });
        }
    }

    /// Lies over whatever is there; never raises what is in force.
    pub(super) fn lock(&mut self, lock: &Lock) {
        let under = in_force(self.view, self.next).percent;
        let to = lock.to.min(under);
        if self.next.lock.as_ref().is_some_and(|held| held.to <= to) {
            return;
        }
        self.next.lock = Some(Lock { to, ..lock.clone() });
        self.record(&lock.actor, Action::Rollback, Reason::said(&lock.reason));
    }

    /// From the ramp's start, through a probe.
    pub(super) fn begin_try(&mut self) {
        self.next.phase = Phase::Probing;
        self.next.percent = Percent::ZERO;
        self.next.since = self.now;
        self.next.waited = Millis(0);
        // What the guard paused for was of the try before.
        self.next.paused.take_if(|pause| pause.regression);
        self.begin_judgement();
    }

    /// The guard forgets what it knows of the canary.
    pub(super) fn begin_judgement(&mut self) {
        self.next.judge.begin(&self.view.canary.guard.constants);
        self.fresh = true;
    }

    /// Puts the ramp at this share, now.
    pub(super) fn go_to(&mut self, percent: Percent) {
        self.next.phase = Phase::Ramping;
        self.next.percent = percent;
        self.next.since = self.now;
        self.fresh = true;
    }

    pub(super) fn record(&mut self, actor: &str, action: Action, reason: Reason) {
        self.events.push(Event {
            at: self.now,
            rollout: Some(self.view.name.to_owned()),
            actor: actor.to_owned(),
            action,
            reason,
            from: self.before.in_force,
            to: self.before.in_force,
            generation: self.view.generation,
        });
    }

    fn finish(&mut self, input: &Input) {
        // Nobody asked for a change, time alone passed.
        let of_itself = matches!(input, Input::Tick(_));
        if self.refused.is_some() {
            *self.next = self.before.clone();
            (self.events, self.notes) = (Vec::new(), Vec::new());
            return;
        }
        let ruling = in_force(self.view, self.next);
        if ruling.percent != self.before.in_force {
            self.fresh = true;
            self.next.judge.share_changed(fraction(ruling.percent));
            if self.before.in_force == Percent::ZERO {
                // What failed in a row before nobody was there says nothing about who is there now.
                self.next.judge.skip_time();
            }
            let more = self.before.in_force > Percent::ZERO && ruling.percent > self.before.in_force;
            if more && !matches!(self.before.phase, Phase::Confirming { .. }) {
                let canary = self.view.canary;
                self.next.judge.expect_change(&canary.guard.constants, &ramp::schedule(&canary.ramp));
            }
            // Time at another share is not time at this one.
            if matches!(self.next.phase, Phase::Ramping) {
                self.next.since = self.now;
            }
            if self.events.is_empty() {
                let by = why(self.view, self.next);
                let (actor, action, reason) = match (of_itself, self.view.blocked) {
                    (false, _) => ("flags", Action::Percent, Reason::InForce { by }),
                    (true, Some(_)) => ("serin", Action::Block, Reason::InForce { by }),
                    (true, None) => ("serin", Action::Unblock, Reason::Unblocked { by }),
                };
                self.record(actor, action, reason);
            }
        }
        self.next.in_force = ruling.percent;
        self.next.epoch += u64::from(self.fresh);
        for event in &mut self.events {
            event.to = ruling.percent;
        }
        let by_file = matches!(input, Input::PolicyChanged { .. } | Input::LockFound(_));
        self.goes_on = !by_file && !self.forgettable && goes_on(self.before, self.next);
    }
}

/// The one who acts on evidence, in the history.
pub(super) const GUARD: &str = "guard";

/// A step that was proposed, in place of what is in force until then: with what the guard has gathered meanwhile, where
/// both are of the same try.
#[must_use]
pub fn carried_over(canary: &Canary, before: &RolloutState, proposed: &RolloutState) -> RolloutState {
    let on_course = |state: &RolloutState| matches!(state.phase, Phase::Ramping | Phase::Completed);
    let judged_anew = before.tries() != proposed.tries()
        || before.attempt != proposed.attempt
        || before.paused.as_ref().is_some_and(|pause| pause.regression) && proposed.paused.is_none();
    let mut next = proposed.clone();
    if on_course(before) && on_course(proposed) && !judged_anew {
        next.judge = before.judge.clone();
        if next.in_force != before.in_force {
            next.judge.share_changed(fraction(next.in_force));
            next.judge.expect_change(&canary.guard.constants, &ramp::schedule(&canary.ramp));
        }
    }
    next
}

/// How long the guard's last rollback is left alone before it is tried again by itself; `None`: for ever.
#[must_use]
pub fn pause_before_retry(canary: &Canary, state: &RolloutState) -> Option<Millis> {
    let factor = canary.guard.constants.retry_factor.powi(i32::try_from(state.retries).unwrap_or(i32::MAX));
    canary.try_again_after.map(|after| Millis(millis(real(after.0) / 1000.0 * factor)))
}

/// Whether it is tried again at all.
#[must_use]
pub fn waits_before_retry(canary: &Canary, state: &RolloutState) -> bool {
    canary.try_again_after.is_some() && state.retries < canary.guard.constants.most_retries
}

#[expect(clippy::cast_precision_loss, reason = "counts and times far below the precision")]
pub(super) const fn real(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
pub(super) fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

/// Why nobody may be sent to a rollout's canary, if so. `unusable`: what is wrong with its provider; `never_writable`:
/// why state could never be written since the start.
#[must_use]
pub fn blocked<'w>(canary: &Canary, unusable: Option<&'w str>, never_writable: Option<&'w str>) -> Option<Blocked<'w>> {
    let forgotten = never_writable.filter(|_| canary.percent == Intent::Auto && canary.ramp.from.is_none());
    unusable.map(Blocked::Unusable).or(forgotten.map(Blocked::Forgotten))
}

/// Why nobody may be sent to a rollout's canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked<'w> {
    /// This is the matter with it.
    Unusable(&'w str),
    /// A ramp could not be remembered, since state cannot be written for this reason.
    Forgotten(&'w str),
}
