//! Written before it is published: how a step by which users follow comes into force, from first to last.
//!
//! Whatever takes users back is in force at once and written afterwards. A promotion, a resume, a retry or a completion
//! ([`written_first`](crate::decide::rollout::written_first)) is proposed instead: [`Course`] keeps what is in force until
//! then, the ledger's [`Queue`] holds what is on its way to the disk, and when it has landed there it is published.
//! Meanwhile the guard judges the rollout as what it is. Overtaken: whatever else changes the rollout, a rollback above
//! all, withdraws the proposal and is written over it; if it was on its way by then, the history says that it never came
//! into force. Refused by the disk: it is lost, and the rollout stays. Not written in time: who asked is told so, and it is
//! withdrawn ([`pending`](crate::control::pending_commands)). Invariant: what comes into force was made from what is in force until then.
//!
//! Where state could never be written since the start nothing can be remembered, and nothing waits for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effects::{Answer, Denied, Effects};
use crate::control::persist::outbox::Proposal;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::guard::user_cap::KeptPause;
use crate::decide::policy::Canary;
use crate::decide::rollout::state::{Identity, Phase, RolloutState};
use crate::decide::rollout::step::Step;
use crate::decide::rollout::written_first::carried_over;
use crate::decide::units::UnixMillis;

/// One rollout's state in force, and the step that is on its way to the disk.
#[derive(Debug)]
pub(in crate::control) struct Course {
    state: RolloutState,
    proposed: Option<Proposal>,
}

impl Course {
    pub(in crate::control) const fn new(state: RolloutState) -> Course {
        Course { state, proposed: None }
    }

    /// What is in force.
    pub(in crate::control) const fn state(&self) -> &RolloutState {
        &self.state
    }

    /// What is on its way.
    pub(in crate::control) const fn proposed(&self) -> Option<&Proposal> {
        self.proposed.as_ref()
    }

    /// What is in force, as it lasts.
    pub(in crate::control) fn into_state(self) -> RolloutState {
        self.state
    }

    /// Follows a step of the state in force. `of_itself`: by time alone; `remembers`: whether there is a disk to wait for.
    pub(in crate::control) fn follow(&mut self, step: Step, of_itself: bool, remembers: bool) -> Effects {
        let Step { next, events, refused, notes, meanwhile, rescue } = step;
        if let Some(refusal) = refused {
            let answer = Answer { denied: Some(Denied::Refused(refusal)), ..Answer::default() };
            return Effects { answer, ..Effects::default() };
        }
        let is_news = next.is_news_to(&self.state);
        let meanwhile = meanwhile.filter(|_| remembers);
        // A proposal was made from a state, which whatever else happens makes an older one.
        let stays = of_itself && (meanwhile.is_some() || !is_news);
        let over = if stays { None } else { self.withdraw() };
        let Some(meanwhile) = meanwhile else {
            self.state = next;
            let state = if is_news { Some(self.state.clone()) } else { over };
            let answer = Answer { publish: is_news || rescue.is_some(), notes, ..Answer::default() };
            return Effects { events, state, rescue, answer, ..Effects::default() };
        };
        self.state = *meanwhile;
        let proposal = self.proposed.is_none().then_some(Proposal { state: next, events });
        if let Some(proposal) = &proposal {
            self.proposed = Some(proposal.clone());
        }
        let answer = Answer { publish: rescue.is_some(), notes, proposed: true, ..Answer::default() };
        Effects { state: over, proposal, rescue, answer, ..Effects::default() }
    }

    /// What is on its way is void; returns what has to be written over it.
    pub(in crate::control) fn withdraw(&mut self) -> Option<RolloutState> {
        self.proposed.take().map(|_| self.state.clone())
    }

