//! Proposals that are to be written or are being written.
//!
//! Each is tried once, and its result says whether it was written. A state in force that is enqueued later replaces the
//! proposal of the same rollout. If that proposal was already in the current batch, the history records that it never
//! came into force. Decides nothing. Invariant: a withdrawn proposal is never reported as written.

use std::collections::BTreeMap;

use super::outbox::Proposal;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::rollout::state::{Identity, RolloutState};

#[derive(Debug, Default)]
pub(super) struct ProposalQueue(Vec<Queued>);

#[derive(Debug)]
struct Queued {
    number: u64,
    identity: Identity,
    proposal: Proposal,
    // A state in force replaced it while it was being written.
    withdrawn: bool,
}

/// The proposals of a finished batch.
#[derive(Debug, Default)]
pub(in crate::control) struct ProposalResults {
    pub(in crate::control) written: Vec<(Identity, Proposal)>,
    pub(in crate::control) failed: Vec<(Identity, Proposal)>,
    /// What the history says of proposals that were written although they had been withdrawn, newest first.
    pub(in crate::control) withdrawn: Vec<Event>,
}

impl ProposalQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds proposals under a number. `states` are the states in force that were enqueued with them: each replaces an
    /// earlier proposal of its rollout. Proposals up to the number `in_flight` are being written and stay until then.
    pub(super) fn enqueue(
        &mut self,
        number: u64,
        states: &BTreeMap<Identity, RolloutState>,
        proposals: BTreeMap<Identity, Proposal>,
        in_flight: u64,
    ) {
        for queued in self.0.iter_mut().filter(|queued| states.contains_key(&queued.identity)) {
            queued.withdrawn = true;
        }
        self.0.retain(|queued| !queued.withdrawn || queued.number <= in_flight);
        let queued = |(identity, proposal)| Queued { number, identity, proposal, withdrawn: false };
        self.0.extend(proposals.into_iter().map(queued));
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Identity, &Proposal)> {
        self.0.iter().map(|queued| (&queued.identity, &queued.proposal))
    }

    /// The batch up to this number was written, or not.
    pub(super) fn batch_finished(&mut self, upto: u64, is_written: bool) -> ProposalResults {
        let (tried, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|queued| queued.number <= upto);
        self.0 = waiting;
        let (withdrawn, valid): (Vec<_>, Vec<_>) = tried.into_iter().partition(|queued| queued.withdrawn);
        let valid = valid.into_iter().map(|queued| (queued.identity, queued.proposal)).collect();
        if !is_written {
            return ProposalResults { failed: valid, ..ProposalResults::default() };
        }
        let never = withdrawn.iter().rev().filter_map(|queued| queued.proposal.events.last());
        ProposalResults { written: valid, withdrawn: never.map(withdrawal).collect(), ..ProposalResults::default() }
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
