//! What has still to be written, and what is: one batch at a time, everything that gathered meanwhile in the next.
//!
//! A batch that failed stays, merged with what follows, and is tried again every second and with every command, so
//! that a disk with room again catches up by itself. Numbered: who waits for a change waits for its number. Memory is
//! bounded: states by the rollouts, events by [`MOST_EVENTS`], beyond which the oldest go unwritten and that is logged.
//!
//! What is proposed is written once or not at all, behind the states in force: [`Queue`] has it, and says what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::outbox::Outbox;
use crate::control::engine::committed::{Finished, Queue};
use crate::control::events::announce;
use crate::decide::event::Event;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::units::Millis;
use crate::store::{Batch, Store};

/// Events that may wait for a disk that cannot be written.
const MOST_EVENTS: usize = 10_000;
/// Between two attempts on a disk that cannot be written.
const RETRY_PAUSE: Millis = Millis(1000);

/// How far writing has come.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct Written {
    upto: u64,
    failed: Option<(u64, String)>,
}

pub(in crate::control) struct Ledger {
    store: Box<dyn Store>,
    states: BTreeMap<Identity, (u64, RolloutState)>,
    proposals: Queue,
    events: VecDeque<(u64, Event)>,
    last_good: Option<(u64, Arc<str>)>,
    newest: u64,
    in_flight: bool,
    tried: u64,
    not_before: Millis,
    written: watch::Sender<Written>,
}

/// A batch on its way.
pub(in crate::control) struct Saving {
    pub(in crate::control) upto: u64,
    pub(in crate::control) answer: oneshot::Receiver<Result<(), String>>,
}

impl Ledger {
    pub(in crate::control) fn new(store: Box<dyn Store>) -> Ledger {
        Ledger {
            store,
            states: BTreeMap::new(),
            proposals: Queue::default(),
            events: VecDeque::new(),
            last_good: None,
            newest: 0,
            in_flight: false,
            tried: 0,
            not_before: Millis(0),
            written: watch::Sender::default(),
        }
    }

    /// Takes what is to be written, and gives the number to wait for.
    pub(in crate::control) fn take(&mut self, outbox: &mut Outbox) -> u64 {
        if outbox.is_empty() {
            return self.newest;
        }
        self.newest += 1;
        let number = self.newest;
        let on_its_way = if self.in_flight { self.tried } else { 0 };
        let proposals = std::mem::take(&mut outbox.proposals);
        self.proposals.take(number, &outbox.states, proposals, on_its_way);
        self.states.extend(std::mem::take(&mut outbox.states).into_iter().map(|(id, state)| (id, (number, state))));
        self.events.extend(outbox.events.drain(..).map(|event| (number, event)));
        if let Some(text) = outbox.last_good.take() {
            self.last_good = Some((number, text));
        }
        let beyond = self.events.len().saturating_sub(MOST_EVENTS);
        if beyond > 0 {
            tracing::warn!(events = beyond, "the history cannot be written; its oldest events are lost");
            self.events.drain(..beyond);
        }
        number
    }

    /// Begins to write what is pending, unless a batch is on its way or the last failure is too recent.
    pub(in crate::control) fn pump(&mut self, now: Millis) -> Option<Saving> {
        let pending = !self.states.is_empty()
            || !self.proposals.is_empty()
            || !self.events.is_empty()
            || self.last_good.is_some();
        let news = self.newest > self.tried;
        if self.in_flight || !pending || (!news && now < self.not_before) {
            return None;
        }
        self.in_flight = true;
        self.tried = self.newest;
        let states = self.states.iter().map(|(id, (_, state))| (id.clone(), state.clone()));
        let proposed = self.proposals.all().map(|(identity, proposal)| (identity.clone(), proposal.state.clone()));
        let next_events = self.proposals.all().flat_map(|(_, proposal)| &proposal.events);
        let batch = Batch {
            // In this order: of two states of a rollout the later one stays.
            states: states.chain(proposed).collect(),
            events: self.events.iter().map(|(_, event)| event).chain(next_events).cloned().collect(),
            last_good: self.last_good.as_ref().map(|(_, text)| Arc::clone(text)),
        };
        Some(Saving { upto: self.newest, answer: self.store.save(batch) })
    }

