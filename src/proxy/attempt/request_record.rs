//! What is known of a request once it has ended.
//!
//! Made once, where the request ends, and read where requests are counted and logged ([`sinks`](super::sinks)). Holds no body,
//! no key and no user id. Invariant: a request that began has one record, and no record is changed after it was made.

use std::time::Duration;

use super::earlier_plans::EarlierPlan;
use super::record::AttemptRecord;
use crate::decide::outcome::Outcome;
use crate::decide::route::Plan;
use crate::decide::units::ProviderId;
use crate::state::causes::Met;

/// A request that ended.
#[derive(Debug)]
pub(crate) struct RequestRecord<'a> {
    /// Where it was sent, and why.
    pub(crate) plan: &'a Plan,
    /// Whose answer the client got.
    pub(crate) by: ProviderId,
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// What was attempted by earlier plans, the first one first.
    pub(crate) before: &'a [EarlierPlan],
    /// All attempts by this plan, the first one first.
    pub(crate) attempts: &'a [AttemptRecord],
    /// What failed it, of the provider that the split chose.
    pub(crate) met: &'a Met,
    /// From its arrival to its end.
    pub(crate) took: Duration,
}

impl RequestRecord<'_> {
    /// Whether another provider answered than the split chose.
    pub(crate) fn is_fallback(&self) -> bool {
        self.by != self.plan.provider && self.outcome == Outcome::Ok
    }

    /// How many attempts there were, by whatever plan.
    pub(crate) fn candidates(&self) -> usize {
        self.attempts.len() + self.before.iter().map(|chapter| chapter.attempts.len()).sum::<usize>()
    }
}
