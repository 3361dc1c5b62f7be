//! A rollout's copies, as control saw them last.
//!
//! The gate that cores and the sender count in, by what requests were copied at the last look, and what was reported.
//! Holds values; [`rollout`](super::rollout) looks at them with every tick. Invariant: a report is of one version of
//! the record.

use std::sync::Arc;

use crate::state::copies::Copying;
use crate::state::copies::gate::CopyGate;
use crate::state::status::ComparisonStatus;

#[derive(Debug)]
pub(super) struct CopiesSeen {
    pub(super) gate: Arc<CopyGate>,
    /// By what requests were copied at the last look.
    pub(super) last: Option<Copying>,
    /// What was reported last, and of which version of the record.
    pub(super) report: Option<(u64, Arc<ComparisonStatus>)>,
}

impl CopiesSeen {
    pub(super) fn new(gate: Arc<CopyGate>) -> CopiesSeen {
        CopiesSeen { gate, last: None, report: None }
    }
}
