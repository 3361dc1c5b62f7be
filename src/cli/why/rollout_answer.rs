//! A rollout, and how it came to be where it is.
//!
//! Owns what is told of one rollout, and its shape as JSON. Asks nobody: [`why`](super) puts it together, and
//! [`view`](super::view) writes it for people. Invariant: what is not known is absent, with the reason beside it.

use serde::Serialize;

use crate::app::api::{HistoryEntry, Rollout};

/// A rollout, and how it came to be where it is.
#[derive(Debug, Serialize)]
pub(super) struct RolloutAnswer {
    #[serde(flatten)]
    pub(super) rollout: Rollout,
    /// The last decision about it; absent: none is known.
    pub(super) decision: Option<HistoryEntry>,
    /// Where that was reached without numbers: what came before it, newest first, back to the last one that was.
    pub(super) before: Vec<HistoryEntry>,
    /// Why the history could not be read; absent: it was.
    pub(super) history_error: Option<String>,
}
