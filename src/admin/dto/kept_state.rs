//! What a provider other than stable keeps, as the API says it.
//!
//! A number and a time; the ids themselves are nowhere, since only hashes of them are kept.
//! Decides nothing. Invariant: a name without an address would be another provider's after an edit, so both are there.

use serde::{Deserialize, Serialize};

use crate::decide::timestamp::Timestamp;
use crate::state::state_ids::OwnerReport;

/// What a provider other than stable keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptState {
    /// The provider's name.
    pub provider: String,
    /// Where it is; a name alone may be another provider's by now.
    pub base_url: String,
    /// How many ids of responses, files, conversations and the like it keeps.
    pub ids: u64,
    /// When the last of them was used.
    pub last_used_at: Timestamp,
}

impl From<&OwnerReport> for KeptState {
    fn from(report: &OwnerReport) -> KeptState {
        KeptState {
            provider: report.owner.name.clone(),
            base_url: report.owner.base_url.clone(),
            ids: report.ids,
            last_used_at: Timestamp(report.last_used),
        }
    }
}
