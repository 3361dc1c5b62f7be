//! The key of a rollout: two rollouts with the same key are the same over edits and restarts.

use crate::decide::policy::{Canary, Policy, Rollout};
use crate::decide::rollout::state::Identity;

pub(in crate::control) fn identity(policy: &Policy, rollout: &Rollout, canary: &Canary) -> Identity {
    Identity {
        rollout: rollout.name.clone(),
        stable: policy.provider(rollout.stable).base_url.to_string(),
        canary: policy.provider(canary.provider).base_url.to_string(),
        salt: rollout.salt.clone(),
    }
}
