//! What is known of a request once it has ended.
//!
//! Made once, where the request ends, and read where requests are counted and logged ([`sinks`](super::sinks)). Holds
//! no body, no key and no user id. Invariant: a request that began has one record, and no record is changed after it
//! was made.

use std::time::Duration;

use super::earlier_plans::EarlierPlan;
use super::record::AttemptRecord;
use crate::decide::outcome::Outcome;
use crate::decide::route::Plan;
use crate::decide::units::ProviderId;
use crate::state::causes::RequestCauses;

/// A request that ended.
#[derive(Debug)]
pub(crate) struct RequestRecord<'a> {
    pub(crate) plan: &'a Plan,
    /// The provider whose answer the client got.
    pub(crate) by: ProviderId,
    pub(crate) outcome: Outcome,
    /// In order.
    pub(crate) earlier: &'a [EarlierPlan],
    /// Attempts by this plan, in order.
    pub(crate) attempts: &'a [AttemptRecord],
    /// Why the provider that the split chose failed it.
    pub(crate) met: &'a RequestCauses,
    /// From its arrival to its end.
    pub(crate) took: Duration,
}

impl RequestRecord<'_> {
    /// Whether another provider answered than the split chose.
    pub(super) fn is_fallback(&self) -> bool {
        self.by != self.plan.provider && self.outcome == Outcome::Ok
    }

    /// How long after the request's arrival the first part of its answer went to the client.
    pub(crate) fn first_output(&self) -> Option<Duration> {
        self.attempts.last().and_then(|last| last.times.after(last.times.first_output))
    }

    /// How many attempts there were, by whatever plan.
    pub(crate) fn attempt_count(&self) -> usize {
        self.attempts.len() + self.earlier.iter().map(|plan| plan.attempts.len()).sum::<usize>()
    }
}
