//! The value of a flag for a user, and why.
//!
//! A flag that follows a rollout uses the same buckets, pins and share in force as requests, so a switch in the
//! application (a prompt, a limit) always agrees with the provider that answers. Properties of a request (`force`, a
//! model that the canary lacks, a conversation without a user id) are not known here and have no effect. A split of a
//! flag's own hashes the targeting key by the same function, with the flag's salt. A targeting key is a user id: taken
//! as it is, absent by the same rules as in requests.

mod condition;
mod moment;
#[cfg(test)]
mod tests;

use super::bucket::bucket;
use super::policy::{Attributes, Flag, Policy, Serve, Variant, VariantId};
use super::route::{RouteReason, RouteShare, arm_of_user};
use super::units::{Arm, Bucket, Percent, RolloutId, UnixMillis};
use super::user::is_placeholder;

/// The attribute that names the user.
pub const TARGETING_KEY: &str = "targetingKey";

/// The value of a flag for a user.
#[derive(Clone, Debug, PartialEq)]
pub struct FlagEvaluation<'f> {
    /// What is served.
    pub variant: &'f Variant,
    /// Which part of the flag decided.
    pub part: FlagPart,
    /// How it decided.
    pub choice: FlagChoice,
}

/// Which part of a flag decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagPart {
    /// The file turns it off.
    Off,
    /// It begins at this moment.
    NotYet(UnixMillis),
    /// It ended at this moment.
    Over(UnixMillis),
    /// The rule of this index.
    Rule(usize),
    /// No rule's condition holds.
    NoRule,
    /// It has no rules.
    Whole,
}

/// How a variant was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagChoice {
    /// There is only one.
    Fixed,
    /// By the bucket of the targeting key.
    Split(Bucket),
    /// By the arm of the user.
    Follow {
        /// Whose.
        rollout: RolloutId,
        arm: Arm,
        /// Why the user is on it.
        reason: RouteReason,
        /// The share in force.
        percent: Percent,
    },
}

/// Why a flag has its value, in OpenFeature's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagReason {
    /// It has the same value for all users.
    Static,
    /// A rule's condition holds, or the user is pinned or excluded.
    TargetingMatch,
    /// The user's bucket chose.
    Split,
    /// It is off.
    Disabled,
    /// No rule's condition holds. OFREP has no word for it, and any other would say what is not so.
    Unknown,
}

impl FlagReason {
    /// The word that OpenFeature has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FlagReason::Static => "STATIC",
            FlagReason::TargetingMatch => "TARGETING_MATCH",
            FlagReason::Split => "SPLIT",
            FlagReason::Disabled => "DISABLED",
            FlagReason::Unknown => "UNKNOWN",
        }
    }
}

impl FlagEvaluation<'_> {
    /// OpenFeature's reason.
    #[must_use]
    pub const fn reason(&self) -> FlagReason {
        match (self.part, self.choice) {
            (FlagPart::Off | FlagPart::NotYet(_) | FlagPart::Over(_), _) => FlagReason::Disabled,
            (_, FlagChoice::Split(_)) => FlagReason::Split,
            (_, FlagChoice::Follow { reason: RouteReason::Pinned, .. }) => FlagReason::TargetingMatch,
            (_, FlagChoice::Follow { reason: RouteReason::Bucket, .. }) => FlagReason::Split,
            (_, FlagChoice::Follow { .. }) | (FlagPart::Whole, FlagChoice::Fixed) => FlagReason::Static,
            (FlagPart::Rule(_), FlagChoice::Fixed) => FlagReason::TargetingMatch,
            (FlagPart::NoRule, FlagChoice::Fixed) => FlagReason::Unknown,
        }
    }
}

/// Why a flag has no value: it depends on the user, and no user is named (`TARGETING_KEY_MISSING`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// Its rollout splits by user.
    #[error(
        "the flag follows rollout `{rollout}`, which splits by user, and the targeting key is missing, blank or a \
         stand-in such as \"anonymous\"; send the user id that requests carry"
    )]
    RolloutNeedsUser { rollout: String },
    /// It splits by user itself.
    #[error(
        "the flag splits by user, and the targeting key is missing, blank or a stand-in such as \"anonymous\"; send \
         the user's id"
    )]
    SplitNeedsUser,
}

/// Evaluates a flag for what the application says about a user.
///
/// # Errors
/// [`FlagError`] only where the targeting key decides: not where a rule serves one variant, and not at 0 and 100%.
pub fn evaluate<'f>(
    policy: &Policy,
    flag: &'f Flag,
    in_force: impl Fn(RolloutId) -> RouteShare,
    attributes: &Attributes,
    now: UnixMillis,
) -> Result<FlagEvaluation<'f>, FlagError> {
    let off = |part| Ok(FlagEvaluation { variant: flag.variant(flag.off_variant), part, choice: FlagChoice::Fixed });
    if flag.off {
        return off(FlagPart::Off);
    }
    if let Some(from) = flag.from.filter(|from| now < *from) {
        return off(FlagPart::NotYet(from));
    }
    if let Some(until) = flag.until.filter(|until| now >= *until) {
        return off(FlagPart::Over(until));
    }
    let holds = |condition| condition::holds(condition, attributes);
    let rule = flag.rules.iter().enumerate().find(|(_, rule)| rule.condition.as_ref().is_none_or(holds));
    let (part, serve) = match rule {
        Some((index, rule)) => (FlagPart::Rule(index), &rule.serve),
        None if flag.rules.is_empty() => (FlagPart::Whole, &flag.otherwise),
        None => (FlagPart::NoRule, &flag.otherwise),
    };
    let user = attributes.get(TARGETING_KEY).and_then(|key| key.as_str());
    let user = user.map(str::as_bytes).filter(|key| !is_placeholder(key));
    let (id, choice) = match serve {
        Serve::Variant(id) => (*id, FlagChoice::Fixed),
        Serve::Split(shares) => {
            let bucket = bucket(&flag.salt, user.ok_or(FlagError::SplitNeedsUser)?);
            (by_bucket(shares, bucket, flag.off_variant), FlagChoice::Split(bucket))
        }
        Serve::Follow { rollout: id, canary, stable } => {
            let rollout = &policy.rollouts[usize::from(id.0)];
            // A plain route has no share, whatever the file says of one.
            let nobody = RouteShare { percent: Percent::ZERO, buckets_only: true };
            let share = if rollout.canary.is_some() { in_force(*id) } else { nobody };
            let needs_user = || FlagError::RolloutNeedsUser { rollout: rollout.name.clone() };
            let (arm, reason) = arm_of_user(&rollout.salt, &rollout.pins, share, user).ok_or_else(needs_user)?;
            let variant = if arm == Arm::Canary { *canary } else { *stable };
            (variant, FlagChoice::Follow { rollout: *id, arm, reason, percent: share.percent })
        }
    };
    Ok(FlagEvaluation { variant: flag.variant(id), part, choice })
}

/// The first whose upper end lies above the bucket. The last one's is 100%, so `none` is never needed.
fn by_bucket(shares: &[(Percent, VariantId)], bucket: Bucket, none: VariantId) -> VariantId {
    shares.iter().find(|(end, _)| bucket.is_below(*end)).map_or(none, |(_, id)| *id)
}
