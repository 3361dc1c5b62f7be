//! What must still be written to the store: one batch at a time, and everything that arrives meanwhile in the next one.
//!
//! A failed batch is merged with what follows, and is tried again every second and with every command, so that writing
//! resumes by itself when the disk has room again. Everything enqueued gets a number, and a caller can wait until its
//! number is durable. Proposals are written once, after the states in force ([`ProposalQueue`]). Invariant: memory is
//! bounded. There is one state per rollout, and of more than [`MAX_EVENTS`] events the oldest are dropped, with a
//! warning in the log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::outbox::Outbox;
use super::proposals::{ProposalQueue, ProposalResults};
use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::incident::{Incident, MOST_INCIDENTS};
use crate::decide::notification::QueuedNotification;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::series::Points;
use crate::decide::units::Millis;
use crate::state::state_ids::StateChanges;
use crate::store::{Batch, SeriesBlock, SeriesQuery, Store};

/// What the store answers about reports of rollbacks.
type KeptIncidents = oneshot::Receiver<Result<Vec<Incident>, String>>;

/// Events that may wait for a disk that cannot be written.
const MAX_EVENTS: usize = 10_000;
/// Between two attempts on a disk that cannot be written.
const RETRY_INTERVAL: Millis = Millis(1000);

/// How far writing has come.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct WriteProgress {
    upto: u64,
    failed: Option<(u64, String)>,
}

pub(in crate::control) struct WriteQueue {
    store: Box<dyn Store>,
    states: BTreeMap<Identity, (u64, RolloutState)>,
    proposals: ProposalQueue,
    events: VecDeque<(u64, Event)>,
    notifications: BTreeMap<u64, (u64, Option<QueuedNotification>)>,
    incidents: BTreeMap<String, (u64, Arc<Incident>)>,
    last_good: Option<(u64, Arc<str>)>,
    keys: Option<(u64, Arc<str>)>,
    copies: Option<(u64, Arc<str>)>,
    newest: u64,
    in_flight: bool,
    tried: u64,
    not_before: Millis,
    progress: watch::Sender<WriteProgress>,
}

pub(in crate::control) struct BatchInFlight {
    pub(in crate::control) upto: u64,
    pub(in crate::control) answer: oneshot::Receiver<Result<(), String>>,
}

impl WriteQueue {
    pub(in crate::control) fn new(store: Box<dyn Store>) -> WriteQueue {
        WriteQueue {
            store,
            states: BTreeMap::new(),
            proposals: ProposalQueue::default(),
            events: VecDeque::new(),
            notifications: BTreeMap::new(),
            incidents: BTreeMap::new(),
            last_good: None,
            keys: None,
            copies: None,
            newest: 0,
            in_flight: false,
            tried: 0,
            not_before: Millis(0),
            progress: watch::Sender::default(),
        }
    }

    /// Takes everything from the outbox. Returns the number to wait for.
    pub(in crate::control) fn enqueue(&mut self, outbox: &mut Outbox) -> u64 {
        if outbox.is_empty() {
            return self.newest;
        }
        self.newest += 1;
        let number = self.newest;
        let in_flight = if self.in_flight { self.tried } else { 0 };
        let proposals = std::mem::take(&mut outbox.proposals);
        self.proposals.enqueue(number, &outbox.states, proposals, in_flight);
        self.states.extend(std::mem::take(&mut outbox.states).into_iter().map(|(id, state)| (id, (number, state))));
        self.events.extend(outbox.events.drain(..).map(|event| (number, event)));
        let notifications = std::mem::take(&mut outbox.notifications);
        self.notifications.extend(notifications.into_iter().map(|(of, row)| (of, (number, row))));
        let incidents = outbox.incidents.drain(..).map(|incident| (incident.id.clone(), (number, incident)));
        self.incidents.extend(incidents);
        // They wait as long as the disk cannot be written.
        while self.incidents.len() > MOST_INCIDENTS {
            self.incidents.pop_first();
        }
        if let Some(text) = outbox.last_good.take() {
            self.last_good = Some((number, text));
        }
        if let Some(text) = outbox.keys.take() {
            self.keys = Some((number, text));
        }
        if let Some(text) = outbox.copies.take() {
            self.copies = Some((number, text));
        }
        let beyond = self.events.len().saturating_sub(MAX_EVENTS);
        if beyond > 0 {
            tracing::warn!(events = beyond, "the history cannot be written; its oldest events are lost");
            self.events.drain(..beyond);
        }
        number
    }

