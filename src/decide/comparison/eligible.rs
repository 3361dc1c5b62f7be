//! Whether a request could have gone to the canary, so that a copy of it says something.
//!
//! While nobody is on the canary no bucket is asked, so the request is planned once more as if half of the users were.
//! What a hand or the file keeps off the canary is never copied to it. Costs a plan, so it is asked of sampled requests
//! only. Invariant: who is excluded from the canary is never copied to it.

use super::funnel::Skip;
use crate::decide::policy::{Match, Policy};
use crate::decide::route::{Facts, RouteShare, plan};
use crate::decide::units::{Percent, RolloutId};
use crate::wire::body::Peek;
use crate::wire::dialect::Dialect;

/// A share at which both arms have users.
const HALF: u16 = 5000;

/// Whether any request that is matched could have a generated answer: no other is copied.
#[must_use]
pub fn may_match_copied(matches: &Match) -> bool {
    let may_generate = |endpoint: &String| {
        endpoint.contains('*') || Dialect::of(&format!("/{}", endpoint.trim_matches('/'))).generates()
    };
    // A pattern of paths may fit anything.
    matches.path.is_some() || matches.endpoints.iter().any(may_generate)
}

/// Why a request that this rollout took is not copied to its canary; `None`: it may be. `draw`: as for a plan.
#[must_use]
pub fn not_copied(policy: &Policy, rollout: RolloutId, facts: &Facts<'_>, draw: impl FnOnce() -> u16) -> Option<Skip> {
    if facts.body.is_some_and(Peek::is_state_bearing) {
        return Some(Skip::State);
    }
    let half = Percent::from_hundredths(HALF).unwrap_or(Percent::ALL);
    let share = |_| RouteShare { percent: half, buckets_only: false };
    let planned = plan(policy, share, facts, draw);
    let chosen = planned.is_ok_and(|plan| plan.rollout == Some(rollout) && plan.reason.is_counted());
    (!chosen).then_some(Skip::NotSplit)
}
