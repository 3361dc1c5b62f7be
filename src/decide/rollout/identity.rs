//! The key of a rollout: two rollouts with the same key are the same over edits and restarts.
//!
//! Read from the file alone. Providers may be renamed: their addresses are in the key. Invariant: another address of
//! either provider, another salt or another name is another rollout.

use super::state::Identity;
use crate::decide::policy::{Canary, Policy, Rollout};

/// The key of this rollout of a policy.
#[must_use]
pub fn identity(policy: &Policy, rollout: &Rollout, canary: &Canary) -> Identity {
    Identity {
        rollout: rollout.name.clone(),
        stable: policy.provider(rollout.stable).base_url.to_string(),
        canary: policy.provider(canary.provider).base_url.to_string(),
        salt: rollout.salt.clone(),
    }
}