    /// The batch up to this number was written, or why not.
    pub(in crate::control) fn finished(&mut self, upto: u64, result: &Result<(), String>, now: Millis) -> Finished {
        self.in_flight = false;
        let (finished, withdrawals) = self.proposals.finished(upto, result.is_ok());
        match result {
            Ok(()) => {
                self.states.retain(|_, (number, _)| *number > upto);
                self.events.retain(|(number, _)| *number > upto);
                self.last_good.take_if(|(number, _)| *number <= upto);
                for withdrawal in withdrawals {
                    announce(&withdrawal);
                    self.events.push_front((self.newest, withdrawal));
                }
                self.written.send_modify(|written| written.upto = upto);
            }
            Err(error) => {
                self.not_before = Millis(now.0 + RETRY_PAUSE.0);
                self.written.send_modify(|written| written.failed = Some((upto, error.clone())));
            }
        }
        finished
    }

    /// Whether a batch is on its way.
    pub(in crate::control) fn is_busy(&self) -> bool {
        self.in_flight
    }

    pub(in crate::control) fn written(&self) -> watch::Receiver<Written> {
        self.written.subscribe()
    }

    /// The kept history, and what of it is still to be written: two parts for [`merge`].
    pub(in crate::control) fn history(
        &self,
        rollout: Option<&String>,
        limit: u32,
    ) -> (Vec<Event>, oneshot::Receiver<Result<Vec<Event>, String>>) {
        let waiting = self.events.iter().rev().map(|(_, event)| event);
        let waiting = waiting.filter(|event| rollout.is_none() || event.rollout.as_ref() == rollout).cloned();
        (waiting.collect(), self.store.history(rollout.cloned(), limit))
    }
}

/// One history, newest first, out of what waits and what is kept.
pub(in crate::control) fn merge(waiting: Vec<Event>, kept: Vec<Event>, limit: u32) -> Vec<Event> {
    let mut merged: Vec<Event> = waiting.into_iter().filter(|event| !kept.contains(event)).collect();
    merged.extend(kept);
    merged.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    merged
}

