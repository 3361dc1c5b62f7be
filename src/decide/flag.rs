//! The value of a flag for a user: true for exactly the users whom its rollout sends to the canary.
//!
//! Uses the same buckets, pins and share in force as requests, so a switch in the application (a prompt, a limit)
//! always agrees with the provider that answers. Properties of a request (`force`, a model that the canary lacks, a
//! conversation without a user id) are not known here and have no effect.

use super::policy::{Flag, Policy};
use super::route::{self, RouteShare, arm_of_user};
use super::units::{Arm, RolloutId};
use super::user::is_placeholder;

/// The value of a flag for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagEvaluation {
    /// Whether the user is on the canary.
    pub value: bool,
    /// Why.
    pub reason: FlagReason,
}

/// Why a flag has its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagReason {
    /// It has the same value for all users.
    Static,
    /// This user is pinned or excluded.
    TargetingMatch,
    /// The user's bucket chose.
    Split,
}

impl FlagReason {
    /// The word that OpenFeature has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FlagReason::Static => "STATIC",
            FlagReason::TargetingMatch => "TARGETING_MATCH",
            FlagReason::Split => "SPLIT",
        }
    }
}

/// Why a flag has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// The value depends on the user, and no user is named: `TARGETING_KEY_MISSING`.
    #[error(
        "the flag follows rollout `{rollout}`, which splits by user, and the targeting key is missing, blank or a \
         stand-in such as \"anonymous\"; send the user id that requests carry"
    )]
    TargetingKeyMissing { rollout: String },
    /// It follows a rollout that is not in the policy.
    #[error("the flag follows `{rollout}`, and there is no rollout of that name")]
    NoRollout {
        /// The name.
        rollout: String,
    },
}

/// Evaluates a flag for a targeting key, which is a user id: taken as it is, absent by the same rules as in requests.
///
/// # Errors
/// [`FlagError::TargetingKeyMissing`] only where the key decides: not at 0 and not at 100.
pub fn evaluate(
    policy: &Policy,
    flag: &Flag,
    in_force: impl Fn(RolloutId) -> RouteShare,
    targeting_key: Option<&str>,
) -> Result<FlagEvaluation, FlagError> {
    let name = &flag.follows;
    let found = (0..=u16::MAX).zip(&policy.rollouts).find(|(_, rollout)| rollout.name == *name);
    let Some((id, rollout)) = found else { return Err(FlagError::NoRollout { rollout: name.clone() }) };
    if rollout.canary.is_none() {
        return Ok(FlagEvaluation { value: false, reason: FlagReason::Static });
    }
    let user = targeting_key.map(str::as_bytes).filter(|key| !is_placeholder(key));
    let share = in_force(RolloutId(id));
    let Some((arm, reason)) = arm_of_user(&rollout.salt, &rollout.pins, share, user) else {
        return Err(FlagError::TargetingKeyMissing { rollout: name.clone() });
    };
    let reason = match reason {
        route::RouteReason::Pinned => FlagReason::TargetingMatch,
        route::RouteReason::Bucket => FlagReason::Split,
        _ => FlagReason::Static,
    };
    Ok(FlagEvaluation { value: arm == Arm::Canary, reason })
}