    /// Starts to write what is pending, unless a batch is being written or the last failure is too recent.
    pub(in crate::control) fn start_batch(&mut self, now: Millis) -> Option<BatchInFlight> {
        let pending = !self.states.is_empty()
            || !self.proposals.is_empty()
            || !self.events.is_empty()
            || !self.notifications.is_empty()
            || !self.incidents.is_empty()
            || self.last_good.is_some()
            || self.keys.is_some()
            || self.copies.is_some();
        let has_news = self.newest > self.tried;
        if self.in_flight || !pending || (!has_news && now < self.not_before) {
            return None;
        }
        self.in_flight = true;
        self.tried = self.newest;
        let states = self.states.iter().map(|(id, (_, state))| (id.clone(), state.clone()));
        let proposed = self.proposals.iter().map(|(identity, proposal)| (identity.clone(), proposal.state.clone()));
        let next_events = self.proposals.iter().flat_map(|(_, proposal)| &proposal.events);
        let batch = Batch {
            // In this order: of two states of a rollout the later one is kept.
            states: states.chain(proposed).collect(),
            events: self.events.iter().map(|(_, event)| event).chain(next_events).cloned().collect(),
            notifications: self.notifications.iter().map(|(of, (_, row))| (*of, row.clone())).collect(),
            incidents: self.incidents.values().map(|(_, incident)| Arc::clone(incident)).collect(),
            last_good: self.last_good.as_ref().map(|(_, text)| Arc::clone(text)),
            keys: self.keys.as_ref().map(|(_, text)| Arc::clone(text)),
            copies: self.copies.as_ref().map(|(_, text)| Arc::clone(text)),
        };
        Some(BatchInFlight { upto: self.newest, answer: self.store.save(batch) })
    }

    /// The batch up to this number was written, or not. Returns its proposals.
    pub(in crate::control) fn batch_finished(
        &mut self,
        upto: u64,
        result: &Result<(), String>,
        now: Millis,
    ) -> ProposalResults {
        self.in_flight = false;
        let results = self.proposals.batch_finished(upto, result.is_ok());
        match result {
            Ok(()) => {
                self.states.retain(|_, (number, _)| *number > upto);
                self.events.retain(|(number, _)| *number > upto);
                self.notifications.retain(|_, (number, _)| *number > upto);
                self.incidents.retain(|_, (number, _)| *number > upto);
                self.last_good.take_if(|(number, _)| *number <= upto);
                self.keys.take_if(|(number, _)| *number <= upto);
                self.copies.take_if(|(number, _)| *number <= upto);
                for withdrawal in &results.withdrawn {
                    self.events.push_front((self.newest, withdrawal.clone()));
                }
                self.progress.send_modify(|progress| progress.upto = upto);
            }
            Err(error) => {
                self.not_before = Millis(now.0 + RETRY_INTERVAL.0);
                self.progress.send_modify(|progress| progress.failed = Some((upto, error.clone())));
            }
        }
        results
    }

    /// Hands blocks of series over, apart from what is queued here.
    pub(in crate::control) fn record(&self, blocks: Vec<SeriesBlock>) -> oneshot::Receiver<Result<(), String>> {
        self.store.record(blocks)
    }

    /// The same with ids.
    pub(in crate::control) fn record_state(&self, changes: StateChanges) -> oneshot::Receiver<Result<(), String>> {
        self.store.record_state(changes)
    }

    pub(in crate::control) fn series(&self, query: SeriesQuery) -> oneshot::Receiver<Result<Points, String>> {
        self.store.series(query)
    }

    pub(in crate::control) fn is_writing(&self) -> bool {
        self.in_flight
    }

