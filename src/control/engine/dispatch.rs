//! Control's mind, without a runtime: every rollout of the file, and the order in which what happens reaches them.
//!
//! Decides nothing itself. It hands each input to the rollouts that it concerns, one by one, and carries out what they
//! return: tells log and history, leaves in the [`Outbox`] what must be written, and publishes snapshot and status, which
//! are cells in memory. Does no I/O and reads no clock. How it begins, takes a file, and carries out commands lies in files
//! above this one. Invariant: a snapshot shows all of what an input led to, or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::effects::{Answer, Effects};
use super::entry::Tracked;
use super::providers::{Connection, Providers};
use super::rollout::{Input, Probe, Seen};
use crate::control::events::{announce, own};
use crate::control::evidence::sampling::Sampling;
use crate::control::now::Now;
use crate::control::persist::locks::Unread;
use crate::control::persist::outbox::{Outbox, Proposal};
use crate::control::report::{self, Process};
use crate::control::series::Registry;
use crate::decide::event::{Action, Actor, Event, Notice, Reason};
use crate::decide::policy::{Policy, Secret};
use crate::decide::rollout::state::{Identity, Lock, RolloutState};
use crate::state::access_log::Dropped;
use crate::state::counters::Series;
use crate::state::evidence::Evidence;
use crate::state::inbox::Refused;
use crate::state::snapshot::{Shared, Snapshot};
use crate::state::status::{Status, StatusCell};
use crate::store::locks::LocksFound;

/// Control's mind.
#[expect(missing_debug_implementations, reason = "it holds a closure")]
pub struct Engine {
    /// What the data plane reads.
    pub shared: Arc<Shared>,
    /// What the surfaces read.
    pub status: Arc<StatusCell>,
    /// What has to be written; the shell empties it.
    pub outbox: Outbox,
    pub(in crate::control) policy: Arc<Policy>,
    pub(in crate::control) rollouts: Vec<Tracked>,
    // Of rollouts that the file does not have now.
    pub(in crate::control) elsewhere: BTreeMap<Identity, RolloutState>,
    pub(in crate::control) context: Context,
    pub(in crate::control) process: Process,
    pub(in crate::control) series: Registry,
    pub(in crate::control) providers: Providers,
    pub(in crate::control) sampling: Sampling,
    // Of plain routes: nobody reads it.
    pub(in crate::control) idle: Arc<Evidence>,
    pub(in crate::control) unsplit: Box<[Arc<Series>]>,
    pub(in crate::control) revision: u64,
}

impl Engine {
    /// Time has passed: looks at every rollout.
    pub fn tick(&mut self, now: Now) {
        let lost = self.sampling.hand_out(&mut self.rollouts, &self.context, now.mono);
        self.notice(lost, now);
        let mut publish = false;
        for place in 0..self.rollouts.len() {
            let stepped_back = self.providers.stepped_back(&self.rollouts[place].stable, now.mono);
            publish |= self.take(place, Input::Look { place, stepped_back }, now).publish;
        }
        if publish {
            self.publish();
        }
        self.look_ahead(now);
        for (action, reason) in self.providers.watch(&self.policy, now) {
            self.emit_own(Actor::Breaker, action, reason, now);
        }
        self.rollouts.iter_mut().for_each(Tracked::watch_serving);
        self.report(now);
    }

    // One a tick: that which has waited longest.
    fn look_ahead(&mut self, now: Now) {
        let moving = self.rollouts.iter_mut().filter_map(|tracked| tracked.moving.as_mut());
        let due = moving.filter_map(|moving| Some((moving.foresight().due(now.mono)?, moving)));
        if let Some((_, moving)) = due.min_by_key(|(made, _)| *made) {
            moving.look_ahead(now);
        }
    }

    /// Which probes should begin now; they count as begun.
    pub fn due_probes(&mut self, now: Now) -> Vec<Probe> {
        let moving = self.rollouts.iter_mut().filter_map(|tracked| tracked.moving.as_mut());
        moving.flat_map(|moving| moving.due_probes(&self.context, now)).collect()
    }

    /// What a probe said. It is acted upon with the next tick.
    pub fn probed(&mut self, probe: &Probe, result: Result<(), String>, now: Now) {
        let moving = self.rollouts.iter_mut().filter_map(|tracked| tracked.moving.as_mut());
        moving.for_each(|moving| moving.see(Seen::Probed(probe, &result), now.mono));
    }

    /// Whom a connection should be made to now; each counts as begun.
    pub fn due_connections(&mut self, now: Now) -> Vec<Connection> {
        self.providers.due_connections(&self.policy, now)
    }

    /// The egress proxy that the file names.
    #[must_use]
    pub fn egress(&self) -> Option<Secret> {
        self.policy.egress.clone()
    }

    /// A canary refused a request. One that is not in force any more is not told of.
    pub fn refused(&mut self, refused: Refused, now: Now) {
        if let Some(place) = self.place_of(&refused.rollout) {
            self.take(place, Input::Refused(refused), now);
        }
    }

    /// A batch was written, or why not. Of what was proposed in it, [`Engine::landed`] or [`Engine::lost`] is told.
    pub fn saved(&mut self, result: &Result<(), String>, now: Now) {
        let (notice, is_different) = self.context.disk.saved(result);
        self.notice(notice, now);
        if is_different {
            self.report(now);
        }
    }

    /// What was proposed is on the disk: puts it in force, unless something else came first. Returns the names of the
    /// rollouts that moved.
    pub fn landed(&mut self, written: &[(Identity, Proposal)], now: Now) -> Vec<String> {
        let moved = self.settled(|| Input::Landed(written), now);
        if !moved.is_empty() {
            self.publish();
            self.report(now);
        }
        moved
    }

