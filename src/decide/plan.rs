//! What an edit of flags.yaml would do, as values: the result of comparing the policy in force with a new one.
//!
//! [`compare`] makes it: [`takers`] says which rollout takes a request before and after, [`projected`] which share is in
//! force, [`users`] which buckets go to another provider, and [`settings`] what else is edited. The history keeps it
//! with each reload, and [`describe::plan`](crate::describe::plan) writes the sentences. Invariant: a bucket is said to
//! move exactly if [`route`](super::route) sends its users to another provider after the edit.

pub mod compare;
pub mod fits;
pub mod projected;
pub mod settings;
pub mod takers;
#[cfg(test)]
mod tests;
pub mod users;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::fits::Fit;
use super::policy::Intent;
use super::reload_refusal::ReloadRefusal;
use super::rollout::context::Blocked;
use super::rollout::state::OverallPhase;
use super::units::Percent;
use super::warning::Warning;

/// So many rollouts are compared one by one: the plan is kept in the history.
pub const MOST_ENTRIES: usize = 50;

/// What an edit would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Why the file would not be accepted; then nothing else happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<ReloadRefusal>,
    /// The rollouts that the edit touches, in the order of the new file, then those that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollouts: Vec<RolloutPlan>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// Providers whose requests are made in another way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderEdit>,
    /// Keys outside of providers and rollouts that are edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// Edits that need a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart: Vec<Warning>,
    /// What part of the traffic fits into the limits of the canaries, as the new file has them. No effect of the edit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fits: Vec<Fit>,
}

/// What an edit would do to the requests that one rollout took, or will take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutPlan {
    /// Who takes these requests now, and who would.
    pub before: TakerPlan,
    pub after: TakerPlan,
    /// Which requests these are, where it is not all that the rollout takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestClass>,
    /// Whose provider changes.
    #[serde(default, skip_serializing_if = "UserMoves::is_nobody")]
    pub users: UserMoves,
    /// The share that was assumed to be in force, where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<Percent>,
    /// What begins anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begins: Vec<Begins>,
    /// Why its canary could not be used, if that is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<BlockedBy>,
    /// Its other edited keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<String>,
}

/// Who takes a request, and what is in force there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakerPlan {
    /// The rollout; `None`: none does.
    pub rollout: Option<String>,
    /// Its stable, or the provider of unmatched requests; `None`: they are refused.
    pub stable: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// The share in force; `None`: not known, since it is a ramp's and no state of it is known.
    pub percent: Option<Percent>,
    /// What the file asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<OverallPhase>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Plan {
    /// Whether users, or the requests of a match, go to another provider.
    #[must_use]
    pub fn moves_anybody(&self) -> bool {
        self.refused.is_none() && (self.more > 0 || self.rollouts.iter().any(|rollout| !rollout.users.is_nobody()))
    }

    /// Whether the file would come into force without any effect.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Plan { refused, rollouts, more, providers, settings, restart, fits: _ } = self;
        refused.is_none()
            && rollouts.is_empty()
            && *more == 0
            && providers.is_empty()
            && settings.is_empty()
            && restart.is_empty()
    }
}

impl RolloutPlan {
    /// Whether the edit touches it.
    pub(super) fn is_touched(&self) -> bool {
        let RolloutPlan { before, after, users, begins, blocked, edited, .. } = self;
        before != after || !users.is_nobody() || !begins.is_empty() || blocked.is_some() || !edited.is_empty()
    }
}

/// A kind of request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestClass {
    /// Below the mount: an endpoint such as `chat/completions`, or the pattern of a path.
    pub path: String,
    /// Whether `path` is a pattern.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pattern: bool,
    /// The pattern of its model; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The patterns of its headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Whose provider changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserMoves {
    /// Users by their buckets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<BucketMove>,
    /// The same where every user gets another bucket: shares of all users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rehashed: Vec<Flow>,
    /// Users whom the file pins or excludes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<PinnedMove>,
}

/// Users of these buckets go to another provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketMove {
    pub first: u16,
    pub last: u16,
    /// `None`: their requests are refused.
    pub from: Option<String>,
    pub to: Option<String>,
}

impl BucketMove {
    /// Their share of all users.
    #[must_use]
    pub fn share(&self) -> Percent {
        Percent::from_hundredths(self.last - self.first + 1).unwrap_or(Percent::ALL)
    }
}

/// A share of all users goes to another provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    pub from: Option<String>,
    pub to: Option<String>,
    /// Of all users, 0 to 1.
    pub share: f64,
}

/// So many pinned or excluded users go to another provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedMove {
    pub from: Option<String>,
    pub to: Option<String>,
    pub users: usize,
}

impl UserMoves {
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.buckets.is_empty() && self.rehashed.is_empty() && self.pinned.is_empty()
    }

    /// The share of all users who go to another provider, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        let buckets: f64 = self.buckets.iter().map(|range| range.share().as_f64() / 100.0).sum();
        buckets + self.rehashed.iter().map(|flow| flow.share).sum::<f64>()
    }
}

/// What begins anew for a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begins {
    /// Another name, provider or salt: it is another rollout, which is not known yet.
    Rollout,
    /// The same, and it is known from before: it continues where it was.
    KnownRollout,
    /// The guard's evidence, since guard or ramp were edited.
    Evidence,
    /// A new attempt.
    Attempt,
    /// A lock of the rollout of this name goes over to it.
    LockKept,
}

/// Why a canary cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum BlockedBy {
    Unusable { provider: String, why: String },
    LocksUnread { dir: String, error: String },
    Forgotten { why: String },
}

impl BlockedBy {
    /// The same, as the sentences take it.
    #[must_use]
    pub fn as_blocked(&self) -> Blocked<'_> {
        match self {
            BlockedBy::Unusable { provider, why } => Blocked::Unusable { provider, why },
            BlockedBy::LocksUnread { dir, error } => Blocked::LocksUnread { dir, error },
            BlockedBy::Forgotten { why } => Blocked::Forgotten(why),
        }
    }
}

impl From<Blocked<'_>> for BlockedBy {
    fn from(blocked: Blocked<'_>) -> BlockedBy {
        match blocked {
            Blocked::Unusable { provider, why } => {
                BlockedBy::Unusable { provider: provider.to_owned(), why: why.to_owned() }
            }
            Blocked::LocksUnread { dir, error } => {
                BlockedBy::LocksUnread { dir: dir.to_owned(), error: error.to_owned() }
            }
            Blocked::Forgotten(why) => BlockedBy::Forgotten { why: why.to_owned() },
        }
    }
}

/// A provider whose requests are made in another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderEdit {
    pub provider: String,
    /// The edited keys.
    pub keys: Vec<String>,
}
