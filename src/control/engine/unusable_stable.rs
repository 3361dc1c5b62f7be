//! Finds the rollouts of a policy that would leave users without a usable provider.
//!
//! A stable is unusable if Serin cannot send requests to it, for example because its key is not set. A start with such
//! a stable is rejected, and so is a reload. A rollout that has completed and is not locked needs no stable. The rule
//! itself is in [`decide`](crate::decide::unusable_stable); this adds the known states.

use super::identity::identity;
use crate::decide::policy::{Canary, Policy};
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::unusable_stable::{UnusableStable, is_completed, is_pinned_to_canary, unusable_stables};

/// For the start: by the states in the store.
#[must_use]
pub fn rollouts_without_stable_at_start(policy: &Policy, states: &[(Identity, RolloutState)]) -> Vec<UnusableStable> {
    rollouts_without_stable(policy, |identity| {
        states.iter().find(|(known, _)| known == identity).map(|(_, state)| state)
    })
}

/// `state`: the known state of a rollout.
pub(super) fn rollouts_without_stable<'s>(
    policy: &Policy,
    state: impl Fn(&Identity) -> Option<&'s RolloutState>,
) -> Vec<UnusableStable> {
    unusable_stables(policy, |rollout| {
        let known =
            rollout.canary.as_ref().and_then(|canary| Some((canary, state(&identity(policy, rollout, canary))?)));
        known.map_or_else(|| is_pinned_to_canary(rollout), |(canary, state)| has_ended(canary, state))
    })
}

fn has_ended(canary: &Canary, state: &RolloutState) -> bool {
    state.lock.is_none() && is_completed(canary, state)
}
