//! The heart: one thing that happened to a rollout in, its next state and what to remember of it out.
//!
//! Pure: no clock, no I/O, no counter that is still running; [`Observation`] is plain numbers. The control loop
//! performs what comes out. Order within a tick: the guard, then a new try, then the ramp, so that a rollback wins
//! over a promotion that is due at the same moment. Whenever the share in force changes, a new try begins or guard or
//! ramp are edited, the epoch rises: evidence gathered under other circumstances judges nothing.

use super::command;
use super::in_force::in_force;
use super::outlook::outlook;
use super::ramp;
use super::state::{Event, Lock, Phase, RolloutState, Verb};
use crate::decide::guard::{self, Arms, Verdict};
use crate::decide::policy::{Canary, Intent};
use crate::decide::units::{Percent, UnixMillis};

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Over the guard's window.
    pub window: Arms,
    /// Since the epoch began: requests dispatched and answered in it.
    pub epoch: Arms,
    /// How the canary answered its last probe; `None`: not yet.
    pub canary_answers: Option<Result<(), String>>,
    /// Whether stable has just answered a probe; `None`: it was not asked.
    pub stable_answers: Option<bool>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state from now on.
    pub next: RolloutState,
    /// What changed, for the history; empty: nothing that anybody must know.
    pub events: Vec<Event>,
    /// Why a command is not carried out, with the remedy; then nothing changed.
    pub refused: Option<String>,
    /// What a command's sender should know besides. One sentence each.
    pub notes: Vec<String>,
    /// Whether by time or by a human's word more users follow, or what holds them is lifted. That has to be on the disk
    /// before it is in force, so that no restart takes it back. What the file itself asks for is asked for again by the
    /// next start, and whatever takes users back never waits.
    pub goes_on: bool,
}

