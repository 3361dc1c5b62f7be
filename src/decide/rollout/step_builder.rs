//! A step under construction: the state that is being changed, and the events to report.
//!
//! Owns what every part of a step may do: move the ramp, begin a try, lock the rollout, record an event.
//! [`step`](super::step), [`command`](super::command) and [`guard_step`](super::guard_step) decide what is done; all
//! work on one draft. Invariant: the previous state is never changed.

use super::command_result::{CommandNote, CommandRefusal};
use super::context::RolloutContext;
use super::in_force::in_force;
use super::state::{Lock, Phase, RolloutState};
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::units::{Millis, Percent, UnixMillis};

/// Requests that wait for a canary that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawWaiting {
    All,
    /// Those that have waited for this long.
    LongerThan(Millis),
}

/// A step in the making.
pub(super) struct StepBuilder<'a> {
    pub(super) view: &'a RolloutContext<'a>,
    pub(super) now: UnixMillis,
    pub(super) next: &'a mut RolloutState,
    pub(super) refused: Option<CommandRefusal>,
    pub(super) notes: Vec<CommandNote>,
    pub(super) before: &'a RolloutState,
    // Whether the guard's evidence begins afresh.
    pub(super) fresh: bool,
    // Whether a restart may forget it: it would come to the same.
    pub(super) forgettable: bool,
    // What the guard made of a tick, before the ramp went on.
    pub(super) watched: Option<Box<RolloutState>>,
    pub(super) rescue: Option<WithdrawWaiting>,
    pub(super) events: Vec<Event>,
}

impl<'a> StepBuilder<'a> {
    pub(super) fn new(
        view: &'a RolloutContext<'a>,
        before: &'a RolloutState,
        next: &'a mut RolloutState,
        now: UnixMillis,
    ) -> StepBuilder<'a> {
        // A timestamp in the future comes from a clock that was set back since; waiting for it could take years.
        next.since = next.since.min(now);
        if let Phase::RolledBack { at, .. } = &mut next.phase {
            *at = (*at).min(now);
        }
        let (notes, events) = (Vec::new(), Vec::new());
        StepBuilder {
            view,
            now,
            next,
            refused: None,
            notes,
            before,
            fresh: false,
            forgettable: false,
            watched: None,
            rescue: None,
            events,
        }
    }

    /// What was seen up to here is in force whatever becomes of what follows.
    pub(super) fn keep_evidence(&mut self) {
        let mut watched = Box::new(self.next.clone());
        watched.epoch += u64::from(self.fresh);
        self.watched = Some(watched);
    }

    /// Lies over whatever is there; never raises what is in force.
    pub(super) fn lock(&mut self, lock: &Lock) {
        let under = in_force(self.view, self.next).percent;
        let to = lock.to.min(under);
        if self.next.lock.as_ref().is_some_and(|held| held.to <= to) {
            return;
        }
        self.next.lock = Some(Lock { to, ..lock.clone() });
        self.record(Actor::from(lock.actor.as_str()), Action::Rollback, Reason::from_human(&lock.reason));
    }

    /// From the ramp's start, through a probe.
    pub(super) fn begin_try(&mut self) {
        self.next.phase = Phase::Probing;
        self.next.percent = Percent::ZERO;
        self.next.since = self.now;
        self.next.waited = Millis(0);
        // What the guard paused for was of the try before.
        self.next.paused.take_if(|pause| pause.regression);
        self.begin_analysis();
    }

    /// The guard starts anew: its numbers of the canary are dropped.
    pub(super) fn begin_analysis(&mut self) {
        self.next.analysis.begin_try(&self.view.canary.guard.constants);
        self.fresh = true;
    }

    /// Puts the ramp at this share, now.
    pub(super) fn set_ramp_percent(&mut self, percent: Percent) {
        self.next.phase = Phase::Ramping;
        self.next.percent = percent;
        self.next.since = self.now;
        self.fresh = true;
    }

    pub(super) fn record(&mut self, actor: Actor, action: Action, reason: Reason) {
        self.events.push(Event {
            at: self.now,
            rollout: Some(self.view.name.to_owned()),
            actor,
            action,
            reason,
            from: self.before.in_force,
            to: self.before.in_force,
            generation: self.view.generation,
        });
    }
}