/// Waits until this number is written, or failed.
pub(in crate::control) async fn durable(mut written: watch::Receiver<Written>, number: u64) -> Result<(), String> {
    loop {
        {
            let now = written.borrow_and_update();
            if now.upto >= number {
                return Ok(());
            }
            if let Some((upto, error)) = &now.failed
                && *upto >= number
            {
                return Err(error.clone());
            }
        }
        if written.changed().await.is_err() {
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
    use crate::store::memory::Memory;

    fn event(action: &str) -> Event {
        Event {
            at: UnixMillis(0),
            rollout: None,
            actor: "serin".into(),
            action: Action::from(action.to_owned()),
            reason: Reason::said(""),
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
        let mut ledger = Ledger::new(Box::new(Memory::new(Vec::new(), None)));
        let first = ledger.take(&mut outbox("one"));
        let saving = ledger.pump(Millis(0)).unwrap();
        let second = ledger.take(&mut outbox("two"));
        assert!(ledger.pump(Millis(0)).is_none(), "one batch at a time");
        let _ = ledger.finished(saving.upto, &Err("disk full".to_owned()), Millis(0));
        // The second is news: it does not wait for the pause.
        let saving = ledger.pump(Millis(1)).unwrap();
        assert_eq!((first, second, saving.upto), (1, 2, 2));
        ledger.finished(saving.upto, &Err("disk full".to_owned()), Millis(1));
        assert!(ledger.pump(Millis(1000)).is_none());
        let saving = ledger.pump(Millis(1001)).unwrap();
        ledger.finished(saving.upto, &Ok(()), Millis(1001));
        assert!(ledger.pump(Millis(9999)).is_none() && ledger.events.is_empty());
    }

    fn proposing(action: &str) -> (Identity, Outbox) {
        let identity = Identity { rollout: "chat".into(), stable: "a".into(), canary: "b".into(), salt: String::new() };
        let proposal = Proposal { state: RolloutState::new(1, UnixMillis(0)), events: vec![event(action)] };
        (identity.clone(), Outbox { proposals: [(identity, proposal)].into(), ..Outbox::default() })
    }

    #[test]
    fn a_proposal_is_tried_once_and_given_back() {
        let mut ledger = Ledger::new(Box::new(Memory::new(Vec::new(), None)));
        for result in [Ok(()), Err("disk full".to_owned())] {
            ledger.take(&mut proposing("promote").1);
            let saving = ledger.pump(Millis(0)).unwrap();
            let Finished { landed, lost } = ledger.finished(saving.upto, &result, Millis(0));
            assert_eq!((landed.len(), lost.len()), if result.is_ok() { (1, 0) } else { (0, 1) });
            assert!(ledger.pump(Millis(9999)).is_none(), "nothing of it is left");
        }
    }

    #[test]
    fn a_newer_state_takes_the_place_of_what_was_proposed() {
        let mut ledger = Ledger::new(Box::new(Memory::new(Vec::new(), None)));
        let newer = |identity: Identity| Outbox {
            states: [(identity, RolloutState::new(2, UnixMillis(1)))].into(),
            events: vec![event("rollback")],
            ..Outbox::default()
        };
        let (identity, mut proposed) = proposing("promote");
        ledger.take(&mut proposed);
        ledger.take(&mut newer(identity.clone()));
        let saving = ledger.pump(Millis(0)).unwrap();
        let Finished { landed, lost } = ledger.finished(saving.upto, &Ok(()), Millis(0));
        assert!(landed.is_empty() && lost.is_empty() && ledger.events.is_empty(), "it was never on its way");
        ledger.take(&mut proposing("promote").1);
        let saving = ledger.pump(Millis(0)).unwrap();
        ledger.take(&mut newer(identity));
        let Finished { landed, lost } = ledger.finished(saving.upto, &Ok(()), Millis(0));
        assert!(landed.is_empty() && lost.is_empty());
        let told: Vec<_> = ledger.events.iter().map(|(_, event)| event.action.as_str()).collect();
        assert_eq!(told, ["withdraw", "rollback"], "it was on its way, and the history says so");
        assert_eq!(ledger.states.values().next().unwrap().1.attempt, 2);
    }

    #[test]
    fn waiting_events_are_bounded() {
        let mut ledger = Ledger::new(Box::new(Memory::new(Vec::new(), Some("disk full".to_owned()))));
        for _ in 0..MOST_EVENTS + 5 {
            ledger.take(&mut outbox("one"));
        }
        assert_eq!(ledger.events.len(), MOST_EVENTS);
    }

    #[test]
    fn history_tells_what_waits_first_and_nothing_twice() {
        let told = merge(vec![event("c"), event("b")], vec![event("b"), event("a")], 2);
        assert_eq!(told, [event("c"), event("b")]);
    }

    #[tokio::test]
    async fn who_waits_is_told_of_the_batch_that_holds_the_change() {
        let mut ledger = Ledger::new(Box::new(Memory::new(Vec::new(), None)));
        let number = ledger.take(&mut outbox("one"));
        ledger.finished(number, &Err("disk full".to_owned()), Millis(0));
        assert_eq!(durable(ledger.written(), number).await, Err("disk full".to_owned()));
        ledger.finished(number, &Ok(()), Millis(0));
        assert_eq!(durable(ledger.written(), number).await, Ok(()));
    }
}
