//! A stable that Serin cannot send to, for want of a key or a file.
//!
//! That is no outage and no reason to use the canary. Serin does not start with such a file, and no reload replaces a
//! usable stable with an unusable one. A rollout that is completed needs no stable.

use serde::{Deserialize, Serialize};

use super::policy::{Canary, Intent, Policy, Rollout, Unmatched};
use super::rollout::state::{Phase, RolloutState};
use super::units::{Percent, ProviderId};

/// Users without a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusableStable {
    /// The rollout; `None`: what no rollout takes.
    pub rollout: Option<String>,
    /// Who cannot be asked.
    pub provider: String,
    /// Why.
    pub reason: String,
}

/// Whom this policy leaves without a provider. `ended`: whether a rollout came to its end.
#[must_use]
pub fn unusable_stables(policy: &Policy, ended: impl Fn(&Rollout) -> bool) -> Vec<UnusableStable> {
    let found = |rollout: Option<&Rollout>, id: ProviderId| {
        let provider = policy.provider(id);
        let reason = provider.unusable.clone()?;
        Some(UnusableStable { rollout: rollout.map(|it| it.name.clone()), provider: provider.name.clone(), reason })
    };
    let rollouts = policy.rollouts.iter().filter(|rollout| !ended(rollout));
    let stables = rollouts.filter_map(|rollout| found(Some(rollout), rollout.stable));
    // Of the stable of a rollout it is said there.
    let is_reported = |id: ProviderId| policy.rollouts.iter().any(|rollout| rollout.stable == id && !ended(rollout));
    let others = match policy.unmatched {
        Unmatched::Provider(id) if !is_reported(id) => found(None, id),
        // A completed rollout does not depend on a default of the file.
        Unmatched::Usual(id) if policy.rollouts.is_empty() => found(None, id),
        _ => None,
    };
    stables.chain(others).collect()
}

/// Whether the file alone puts all users on the canary.
#[must_use]
pub fn is_pinned_to_canary(rollout: &Rollout) -> bool {
    let moved = |canary: &Canary| canary.percent == Intent::Pinned(Percent::ALL) && canary.ramp.max == Percent::ALL;
    rollout.canary.as_ref().is_some_and(moved)
}

/// Whether all users are on the canary, and only a rollback sends users to stable.
#[must_use]
pub fn is_completed(canary: &Canary, state: &RolloutState) -> bool {
    let asked = match canary.percent {
        Intent::Pinned(percent) => percent == Percent::ALL,
        Intent::Auto => state.phase == Phase::Completed,
    };
    asked && canary.ramp.max == Percent::ALL && !matches!(state.phase, Phase::RolledBack { .. })
}