    /// What was proposed could not be written: withdraws it. Returns the names of the rollouts that stay where they are.
    pub fn lost(&mut self, unwritten: &[(Identity, Proposal)], now: Now) -> Vec<String> {
        self.settled(|| Input::Lost(unwritten), now)
    }

    fn settled<'a>(&mut self, input: impl Fn() -> Input<'a>, now: Now) -> Vec<String> {
        let places = 0..self.rollouts.len();
        let settled: Vec<usize> = places.filter(|place| self.take(*place, input(), now).settled).collect();
        settled.into_iter().map(|place| self.rollouts[place].rollout.name.clone()).collect()
    }

    /// Locks were read from files. Returns those that the one for every rollout comes down to, to be written.
    pub fn locks_found(&mut self, found: LocksFound, now: Now) -> Vec<(String, Lock)> {
        self.context.locks.find(found);
        let places = 0..self.rollouts.len();
        if places.fold(false, |publish, place| publish | self.apply_lock_file(place, now)) {
            self.publish();
        }
        // After the locks are in force: nothing that they hold is open between.
        self.set_unread(None, now);
        self.report(now);
        if !self.context.locks.hold_all() {
            return Vec::new();
        }
        let held = self.rollouts.iter().filter_map(|tracked| {
            let lock = tracked.moving.as_ref()?.state().lock.clone()?;
            Some((tracked.rollout.name.clone(), lock))
        });
        held.collect()
    }

    /// They could not be read.
    pub fn locks_unread(&mut self, unread: Unread, now: Now) {
        self.set_unread(Some(unread), now);
        self.report(now);
    }

    fn set_unread(&mut self, unread: Option<Unread>, now: Now) {
        if let Some(notice) = self.context.locks.set_unread(unread, &self.context.disk.dir) {
            self.notice(notice, now);
            // It is acted upon now, and not when the next look is due.
            self.tick(now);
        }
    }

    /// The files of this rollout's lock are gone, and the one for every rollout with them.
    pub fn locks_removed(&mut self, rollout: &str) {
        self.context.locks.remove(rollout);
    }

    /// Whether anything is different that has to be published.
    pub(in crate::control) fn apply_lock_file(&mut self, place: usize, now: Now) -> bool {
        let lock = self.context.locks.of(&self.rollouts[place].rollout.name).cloned();
        lock.is_some_and(|lock| self.take(place, Input::LockFound(lock), now).publish)
    }

    /// The process is stopping.
    pub fn drain(&mut self, now: Now) {
        self.process.draining = true;
        (0..self.rollouts.len()).for_each(|place| drop(self.take(place, Input::Drain, now)));
        self.publish();
        self.report(now);
    }

    pub(in crate::control) fn place_of(&self, rollout: &str) -> Option<usize> {
        self.rollouts.iter().position(|tracked| tracked.rollout.name == rollout)
    }

    /// Hands an input to the rollout at this place of the file, and carries out what follows but publishing.
    pub(in crate::control) fn take(&mut self, place: usize, input: Input<'_>, now: Now) -> Answer {
        let Some(moving) = &mut self.rollouts[place].moving else { return Answer::default() };
        let effects = moving.take(input, &self.context, now);
        let Effects { events, landed, notices, state, proposal, answer, .. } = effects;
        let identity = moving.identity();
        if let Some(state) = state {
            self.outbox.write(identity, state);
        }
        if let Some(proposal) = proposal {
            self.outbox.proposals.insert(identity.clone(), proposal);
        }
        landed.iter().for_each(announce);
        events.into_iter().for_each(|event| self.emit(event));
        self.notice(notices, now);
        answer
    }

    /// Something happened: tells everybody who is to know.
    fn emit(&mut self, event: Event) {
        announce(&event);
        self.outbox.events.push(event);
    }

    /// Something happened to the file or the process.
    pub(in crate::control) fn emit_own(&mut self, actor: Actor, action: Action, reason: Reason, now: Now) {
        self.emit(own(actor, action, reason, self.context.flags.generation, now));
    }

    /// Something is not as it should be, or is so again.
    pub(in crate::control) fn notice(&mut self, notices: impl IntoIterator<Item = Notice>, now: Now) {
        for notice in notices {
            self.emit_own(Actor::Serin, Action::Notice, Reason::Noticed(notice), now);
        }
    }

    /// Puts in force what the states say.
    pub(in crate::control) fn publish(&mut self) {
        self.revision += 1;
        let rollouts = self.rollouts.iter().map(|tracked| tracked.in_force(&self.context, &self.idle));
        self.shared.publish(Snapshot {
            revision: self.revision,
            generation: self.context.flags.generation,
            policy: Arc::clone(&self.policy),
            rollouts: rollouts.collect(),
            unsplit: self.unsplit.clone(),
            providers: self.providers.of(&self.policy),
            draining: self.process.draining,
        });
    }

    /// The revision in force.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Tells the surfaces.
    pub(in crate::control) fn report(&mut self, now: Now) {
        let (context, series) = (&self.context, &self.series);
        let told = self.rollouts.iter_mut().map(|tracked| report::rollout(tracked, series, context, now));
        let lines = &self.shared.access_log;
        let status = Status {
            rollouts: told.collect(),
            flags: report::flags(&self.policy, context, &self.process),
            store: report::store(context),
            providers: self.providers.report(&self.policy, now),
            series: series.all(),
            samples_lost: context.blocks.samples.lost(),
            access_log: (lines.written(), Dropped::ALL.map(|reason| lines.dropped(reason))),
            draining: self.process.draining,
        };
        self.status.store(Arc::new(status));
    }
}
