//! The engine: hands each input to the rollouts that it concerns, and carries out their effects.
//!
//! Decides nothing itself. It emits events to the log and the history, fills the [`Outbox`] with what must be written,
//! and publishes the snapshot and the status, which are cells in memory. Does no I/O and reads no clock. Other files of
//! this folder add the start ([`bootstrap`](super::bootstrap)), a new file ([`reload`](super::reload)) and commands
//! ([`commands`](super::commands)). Invariant: a snapshot shows all effects of an input, or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::ProcessContext;
use super::digest_schedule::DigestSchedule;
use super::effects::{Effects, InputResult};
use super::entry::Entry;
use super::input::{Input, Probe, Signal};
use super::keys::Keys;
use super::limits::ClientLimits;
use super::providers::{Providers, ReachabilityCheck};
use super::retirement_watch::RetirementWatch;
use super::stable_watch::StableWatch;
use crate::control::events;
use crate::control::evidence::judged_requests::JudgedRequests;
use crate::control::evidence::sampling::Sampling;
use crate::control::incidents::Incidents;
use crate::control::notify::notifier::Notifier;
use crate::control::now::Now;
use crate::control::persist::locks::LockReadError;
use crate::control::persist::outbox::{Outbox, Proposal};
use crate::control::recorder::Recorder;
use crate::control::report::{self, Process};
use crate::control::series::SeriesRegistry;
use crate::control::state_writer::StateWriter;
use crate::decide::event::{Action, Actor, Alert, Reason};
use crate::decide::policy::{Policy, Secret};
use crate::decide::rollout::state::{Identity, Lock, OverallPhase, RolloutState};
use crate::describe::certificate;
use crate::state::access_log::Dropped;
use crate::state::counters::Series;
use crate::state::evidence::Evidence;
use crate::state::inbox::Rejection;
use crate::state::snapshot::{Snapshot, SnapshotCell};
use crate::state::status::{RolloutStatus, Status, StatusCell};
use crate::store::locks::LocksFound;

/// All rollouts of the file, and what they share.
#[expect(missing_debug_implementations, reason = "it holds a closure")]
pub struct Engine {
    /// The snapshot, which the data plane reads.
    pub shared: Arc<SnapshotCell>,
    /// The status, which the admin API and the dashboard read.
    pub status: Arc<StatusCell>,
    /// What must be written. The event loop empties it.
    pub outbox: Outbox,
    pub(super) policy: Arc<Policy>,
    pub(in crate::control) entries: Vec<Entry>,
    // States of rollouts that the file does not have now.
    pub(super) absent: BTreeMap<Identity, RolloutState>,
    pub(super) context: ProcessContext,
    pub(super) process: Process,
    pub(super) series: SeriesRegistry,
    pub(super) providers: Providers,
    pub(super) client_limits: ClientLimits,
    pub(super) keys: Keys,
    pub(super) sampling: Sampling,
    pub(super) judged: JudgedRequests,
    // Evidence of plain routes, which is never read.
    pub(super) unused_evidence: Arc<Evidence>,
    pub(super) unsplit: Box<[Arc<Series>]>,
    pub(in crate::control) notifier: Notifier,
    pub(super) incidents: Incidents,
    pub(super) digest: DigestSchedule,
    pub(super) retirements: RetirementWatch,
    pub(super) stable_watch: StableWatch,
    /// The notice of the certificate that was told last: its file, and which one.
    pub(super) certificate_notice: Option<(String, (u8, u64))>,
    pub(super) revision: u64,
    pub(in crate::control) recorder: Recorder,
    pub(in crate::control) state_writer: StateWriter,
}

impl Engine {
    /// Time has passed: gives every rollout its tick.
    pub fn tick(&mut self, now: Now) {
        self.deliver_samples(now);
        self.watch_stables(now);
        let mut publish = false;
        for index in 0..self.entries.len() {
            let bypassed = self.providers.bypassed(&self.entries[index].stable, now.mono);
            publish |= self.apply(index, Input::Tick { index, bypassed }, now).publish;
        }
        if publish {
            self.publish();
        }
        self.refresh_oldest_forecast(now);
        self.complete_incidents(now);
        self.client_limits.note(&self.policy, &self.shared.sources, now.mono);
        for (action, reason) in self.providers.breaker_events(&self.policy, now) {
            self.emit_process_event(Actor::Breaker, action, reason, now);
        }
        self.watch_retirements(now);
        self.look_at_keys(now);
        self.watch_certificate(now);
        self.entries.iter_mut().for_each(|entry| entry.update_stable_health(now.mono));
        self.report(now);
        self.record(now);
    }