    /// It is on the disk: in force from now on, unless something else came first.
    pub(in crate::control) fn land(&mut self, written: &Proposal, canary: &Canary, now: UnixMillis) -> Effects {
        let Some(Proposal { state, events }) = self.proposed.take_if(|proposed| proposed == written) else {
            return Effects::default();
        };
        let mut next = carried_over(canary, &self.state, &state);
        // Time at this share counts from now on, however long the disk took.
        if next.in_force != self.state.in_force && next.phase == Phase::Ramping {
            next.since = now;
        }
        self.state = next;
        let answer = Answer { publish: true, settled: true, ..Answer::default() };
        Effects { landed: events, answer, ..Effects::default() }
    }

    /// It could not be written: the rollout stays where it is.
    pub(in crate::control) fn lose(&mut self, unwritten: &Proposal) -> Effects {
        if self.proposed.as_ref() != Some(unwritten) {
            return Effects::default();
        }
        let answer = Answer { settled: true, ..Answer::default() };
        Effects { state: self.withdraw(), answer, ..Effects::default() }
    }

    /// Has who is paused written with the state.
    pub(in crate::control) fn keep_pauses(&mut self, pauses: Arc<[KeptPause]>) {
        self.state.pauses = pauses;
    }
}

/// The proposals that are to be written, or are being written.
#[derive(Debug, Default)]
pub(in crate::control) struct Queue(Vec<Queued>);

#[derive(Debug)]
struct Queued {
    number: u64,
    identity: Identity,
    proposal: Proposal,
    // Something else came while it was on its way.
    withdrawn: bool,
}

/// What became of the proposals of a batch.
#[derive(Debug, Default)]
pub(in crate::control) struct Finished {
    /// They are on the disk.
    pub(in crate::control) landed: Vec<(Identity, Proposal)>,
    /// They are not.
    pub(in crate::control) lost: Vec<(Identity, Proposal)>,
}

impl Queue {
    pub(in crate::control) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes what is proposed, as number so and so, beside the states in force that are to be written. A state takes the
    /// place of what was proposed before it, unless that is among what is `on_its_way`, up to this number.
    pub(in crate::control) fn take(
        &mut self,
        number: u64,
        states: &BTreeMap<Identity, RolloutState>,
        proposals: BTreeMap<Identity, Proposal>,
        on_its_way: u64,
    ) {
        for queued in self.0.iter_mut().filter(|queued| states.contains_key(&queued.identity)) {
            queued.withdrawn = true;
        }
        self.0.retain(|queued| !queued.withdrawn || queued.number <= on_its_way);
        let queued = |(identity, proposal)| Queued { number, identity, proposal, withdrawn: false };
        self.0.extend(proposals.into_iter().map(queued));
    }

    /// What is to be written, oldest first.
    pub(in crate::control) fn all(&self) -> impl Iterator<Item = (&Identity, &Proposal)> {
        self.0.iter().map(|queued| (&queued.identity, &queued.proposal))
    }

    /// The batch up to this number was written, or not. Each is tried once. Returns as well what the history has to say of
    /// those that were written and never came into force, newest first.
    pub(in crate::control) fn finished(&mut self, upto: u64, is_written: bool) -> (Finished, Vec<Event>) {
        let (tried, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|queued| queued.number <= upto);
        self.0 = waiting;
        let (withdrawn, valid): (Vec<_>, Vec<_>) = tried.into_iter().partition(|queued| queued.withdrawn);
        let valid = valid.into_iter().map(|queued| (queued.identity, queued.proposal)).collect();
        if !is_written {
            return (Finished { lost: valid, ..Finished::default() }, Vec::new());
        }
        let never = withdrawn.iter().rev().filter_map(|queued| queued.proposal.events.last());
        (Finished { landed: valid, ..Finished::default() }, never.map(withdrawal).collect())
    }
}

fn withdrawal(event: &Event) -> Event {
    Event {
        actor: Actor::Serin,
        action: Action::Withdraw,
        reason: Reason::NeverInForce { action: event.action.clone() },
        from: event.to,
        to: event.from,
        rollout: event.rollout.clone(),
        ..*event
    }
}
