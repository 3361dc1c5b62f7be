//! Steps by which users follow: written first, in force afterwards.
//!
//! A promotion, a resume, a retry and a completion are proposed; the shell has them written, and what is told here then
//! is that they landed or were lost. Meanwhile the rollout is what it was: the guard judges it, and whatever happens to
//! it, a rollback above all, withdraws the proposal and is in force at once. Invariant: a proposal that comes into force
//! was made from the state that is in force until then.
//!
//! Where state could never be written since the start nothing can be remembered, and nothing waits for that.

use super::engine::{Engine, Now, Proposal};
use super::events::announce;
use crate::decide::rollout::state::{Identity, Lock, Phase, RolloutState};
use crate::decide::rollout::step::Step;
use crate::decide::rollout::written_first::carried_over;
use crate::decide::units::Percent;
use crate::state::inbox::Refusal;

impl Engine {
    /// What was proposed is on the disk: puts it in force, unless something else came first. Returns the names of the
    /// rollouts that moved.
    pub fn landed(&mut self, written: &[(Identity, Proposal)], now: Now) -> Vec<String> {
        let mut moved = Vec::new();
        for index in 0..self.rollouts.len() {
            let tracked = &mut self.rollouts[index];
            let (Some(moving), Some(canary)) = (&mut tracked.moving, &tracked.rollout.canary) else { continue };
            let proposed = |(identity, proposal): &&(Identity, Proposal)| {
                *identity == moving.identity && moving.proposed.as_ref() == Some(proposal)
            };
            let Some((_, Proposal { state, events })) = written.iter().find(proposed) else { continue };
            let mut next = carried_over(canary, &moving.state, state);
            // Time at this share counts from now on, however long the disk took.
            if next.in_force != moving.state.in_force && next.phase == Phase::Ramping {
                next.since = now.unix;
            }
            moving.proposed = None;
            events.iter().for_each(announce);
            self.put(index, next, now);
            moved.push(self.rollouts[index].rollout.name.clone());
        }
        if !moved.is_empty() {
            self.publish();
            self.report(now);
        }
        moved
    }

    /// What was proposed could not be written: withdraws it. Returns the names of the rollouts that stay where they are.
    pub fn lost(&mut self, unwritten: &[(Identity, Proposal)]) -> Vec<String> {
        let mut stay = Vec::new();
        for index in 0..self.rollouts.len() {
            let Some(moving) = &self.rollouts[index].moving else { continue };
            let proposed = |(identity, proposal): &(Identity, Proposal)| {
                *identity == moving.identity && moving.proposed.as_ref() == Some(proposal)
            };
            if unwritten.iter().any(proposed) {
                stay.push(self.rollouts[index].rollout.name.clone());
                self.withdraw(index);
            }
        }
        stay
    }

    /// Whether something is proposed for this rollout.
    pub(super) fn proposes(&self, rollout: &str) -> bool {
        self.rollouts.iter().any(|tracked| {
            tracked.rollout.name == rollout && tracked.moving.as_ref().is_some_and(|moving| moving.proposed.is_some())
        })
    }

    /// Withdraws what is proposed for this rollout.
    pub(super) fn withdraw_from(&mut self, rollout: &str) {
        if let Some(index) = self.rollouts.iter().position(|tracked| tracked.rollout.name == rollout) {
            self.withdraw(index);
        }
    }

    pub(super) fn propose(&mut self, index: usize, step: &Step) {
        let Some(moving) = &mut self.rollouts[index].moving else { return };
        if moving.proposed.is_none() {
            let proposal = Proposal { state: step.next.clone(), events: step.events.clone() };
            self.outbox.proposals.insert(moving.identity.clone(), proposal.clone());
            moving.proposed = Some(proposal);
        }
    }

    /// What is in force is written anew, over what may have been written of the proposal.
    pub(super) fn withdraw(&mut self, index: usize) {
        let Some(moving) = &mut self.rollouts[index].moving else { return };
        if moving.proposed.take().is_some() {
            self.outbox.proposals.remove(&moving.identity);
            self.outbox.states.insert(moving.identity.clone(), moving.state.clone());
        }
    }

    /// Makes this the state of a rollout; a new epoch begins with no evidence.
    pub(super) fn put(&mut self, index: usize, state: RolloutState, now: Now) {
        let tracked = &mut self.rollouts[index];
        let (Some(moving), Some(canary)) = (&mut tracked.moving, &tracked.rollout.canary) else { return };
        if state.epoch != moving.state.epoch {
            moving.observer.begin(state.epoch, &mut self.blocks, &canary.guard);
            moving.counted_since = now.unix;
        }
        moving.state = state;
    }

    /// Why state that could be written before cannot be now.
    pub(super) fn unwritable(&self) -> Option<&str> {
        self.store_error.as_deref().filter(|_| self.ever_written)
    }

    /// Why a human's word by which users would follow is not carried out while this is the matter with the disk.
    pub(super) fn stays(&self, rollout: &str, why: &str) -> Refusal {
        let share = self.standing_of(rollout).map_or(Percent::ZERO, |state| state.in_force);
        Refusal::NotNow(format!(
            "`{rollout}` stays at {share}, since a restart would forget anything else: {why}; mend that and try again"
        ))
    }

    /// [`Engine::stays`] for a directory that cannot be written.
    pub(super) fn stays_unwritable(&self, rollout: &str, error: &str) -> Refusal {
        self.stays(rollout, &format!("state in {} cannot be written ({error})", self.dir))
    }

    /// A rollout's lock.
    pub(super) fn lock_of(&self, rollout: &str) -> Option<Lock> {
        self.standing_of(rollout).and_then(|state| state.lock.clone())
    }

    fn standing_of(&self, rollout: &str) -> Option<&RolloutState> {
        let tracked = self.rollouts.iter().find(|tracked| tracked.rollout.name == rollout)?;
        tracked.moving.as_ref().map(|moving| &moving.state)
    }
}
