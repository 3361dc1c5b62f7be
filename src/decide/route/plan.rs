//! The plan of a request: where it goes, on which arm, and why.
//!
//! Values, and what can be said of them alone. Decides nothing: [`route`](super) does. Invariant: a request that is
//! counted was sent where it goes by a bucket.

use crate::decide::guard::sources::SourceGroup;
use crate::decide::policy::Policy;
use crate::decide::state_at::Bound;
use crate::decide::units::{Arm, Bucket, ProviderId, RolloutId, Slot};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which rollout took it; `None`: none did.
    pub rollout: Option<RolloutId>,
    /// Whose match it fits, even where it is not split: its tags hold.
    pub matched: Option<RolloutId>,
    /// Which arm it is on; `None`: unsplit (no rollout, or a plain route).
    pub arm: Option<Arm>,
    /// Who serves it.
    pub provider: ProviderId,
    /// Whom the client's credentials are meant for: stable, or who else takes what is not split.
    pub default_provider: ProviderId,
    /// Why.
    pub reason: RouteReason,
    /// Whether it is evidence for the guard: a bucket chose its arm.
    pub counted: bool,
    /// Whose it is in the guard's tables: the user's, else the conversation's; `None` where there is neither, or where
    /// no bucket chose.
    pub slot: Option<Slot>,
    /// The bucket that a hash or chance put it into.
    pub bucket: Option<Bucket>,
    /// What the user's key is chosen by, where keys are spread; `None`: nothing is known of the user.
    pub user_hash: Option<u16>,
    /// Its source, as the guard distinguishes sources.
    pub source: SourceGroup,
    /// Whether a rollout with a canary found no user id in it.
    pub anonymous: bool,
    /// Whether it names what only one provider keeps.
    pub bound: Bound,
}

impl Plan {
    /// The same request on stable after all, and no evidence: for what is learnt only after the plan was made. What is
    /// known to be elsewhere is still asked for there.
    #[must_use]
    pub fn back_on_stable(self, policy: &Policy, reason: RouteReason) -> Plan {
        if self.bound == Bound::Known {
            return self;
        }
        match (self.rollout, self.arm) {
            (Some(id), Some(_)) => {
                let provider = policy.rollouts.get(usize::from(id.0)).map_or(self.provider, |rollout| rollout.stable);
                Plan { arm: Some(Arm::Stable), provider, reason, counted: false, ..self }
            }
            _ => self,
        }
    }
}

/// Why a request goes where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteReason {
    /// No rollout takes it.
    Unmatched,
    /// Its rollout has no canary.
    PlainRoute,
    /// Its rollout splits what generates, and its method does not.
    Method,
    /// It names what a provider keeps.
    State,
    /// No user is on the canary.
    CanaryOff,
    /// The canary has no such model.
    Unmapped,
    /// A tester chose.
    Forced,
    /// The user is pinned or excluded.
    Pinned,
    /// Everybody is on the canary.
    Everybody,
    /// The user's bucket chose.
    Bucket,
    /// No user id: the conversation's bucket chose.
    Conversation,
    /// No user id: chance chose.
    Drawn,
    /// No user id, and nothing to choose by.
    Anonymous,
    /// Its JSON body is too large to be held, or encoded: nothing could be read of it.
    Unheld,
}

impl RouteReason {
    /// The word used in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RouteReason::Unmatched => "unmatched",
            RouteReason::PlainRoute => "plain_route",
            RouteReason::Method => "method",
            RouteReason::State => "state",
            RouteReason::CanaryOff => "closed",
            RouteReason::Unmapped => "unmapped",
            RouteReason::Forced => "forced",
            RouteReason::Pinned => "pinned",
            RouteReason::Everybody => "everybody",
            RouteReason::Bucket => "bucket",
            RouteReason::Conversation => "conversation",
            RouteReason::Drawn => "drawn",
            RouteReason::Anonymous => "anonymous",
            RouteReason::Unheld => "unheld",
        }
    }

    /// Whether a bucket chose, so that the request is evidence for the guard.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        matches!(self, RouteReason::Everybody | RouteReason::Bucket | RouteReason::Conversation | RouteReason::Drawn)
    }
}