    fn look_at_keys(&mut self, now: Now) {
        let news = self.keys.tick(&self.policy, &self.providers, now);
        for (action, reason) in news.events {
            self.emit_process_event(Actor::Serin, action, reason, now);
        }
        self.emit_alerts(news.alerts, now);
        self.keep_keys(false, now);
        self.keep_copies(false, now);
    }

    fn keep_copies(&mut self, last: bool, now: Now) {
        if let Some(text) = self.context.comparisons.take_due(now, last) {
            self.outbox.copies = Some(text);
        }
    }

    fn keep_keys(&mut self, last: bool, now: Now) {
        if let Some(text) = self.keys.take_due(now, last) {
            self.outbox.keys = Some(text);
        }
    }

    fn record(&mut self, now: Now) {
        let status = self.status.load();
        let counting = |entry: &Entry| entry.spec.canary.as_ref().map(|canary| canary.guard.counting);
        let counting = self.entries.iter().map(|entry| counting(entry).unwrap_or_default());
        self.recorder.tick(status.rollouts.iter().zip(counting), &self.series, now);
    }

    fn deliver_samples(&mut self, now: Now) {
        let version = (self.context.flags.generation, self.context.blocks.created());
        self.sampling.update_owners(version, || {
            let rollouts = self.entries.iter().map(|entry| entry.rollout.as_ref());
            rollouts.map(|rollout| rollout.into_iter().flat_map(|rollout| rollout.collector().block_ids()))
        });
        let samples = &self.context.blocks.samples;
        self.sampling.drain(samples, now.mono, |owner, sample| {
            if let Some(rollout) = self.entries.get_mut(owner).and_then(|entry| entry.rollout.as_mut()) {
                rollout.record(Signal::Sample(sample), now.mono);
            }
        });
        let lost = samples.dropped();
        for rollout in self.entries.iter_mut().filter_map(|entry| entry.rollout.as_mut()) {
            rollout.record(Signal::SamplesDropped(lost), now.mono);
        }
        let alert = self.sampling.dropped_alert(lost, now.mono);
        self.emit_alerts(alert, now);
    }

    // One per tick, since a forecast is slow to compute.
    fn refresh_oldest_forecast(&mut self, now: Now) {
        let rollouts = self.entries.iter_mut().filter_map(|entry| entry.rollout.as_mut());
        let due = rollouts.filter_map(|rollout| Some((rollout.forecast_due(now)?, rollout)));
        if let Some((_, rollout)) = due.min_by_key(|(made_at, _)| *made_at) {
            rollout.refresh_forecast(now);
        }
    }

    /// The probes to start now. Each counts as started.
    pub fn due_probes(&mut self, now: Now) -> Vec<Probe> {
        let rollouts = self.entries.iter_mut().filter_map(|entry| entry.rollout.as_mut());
        rollouts.flat_map(|rollout| rollout.due_probes(&self.context, now)).collect()
    }

    /// A probe has a result. The next tick decides upon it.
    pub fn probe_finished(&mut self, probe: &Probe, result: Result<(), String>, now: Now) {
        let rollouts = self.entries.iter_mut().filter_map(|entry| entry.rollout.as_mut());
        rollouts.for_each(|rollout| rollout.record(Signal::ProbeFinished(probe, &result), now.mono));
    }

    /// The reachability checks to start now. Each counts as started.
    pub(in crate::control) fn due_reachability_checks(&mut self, now: Now) -> Vec<ReachabilityCheck> {
        self.providers.due_reachability_checks(&self.policy, now)
    }

    /// The egress proxy that the file names.
    #[must_use]
    pub(in crate::control) fn egress(&self) -> Option<Secret> {
        self.policy.egress.clone()
    }

    /// A canary rejected a request. Ignored if the rollout or its canary is not in the file any more.
    pub(in crate::control) fn request_rejected(&mut self, rejection: Rejection, now: Now) {
        if let Some(index) = self.index_of(&rejection.rollout) {
            self.apply(index, Input::Rejected(rejection), now);
        }
    }

