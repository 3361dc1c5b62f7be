//! Where a request goes that names what some provider keeps: an earlier response, a file, a conversation.
//!
//! It goes there, at any percent; what nobody is known to keep is stable's, and who else may be asked when stable does
//! not have it is decided here too. Such a request is no evidence, and no fallback answers it: nobody else has its
//! state. Refuses to remember ids. Invariant: a required tag holds for it as for any other request.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::plan::{Plan, RouteReason};
use crate::decide::policy::{Policy, Rollout};
use crate::decide::state_at::{Bound, StateAt};
use crate::decide::units::{Arm, ProviderId, RolloutId};

/// The most providers that are asked after stable.
const MOST_ASKED: usize = 4;

/// The plan of a request that names state.
#[must_use]
pub(super) fn by_state(policy: &Policy, plan: Plan, state: StateAt) -> Plan {
    let rollout = plan.rollout.and_then(|id| policy.rollouts.get(usize::from(id.0)));
    let nobodys = Plan { slot: None, bucket: None, counted: false, reason: RouteReason::State, ..plan };
    let may_serve = |id: ProviderId| required(policy, &plan).is_subset(&policy.provider(id).tags);
    match state {
        StateAt::Nowhere => plan,
        StateAt::Provider(id) if id == plan.default_provider => {
            Plan { arm: plan.arm.map(|_| Arm::Stable), provider: id, bound: Bound::Known, ..nobodys }
        }
        StateAt::Provider(id) if may_serve(id) => {
            let is_canary =
                rollout.and_then(|rollout| rollout.canary.as_ref()).is_some_and(|canary| canary.provider == id);
            let known = Plan { provider: id, bound: Bound::Known, ..nobodys };
            match plan.arm {
                Some(_) if is_canary => Plan { arm: Some(Arm::Canary), ..known },
                // It is of neither arm, and of no series of the rollout.
                _ => Plan { rollout: None, arm: None, ..known },
            }
        }
        StateAt::Provider(_) | StateAt::Unknown => match (plan.rollout, plan.arm) {
            // A plain route goes on as it would.
            (Some(_), None) => plan,
            (_, arm) => Plan {
                arm: arm.map(|_| Arm::Stable),
                provider: plan.default_provider,
                bound: Bound::Unknown,
                ..nobodys
            },
        },
    }
}

/// The tags that whoever is asked needs. A request that no rollout takes may be about anybody's state, so it needs
/// those of all.
fn required(policy: &Policy, plan: &Plan) -> BTreeSet<String> {
    let rollouts = policy.rollouts.iter().zip(0..);
    let of = |(_, id): &(&Arc<Rollout>, u16)| match plan.matched {
        Some(matched) => matched == RolloutId(*id),
        None => true,
    };
    rollouts.filter(of).flat_map(|(rollout, _)| rollout.require.iter().cloned()).collect()
}

/// Who may keep what stable does not have: the canaries of all rollouts with this stable, in the file's order.
pub fn other_owners<'a>(policy: &'a Policy, plan: &'a Plan) -> impl Iterator<Item = ProviderId> + 'a {
    let required = required(policy, plan);
    let of_stable = policy.rollouts.iter().filter(|rollout| rollout.stable == plan.default_provider);
    let canaries = of_stable.filter_map(|rollout| rollout.canary.as_ref()).map(|canary| canary.provider);
    let may_be_asked = move |id: &ProviderId| {
        let provider = policy.provider(*id);
        *id != plan.default_provider && provider.unusable.is_none() && required.is_subset(&provider.tags)
    };
    let mut asked: Vec<ProviderId> = Vec::new();
    for id in canaries.filter(may_be_asked) {
        if asked.len() < MOST_ASKED && !asked.contains(&id) {
            asked.push(id);
        }
    }
    asked.into_iter()
}

#[cfg(test)]
mod tests;
