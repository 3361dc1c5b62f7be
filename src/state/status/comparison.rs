//! What is told of the copies of a rollout's requests.
//!
//! Plain data, shared between reports as long as nothing changes. The counts are those that are kept. Decides nothing.
//! Invariant: there is no text of a request or an answer in it.

use crate::decide::comparison::mode::CopyMode;
use crate::decide::policy::{Compare, Rehearse};
use crate::decide::units::Percent;
use crate::state::copies::gate::CopyRecord;

/// Copies of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonStatus {
    pub mode: CopyMode,
    pub rehearse: Option<Rehearse>,
    pub compare: Option<Compare>,
    /// Whether the canary has prices, so that `max_cost` can be held.
    pub is_priced: bool,
    /// Failures that come by chance and block no first step.
    pub tolerated: Percent,
    pub record: CopyRecord,
}
