//! Why a valid policy cannot replace the one in force.
//!
//! A canary that was rolled back cannot become a stable, and users who are served cannot be moved to a stable that
//! cannot be used. Both depend on what is in force, so that the file alone does not show them. Used by the reload and by
//! the plan of an edit. Decides nothing about the rest of the file.

use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::rollout::identity::identity;
use super::rollout::state::{Identity, Phase, RolloutState};
use super::unusable_stable::{UnusableStable, is_completed, is_pinned_to_canary, unusable_stables};
use super::warning::RolledBackStable;

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refused", rename_all = "snake_case")]
pub enum ReloadRefusal {
    /// A new stable is the canary of a rollout that was rolled back.
    RolledBackStable(RolledBackStable),
    /// A stable cannot be used, and could be before.
    UnusableStable(UnusableStable),
}

/// Why `new` cannot replace `old`. `state`: what is known of a rollout.
pub fn refusal<'s>(
    old: &Policy,
    new: &Policy,
    state: impl Fn(&Identity) -> Option<&'s RolloutState>,
) -> Option<ReloadRefusal> {
    rolled_back_stable(old, new, &state)
        .map(ReloadRefusal::RolledBackStable)
        .or_else(|| newly_unusable(old, new, &state).map(ReloadRefusal::UnusableStable))
}

fn rolled_back_stable<'s>(
    old: &Policy,
    new: &Policy,
    state: &impl Fn(&Identity) -> Option<&'s RolloutState>,
) -> Option<RolledBackStable> {
    let held = |state: &RolloutState| state.lock.is_some() || matches!(state.phase, Phase::RolledBack { .. });
    new.rollouts.iter().find_map(|spec| {
        let stable = new.provider(spec.stable).base_url.to_string();
        let before = old.rollout(&spec.name).map(|old_spec| old.provider(old_spec.stable).base_url.to_string());
        if before.as_ref() == Some(&stable) {
            return None;
        }
        let other = old.rollouts.iter().find(|rollout| {
            let identity = rollout.canary.as_ref().map(|canary| identity(old, rollout, canary));
            identity.is_some_and(|identity| identity.canary == stable && state(&identity).is_some_and(held))
        })?;
        Some(RolledBackStable { rollout: spec.name.clone(), stable, other: other.name.clone() })
    })
}

fn newly_unusable<'s>(
    old: &Policy,
    new: &Policy,
    state: &impl Fn(&Identity) -> Option<&'s RolloutState>,
) -> Option<UnusableStable> {
    let now: Vec<Option<String>> =
        rollouts_without_stable(old, state).into_iter().map(|unserved| unserved.rollout).collect();
    rollouts_without_stable(new, state).into_iter().find(|unserved| !now.contains(&unserved.rollout))
}

/// The rollouts of a policy whose users would be left without a usable stable. `state`: what is known of a rollout.
#[must_use]
pub fn rollouts_without_stable<'s>(
    policy: &Policy,
    state: &impl Fn(&Identity) -> Option<&'s RolloutState>,
) -> Vec<UnusableStable> {
    unusable_stables(policy, |rollout| {
        let known =
            rollout.canary.as_ref().and_then(|canary| Some((canary, state(&identity(policy, rollout, canary))?)));
        // A rollout that has completed and is not locked needs no stable.
        known.map_or_else(
            || is_pinned_to_canary(rollout),
            |(canary, state)| state.lock.is_none() && is_completed(canary, state),
        )
    })
}