    pub(in crate::control) fn progress(&self) -> watch::Receiver<WriteProgress> {
        self.progress.subscribe()
    }

    /// Incident reports that are still to be written, and those in the store: the one with this id, or all.
    pub(in crate::control) fn incidents(&self, id: Option<&String>) -> (Vec<Arc<Incident>>, KeptIncidents) {
        let waiting = self.incidents.values().map(|(_, incident)| incident);
        let waiting = waiting.filter(|incident| id.is_none_or(|id| *id == incident.id)).cloned();
        (waiting.collect(), self.store.incidents(id.cloned()))
    }

    /// The events that are still to be written, and those in the store: two parts for [`merge_history`].
    pub(in crate::control) fn history(
        &self,
        filter: &HistoryFilter,
        limit: u32,
    ) -> (Vec<Event>, oneshot::Receiver<Result<Vec<Event>, String>>) {
        let waiting = self.events.iter().rev().map(|(_, event)| event);
        let waiting = waiting.filter(|event| filter.fits(event)).cloned();
        (waiting.collect(), self.store.history(filter.clone(), limit))
    }
}

/// One history, newest first.
pub(in crate::control) fn merge_history(waiting: Vec<Event>, kept: Vec<Event>, limit: u32) -> Vec<Event> {
    let mut merged: Vec<Event> = waiting.into_iter().filter(|event| !kept.contains(event)).collect();
    merged.extend(kept);
    merged.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    merged
}

/// All reports, newest first.
pub(in crate::control) fn merge_incidents(waiting: Vec<Arc<Incident>>, kept: Vec<Incident>) -> Vec<Incident> {
    let is_kept = |incident: &Incident| !waiting.iter().any(|newer| newer.id == incident.id);
    let mut all: Vec<Incident> = kept.into_iter().filter(is_kept).collect();
    all.extend(waiting.iter().map(|incident| incident.as_ref().clone()));
    all.sort_by(|one, other| (other.event.at, &other.id).cmp(&(one.event.at, &one.id)));
    all
}