    /// A batch was written, or not. [`Engine::proposals_written`] or [`Engine::proposals_failed`] reports its
    /// proposals.
    pub fn batch_finished(&mut self, result: &Result<(), String>, now: Now) {
        let (alert, is_different) = self.context.disk.record_result(result);
        self.emit_alerts(alert, now);
        if is_different {
            self.report(now);
        }
    }

    /// These proposals are on the disk: puts them in force, unless they were withdrawn. Returns the names of the
    /// rollouts that changed.
    pub fn proposals_written(&mut self, proposals: &[(Identity, Proposal)], now: Now) -> Vec<String> {
        let changed = self.end_proposals(|| Input::Written(proposals), now);
        if !changed.is_empty() {
            self.publish();
            self.report(now);
        }
        changed
    }

    /// These proposals could not be written: abandons them. Returns the names of the rollouts that had one.
    pub fn proposals_failed(&mut self, proposals: &[(Identity, Proposal)], now: Now) -> Vec<String> {
        self.end_proposals(|| Input::NotWritten(proposals), now)
    }

    fn end_proposals<'a>(&mut self, input: impl Fn() -> Input<'a>, now: Now) -> Vec<String> {
        let all = 0..self.entries.len();
        let ended: Vec<usize> = all.filter(|index| self.apply(*index, input(), now).proposal_ended).collect();
        ended.into_iter().map(|index| self.entries[index].spec.name.clone()).collect()
    }

    /// The lock files were read. If one file locks every rollout, returns the locks to write in its place, one per
    /// rollout.
    pub fn locks_read(&mut self, found: LocksFound, now: Now) -> Vec<(String, Lock)> {
        self.context.locks.set(found);
        let all = 0..self.entries.len();
        if all.fold(false, |publish, index| publish | self.apply_lock_file(index, now)) {
            self.publish();
        }
        // After the locks are in force, so that a rollout that they hold is never open in between.
        self.set_lock_read_error(None, now);
        self.report(now);
        if !self.context.locks.has_global() {
            return Vec::new();
        }
        let held = self.entries.iter().filter_map(|entry| {
            let lock = entry.rollout.as_ref()?.state().lock.clone()?;
            Some((entry.spec.name.clone(), lock))
        });
        held.collect()
    }

    /// The lock files could not be read.
    pub(in crate::control) fn locks_unreadable(&mut self, error: LockReadError, now: Now) {
        self.set_lock_read_error(Some(error), now);
        self.report(now);
    }

    fn set_lock_read_error(&mut self, error: Option<LockReadError>, now: Now) {
        if let Some(alert) = self.context.locks.set_read_error(error, &self.context.disk.dir) {
            self.emit_alerts(alert, now);
            // Takes effect now, not with the next regular tick.
            self.tick(now);
        }
    }

    /// The lock file of this rollout and the one for every rollout were removed.
    pub fn locks_removed(&mut self, rollout: &str) {
        self.context.locks.remove(rollout);
    }

    /// Returns whether a new snapshot has to be published.
    pub(super) fn apply_lock_file(&mut self, index: usize, now: Now) -> bool {
        let lock = self.context.locks.of(&self.entries[index].spec.name).cloned();
        lock.is_some_and(|lock| self.apply(index, Input::LockFound(lock), now).publish)
    }

    /// The process is stopping.
    pub(in crate::control) fn drain(&mut self, now: Now) {
        self.process.draining = true;
        self.keep_keys(true, now);
        self.keep_copies(true, now);
        (0..self.entries.len()).for_each(|index| drop(self.apply(index, Input::Drain, now)));
        self.publish();
        self.report(now);
    }

    pub(super) fn index_of(&self, rollout: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.spec.name == rollout)
    }

    /// Hands an input to the rollout at this index, and carries out its effects. The caller publishes.
    pub(super) fn apply(&mut self, index: usize, input: Input<'_>, now: Now) -> InputResult {
        let open = self.entries[index].open_on_canary();
        let Some(rollout) = &mut self.entries[index].rollout else { return InputResult::default() };
        let effects = rollout.apply(input, &self.context, now);
        let Effects { events, committed_events, alerts, state, proposal, result, .. } = effects;
        let identity = rollout.identity();
        if let Some(state) = state {
            self.outbox.write(identity, state);
        }
        let changes = &mut self.outbox.notifications;
        if let Some(proposal) = proposal {
            let pair = rollout.pair(proposal.state.attempt);
            self.notifier.propose(identity, &proposal.events, &pair, changes);
            self.outbox.proposals.insert(identity.clone(), proposal);
        } else if !committed_events.is_empty() {
            self.notifier.commit(identity, changes);
        } else if rollout.proposed().is_none() {
            self.notifier.withdraw(identity, changes);
        }
        let feed = &self.shared.history;
        for event in &committed_events {
            self.incidents.note(event);
            events::tell(event, feed);
        }
        for event in events {
            let pair = rollout.pair(rollout.state().attempt);
            let incident = self.incidents.of(&event, &pair, rollout, open, now);
            let id = incident.as_ref().map(|incident| incident.id.as_str());
            self.notifier.tell(&event, Some(&pair), id, &mut self.outbox.notifications);
            self.outbox.incidents.extend(incident);
            events::emit(event, &mut self.outbox, feed);
        }
        self.emit_alerts(alerts, now);
        result
    }

    /// Emits an event of the file or of the process.
    pub(super) fn emit_process_event(&mut self, actor: Actor, action: Action, reason: Reason, now: Now) {
        let event = events::of_process(actor, action, reason, self.context.flags.generation, now);
        self.notifier.tell(&event, None, None, &mut self.outbox.notifications);
        events::emit(event, &mut self.outbox, &self.shared.history);
    }

    pub(super) fn emit_alerts(&mut self, alerts: impl IntoIterator<Item = Alert>, now: Now) {
        for alert in alerts {
            self.emit_process_event(Actor::Serin, Action::Notice, Reason::Noticed(alert), now);
        }
    }

    /// Publishes a snapshot of the states in force.
    pub(super) fn publish(&mut self) {
        self.revision += 1;
        let rollouts = self.entries.iter().map(|entry| entry.in_force(&self.context, &self.unused_evidence));
        self.shared.publish(Snapshot {
            revision: self.revision,
            generation: self.context.flags.generation,
            policy: Arc::clone(&self.policy),
            rollouts: rollouts.collect(),
            unsplit: self.unsplit.clone(),
            providers: self.providers.of(&self.policy),
            keys: self.keys.of(&self.policy),
            draining: self.process.draining,
        });
    }

    /// The revision of the snapshot in force.
    #[must_use]
    pub(in crate::control) fn revision(&self) -> u64 {
        self.revision
    }

    /// Publishes the status.
    pub(super) fn report(&mut self, now: Now) {
        let (context, series) = (&self.context, &self.series);
        let incidents = &self.incidents;
        let rollouts = self.entries.iter_mut().map(|entry| {
            let status = report::rollout(entry, series, context, now);
            let is_held = matches!(status.phase, OverallPhase::RolledBack | OverallPhase::Locked);
            let incident = incidents.newest(&status.name).filter(|_| is_held).cloned();
            RolloutStatus { incident, ..status }
        });
        let lines = &self.shared.access_log;
        let mut flags = report::flags(&self.policy, context, &self.process, self.retirements.near());
        flags.warnings.extend(self.keys.warnings(&self.policy, now));
        flags.warnings.extend(report::certificate(&self.policy, now).as_ref().map(certificate::sentence));
        let status = Status {
            rollouts: rollouts.collect(),
            flags,
            store: report::store(context),
            providers: self.providers.report(&self.policy, |provider| self.keys.report(provider, now), now),
            client_limits: self.client_limits.report(&self.policy, &self.shared.sources, now),
            series: series.all(),
            samples_lost: context.blocks.samples.dropped(),
            access_log: (lines.written(), Dropped::ALL.map(|reason| lines.dropped(reason))),
            spans: self.shared.spans.fates(),
            kept_state: self.shared.state_ids.report(),
            state_ids_lost: [self.shared.state_ids.evicted(), self.shared.state_ids.unwritten()],
            ambiguous_closes: self.shared.ambiguous_closes.counts(),
            tls: report::tls(&self.policy, self.shared.tls_failures.counts(), now),
            notify: self.notifier.report(),
            draining: self.process.draining,
        };
        self.status.store(Arc::new(status));
    }
}
