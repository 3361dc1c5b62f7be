//! The state of a rollout in force, and the proposal that waits for the disk.
//!
//! A step that moves users back is in force at once and is written afterwards. A promotion, a resume, a retry and a
//! completion ([`write_ahead`](crate::decide::rollout::write_ahead)) become a proposal: it is written first, and
//! [`Committed::commit`] puts it in force. Until then the guard judges the state in force. Any other change of the
//! rollout, above all a rollback, withdraws the proposal. A proposal that cannot be written is abandoned, and the
//! rollout stays where it is. If the state directory could never be written since the start, nothing waits for it.
//! Invariant: a state that comes into force was made from the state in force.

use std::sync::Arc;

use super::effects::{Denied, Effects, InputResult};
use crate::control::persist::outbox::Proposal;
use crate::decide::guard::user_cap::SavedPause;
use crate::decide::policy::Canary;
use crate::decide::rollout::state::{Phase, RolloutState};
use crate::decide::rollout::step::Step;
use crate::decide::rollout::write_ahead::carried_over;
use crate::decide::units::UnixMillis;

#[derive(Debug)]
pub(in crate::control) struct Committed {
    state: RolloutState,
    proposed: Option<Proposal>,
}

impl Committed {
    pub(in crate::control) const fn new(state: RolloutState) -> Committed {
        Committed { state, proposed: None }
    }

    /// The state in force.
    pub(in crate::control) const fn state(&self) -> &RolloutState {
        &self.state
    }

    /// The proposal that is being written.
    pub(in crate::control) const fn proposed(&self) -> Option<&Proposal> {
        self.proposed.as_ref()
    }

    pub(super) fn into_state(self) -> RolloutState {
        self.state
    }

    /// Applies a step of the state in force. `by_time`: the passing of time alone led to it. `can_wait`: the disk was
    /// written before, so a proposal can wait for it.
    pub(in crate::control) fn apply(&mut self, step: Step, by_time: bool, can_wait: bool) -> Effects {
        let Step { next, events, refused, notes, meanwhile, withdraw_waiting: rescue } = step;
        if let Some(refusal) = refused {
            let result = InputResult { denied: Some(Denied::Refused(refusal)), ..InputResult::default() };
            return Effects { result, ..Effects::default() };
        }
        let is_news = next.is_reportable_change_from(&self.state);
        let meanwhile = meanwhile.filter(|_| can_wait);
        // The proposal was made from the state in force. Any change but the passing of time makes it out of date.
        let stays = by_time && (meanwhile.is_some() || !is_news);
        let over = if stays { None } else { self.withdraw() };
        let Some(meanwhile) = meanwhile else {
            self.state = next;
            let state = if is_news { Some(self.state.clone()) } else { over };
            let result = InputResult { publish: is_news || rescue.is_some(), notes, ..InputResult::default() };
            return Effects { events, state, withdraw_waiting: rescue, result, ..Effects::default() };
        };
        self.state = *meanwhile;
        let proposal = self.proposed.is_none().then_some(Proposal { state: next, events });
        if let Some(proposal) = &proposal {
            self.proposed = Some(proposal.clone());
        }
        let result = InputResult { publish: rescue.is_some(), notes, proposed: true, ..InputResult::default() };
        Effects { state: over, proposal, withdraw_waiting: rescue, result, ..Effects::default() }
    }

    /// Withdraws the proposal. Returns the state to write over it.
    pub(in crate::control) fn withdraw(&mut self) -> Option<RolloutState> {
        self.proposed.take().map(|_| self.state.clone())
    }

    /// The proposal is on the disk: puts it in force, unless it was withdrawn.
    pub(in crate::control) fn commit(&mut self, written: &Proposal, canary: &Canary, now: UnixMillis) -> Effects {
        let Some(Proposal { state, events }) = self.proposed.take_if(|proposed| proposed == written) else {
            return Effects::default();
        };
        let mut next = carried_over(canary, &self.state, &state);
        // Time at this share counts from now on, however long the disk took.
        if next.in_force != self.state.in_force && next.phase == Phase::Ramping {
            next.since = now;
        }
        self.state = next;
        let result = InputResult { publish: true, proposal_ended: true, ..InputResult::default() };
        Effects { committed_events: events, result, ..Effects::default() }
    }

    /// The proposal could not be written: the rollout stays where it is.
    pub(in crate::control) fn abandon(&mut self, unwritten: &Proposal) -> Effects {
        if self.proposed.as_ref() != Some(unwritten) {
            return Effects::default();
        }
        let result = InputResult { proposal_ended: true, ..InputResult::default() };
        Effects { state: self.withdraw(), result, ..Effects::default() }
    }

    /// Replaces the user pauses that are written with the state.
    pub(super) fn set_pauses(&mut self, pauses: Arc<[SavedPause]>) {
        self.state.pauses = pauses;
    }
}
