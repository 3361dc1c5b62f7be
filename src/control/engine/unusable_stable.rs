//! Finds the rollouts of the first file that would leave users without a usable provider.
//!
//! A stable is unusable if Serin cannot send requests to it, for example because its key is not set. A start with such
//! a stable is rejected, and so is a reload. The rule is in [`decide`](crate::decide::reload_refusal); this adds the
//! states in the store.

use crate::decide::policy::Policy;
use crate::decide::reload_refusal::rollouts_without_stable;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::unusable_stable::UnusableStable;

/// For the start: by the states in the store.
#[must_use]
pub fn rollouts_without_stable_at_start(policy: &Policy, states: &[(Identity, RolloutState)]) -> Vec<UnusableStable> {
    rollouts_without_stable(policy, &|identity: &Identity| {
        states.iter().find(|(known, _)| known == identity).map(|(_, state)| state)
    })
}
