//! Whose users of stable nobody could serve under a file, by what is known of its rollouts.
//!
//! A stable that Serin itself cannot ask is found by the file: a start with one is refused, and so is a reload that brings
//! one. A rollout that came to its end and is not locked needs no stable. Says what [`decide`](crate::decide::unserved)
//! says, with the states put in.

use super::identity::identity;
use crate::decide::policy::{Canary, Policy};
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::unserved::{Unserved, is_at_its_end, is_moved, unserved};

/// What a process would begin with, by what is kept.
#[must_use]
pub fn unserved_at_start(policy: &Policy, states: &[(Identity, RolloutState)]) -> Vec<Unserved> {
    unserved_by(policy, |identity| states.iter().find(|(known, _)| known == identity).map(|(_, state)| state))
}

/// Whom this file leaves without a provider, where `state` gives what is known of a rollout.
pub(in crate::control) fn unserved_by<'s>(
    policy: &Policy,
    state: impl Fn(&Identity) -> Option<&'s RolloutState>,
) -> Vec<Unserved> {
    unserved(policy, |rollout| {
        let known =
            rollout.canary.as_ref().and_then(|canary| Some((canary, state(&identity(policy, rollout, canary))?)));
        known.map_or_else(|| is_moved(rollout), |(canary, state)| has_ended(canary, state))
    })
}

fn has_ended(canary: &Canary, state: &RolloutState) -> bool {
    state.lock.is_none() && is_at_its_end(canary, state)
}