/// What follows for a rollout when this happens.
#[must_use]
pub fn step(view: &View<'_>, state: &RolloutState, input: &Input, now: UnixMillis) -> Step {
    let mut draft = Draft::new(view, state, now);
    match input {
        Input::Tick(seen) => draft.tick(seen),
        Input::Command { verb, actor, reason } => command::carry_out(&mut draft, verb, actor, reason),
        Input::PolicyChanged { fresh } => draft.policy_changed(*fresh),
        Input::LockFound(lock) => draft.lock(lock),
    }
    draft.finish(input)
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
    pub(super) next: RolloutState,
    pub(super) refused: Option<String>,
    pub(super) notes: Vec<String>,
    before: &'a RolloutState,
    fresh: bool,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    fn new(view: &'a View<'a>, before: &'a RolloutState, now: UnixMillis) -> Draft<'a> {
        let mut next = before.clone();
        // A stamp that lies ahead is of a clock that was set back since; waiting for it could take years.
        next.since = next.since.min(now);
        if let Phase::RolledBack { at, .. } = &mut next.phase {
            *at = (*at).min(now);
        }
        Draft { view, now, next, refused: None, notes: Vec::new(), before, fresh: false, events: Vec::new() }
    }

    fn tick(&mut self, seen: &Observation) {
        if self.guard_takes_back(seen) {
            return;
        }
        if self.next.lock.is_some() || self.view.blocked.is_some() {
            return;
        }
        if let (Phase::RolledBack { at, .. }, Some(after)) = (&self.next.phase, self.view.canary.try_again_after) {
            // A retry that a restart would forget waits for the disk.
            if self.now.since(*at) >= after && self.view.unwritable.is_none() {
                self.begin_try();
                self.record("ramp", "retry", format!("try_again_after {after} has passed"), Vec::new());
            }
            return;
        }
        if self.view.canary.percent != Intent::Auto {
            return;
        }
        if self.view.by_clock && matches!(self.next.phase, Phase::Ramping | Phase::Completed) {
            self.follow_clock();
        } else if outlook(self.view, &self.next, seen, self.now).due {
            self.promote_by_ramp(seen);
        }
    }

    fn guard_takes_back(&mut self, seen: &Observation) -> bool {
        let exposed = in_force(self.view, &self.next).percent > Percent::ZERO;
        if !exposed || matches!(self.next.phase, Phase::RolledBack { .. }) {
            return false;
        }
        let judge = &self.view.canary.guard;
        let Verdict::Fail(cause) = guard::judge(judge, &seen.window, seen.stable_answers) else { return false };
        self.next.phase = Phase::RolledBack { at: self.now, cause: cause.clone() };
        self.next.since = self.now;
        self.record("guard", "rollback", cause, guard::numbers(judge, &seen.window));
        true
    }

    fn promote_by_ramp(&mut self, seen: &Observation) {
        let ramp = &self.view.canary.ramp;
        let probing = self.next.phase == Phase::Probing;
        let numbers = if probing { Vec::new() } else { guard::numbers(&self.view.canary.guard, &seen.epoch) };
        if probing && self.view.by_clock {
            self.next.phase = Phase::Ramping;
            self.record("ramp", "start", "the canary answered a probe".to_owned(), numbers);
            return self.follow_clock();
        }
        let from = if probing { Percent::ZERO } else { self.next.percent };
        let held = self.before.in_force;
        let good = || format!("was held for at least {}: {}", ramp::hold(ramp, from), guard::told(&seen.epoch));
        match ramp::next_stage(ramp, from) {
            Some(stage) => {
                let (action, reason) = match probing {
                    true => ("start", "the canary answered a probe".to_owned()),
                    false => ("promote", format!("{held} {}", good())),
                };
                self.go_to(stage);
                self.record("ramp", action, reason, numbers);
            }
            None => {
                self.next.phase = Phase::Completed;
                self.next.since = self.now;
                self.record("ramp", "complete", format!("{held}, the ramp's end, {}", good()), numbers);
            }
        }
    }

    fn follow_clock(&mut self) {
        let Some(from) = self.view.canary.ramp.from.filter(|_| self.next.paused.is_none()) else { return };
        let stage = ramp::scheduled(&self.view.canary.ramp, from, self.now);
        let phase = if stage.completed { Phase::Completed } else { Phase::Ramping };
        if stage.percent != self.next.percent {
            self.go_to(stage.percent);
            self.record("ramp", "promote", "by ramp.from and the clock".to_owned(), Vec::new());
        }
        self.next.phase = phase;
    }

    fn policy_changed(&mut self, fresh: bool) {
        self.fresh |= fresh;
        let canary = self.view.canary;
        if canary.attempt > self.next.attempt {
            self.next.attempt = canary.attempt;
            self.begin_try();
            let reason = format!("`attempt: {}` begins a new try", canary.attempt);
            self.record("flags", "attempt", reason, Vec::new());
        } else if self.next.phase == Phase::Completed && ramp::next_stage(&canary.ramp, self.next.percent).is_some() {
            self.next.phase = Phase::Ramping;
            self.next.since = self.now;
            let reason = format!("the edited ramp has a stage above {}", self.next.percent);
            self.record("flags", "ramp", reason, Vec::new());
        }
    }

    /// Lies over whatever is there; never raises what is in force.
    pub(super) fn lock(&mut self, lock: &Lock) {
        let under = in_force(self.view, &self.next).percent;
        let to = lock.to.min(under);
        if self.next.lock.as_ref().is_some_and(|held| held.to <= to) {
            return;
        }
        self.next.lock = Some(Lock { to, ..lock.clone() });
        self.record(&lock.actor, "rollback", lock.reason.clone(), Vec::new());
    }

    /// From the ramp's start, through a probe.
    pub(super) fn begin_try(&mut self) {
        self.next.phase = Phase::Probing;
        self.next.percent = Percent::ZERO;
        self.next.since = self.now;
        self.fresh = true;
    }

    /// Puts the ramp at this share, now.
    pub(super) fn go_to(&mut self, percent: Percent) {
        self.next.phase = Phase::Ramping;
        self.next.percent = percent;
        self.next.since = self.now;
        self.fresh = true;
    }

    pub(super) fn record(&mut self, actor: &str, action: &str, reason: String, numbers: Vec<(String, String)>) {
        self.events.push(Event {
            at: self.now,
            rollout: Some(self.view.name.to_owned()),
            actor: actor.to_owned(),
            action: action.to_owned(),
            reason,
            from: self.before.in_force,
            to: self.before.in_force,
            numbers,
            generation: self.view.generation,
        });
    }

    fn finish(mut self, input: &Input) -> Step {
        // Nobody asked for a change, time alone passed.
        let of_itself = matches!(input, Input::Tick(_));
        if self.refused.is_some() {
            let next = self.before.clone();
            return Step { next, events: Vec::new(), refused: self.refused, notes: Vec::new(), goes_on: false };
        }
        let ruling = in_force(self.view, &self.next);
        if ruling.percent != self.before.in_force {
            self.fresh = true;
            // Time at another share is not time at this one.
            if matches!(self.next.phase, Phase::Ramping) {
                self.next.since = self.now;
            }
            if self.events.is_empty() {
                let (actor, action, reason) = match (of_itself, self.view.blocked) {
                    (false, _) => ("flags", "percent", ruling.reason),
                    (true, Some(_)) => ("serin", "block", ruling.reason),
                    (true, None) => ("serin", "unblock", format!("nothing blocks it any more: {}", ruling.reason)),
                };
                self.record(actor, action, reason, Vec::new());
            }
        }
        self.next.in_force = ruling.percent;
        self.next.epoch += u64::from(self.fresh);
        for event in &mut self.events {
            event.to = ruling.percent;
        }
        let by_file = matches!(input, Input::PolicyChanged { .. } | Input::LockFound(_));
        let goes_on = !by_file && goes_on(self.before, &self.next);
        Step { next: self.next, events: self.events, refused: None, notes: self.notes, goes_on }
    }
}

/// Why nobody may be sent to a rollout's canary, if so. `unusable`: what is wrong with its provider; `never_writable`:
/// why state could never be written since the start.
#[must_use]
pub fn blocked(canary: &Canary, unusable: Option<&str>, never_writable: Option<&str>) -> Option<String> {
    if let Some(why) = unusable {
        return Some(why.to_owned());
    }
    let why = never_writable.filter(|_| canary.percent == Intent::Auto && canary.ramp.from.is_none())?;
    Some(format!(
        "state cannot be written ({why}), so the ramp could not be remembered: mend that, set ramp.from, or pin percent"
    ))
}