/// Waits until the batch with this number was written or has failed.
pub(in crate::control) async fn until_durable(
    mut progress: watch::Receiver<WriteProgress>,
    number: u64,
) -> Result<(), String> {
    loop {
        {
            let now = progress.borrow_and_update();
            if now.upto >= number {
                return Ok(());
            }
            if let Some((upto, error)) = &now.failed
                && *upto >= number
            {
                return Err(error.clone());
            }
        }
        if progress.changed().await.is_err() {
            return Err("the process ended before it was written".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::persist::outbox::Proposal;
    use crate::decide::event::{Action, Reason};
    use crate::decide::units::{Percent, UnixMillis};
    use crate::store::memory::MemoryStore;

    fn event(action: &str) -> Event {
        Event {
            at: UnixMillis(0),
            rollout: None,
            actor: "serin".into(),
            action: Action::from(action.to_owned()),
            reason: Reason::from_human(""),
            from: Percent::ZERO,
            to: Percent::ZERO,
            generation: 1,
        }
    }

    fn outbox(action: &str) -> Outbox {
        Outbox { events: vec![event(action)], ..Outbox::default() }
    }

    #[test]
    fn what_failed_is_written_with_what_follows_and_once() {
        let mut queue = WriteQueue::new(Box::new(MemoryStore::new(Vec::new(), None)));
        let first = queue.enqueue(&mut outbox("one"));
        let batch = queue.start_batch(Millis(0)).unwrap();
        let second = queue.enqueue(&mut outbox("two"));
        assert!(queue.start_batch(Millis(0)).is_none(), "one batch at a time");
        let _ = queue.batch_finished(batch.upto, &Err("disk full".to_owned()), Millis(0));
        // The second is news: it does not wait for the pause.
        let batch = queue.start_batch(Millis(1)).unwrap();
        assert_eq!((first, second, batch.upto), (1, 2, 2));
        queue.batch_finished(batch.upto, &Err("disk full".to_owned()), Millis(1));
        assert!(queue.start_batch(Millis(1000)).is_none());
        let batch = queue.start_batch(Millis(1001)).unwrap();
        queue.batch_finished(batch.upto, &Ok(()), Millis(1001));
        assert!(queue.start_batch(Millis(9999)).is_none() && queue.events.is_empty());
    }

    fn proposing(action: &str) -> (Identity, Outbox) {
        let identity = Identity { rollout: "chat".into(), stable: "a".into(), canary: "b".into(), salt: String::new() };
        let proposal = Proposal { state: RolloutState::new(1, UnixMillis(0)), events: vec![event(action)] };
        (identity.clone(), Outbox { proposals: [(identity, proposal)].into(), ..Outbox::default() })
    }

    #[test]
    fn a_proposal_is_tried_once_and_returned() {
        let mut queue = WriteQueue::new(Box::new(MemoryStore::new(Vec::new(), None)));
        for result in [Ok(()), Err("disk full".to_owned())] {
            queue.enqueue(&mut proposing("promote").1);
            let batch = queue.start_batch(Millis(0)).unwrap();
            let ProposalResults { written, failed, .. } = queue.batch_finished(batch.upto, &result, Millis(0));
            assert_eq!((written.len(), failed.len()), if result.is_ok() { (1, 0) } else { (0, 1) });
            assert!(queue.start_batch(Millis(9999)).is_none(), "nothing of it is left");
        }
    }

    #[test]
    fn a_newer_state_takes_the_place_of_what_was_proposed() {
        let mut queue = WriteQueue::new(Box::new(MemoryStore::new(Vec::new(), None)));
        let newer = |identity: Identity| Outbox {
            states: [(identity, RolloutState::new(2, UnixMillis(1)))].into(),
            events: vec![event("rollback")],
            ..Outbox::default()
        };
        let (identity, mut proposed) = proposing("promote");
        queue.enqueue(&mut proposed);
        queue.enqueue(&mut newer(identity.clone()));
        let batch = queue.start_batch(Millis(0)).unwrap();
        let ProposalResults { written, failed, .. } = queue.batch_finished(batch.upto, &Ok(()), Millis(0));
        assert!(written.is_empty() && failed.is_empty() && queue.events.is_empty(), "it was not being written");
        queue.enqueue(&mut proposing("promote").1);
        let batch = queue.start_batch(Millis(0)).unwrap();
        queue.enqueue(&mut newer(identity));
        let ProposalResults { written, failed, .. } = queue.batch_finished(batch.upto, &Ok(()), Millis(0));
        assert!(written.is_empty() && failed.is_empty());
        let actions: Vec<_> = queue.events.iter().map(|(_, event)| event.action.as_str()).collect();
        assert_eq!(actions, ["withdraw", "rollback"], "it was being written, and the history says so");
        assert_eq!(queue.states.values().next().unwrap().1.attempt, 2);
    }

    #[test]
    fn waiting_events_are_bounded() {
        let mut queue = WriteQueue::new(Box::new(MemoryStore::new(Vec::new(), Some("disk full".to_owned()))));
        for _ in 0..MAX_EVENTS + 5 {
            queue.enqueue(&mut outbox("one"));
        }
        assert_eq!(queue.events.len(), MAX_EVENTS);
    }

    #[test]
    fn the_history_has_waiting_events_first_and_none_twice() {
        let merged = merge_history(vec![event("c"), event("b")], vec![event("b"), event("a")], 2);
        assert_eq!(merged, [event("c"), event("b")]);
    }

    #[tokio::test]
    async fn a_caller_waits_for_the_batch_that_has_its_change() {
        let mut queue = WriteQueue::new(Box::new(MemoryStore::new(Vec::new(), None)));
        let number = queue.enqueue(&mut outbox("one"));
        queue.batch_finished(number, &Err("disk full".to_owned()), Millis(0));
        assert_eq!(until_durable(queue.progress(), number).await, Err("disk full".to_owned()));
        queue.batch_finished(number, &Ok(()), Millis(0));
        assert_eq!(until_durable(queue.progress(), number).await, Ok(()));
    }
}
