//! Whether stable could take everybody back, as the API says it.
//!
//! The sentences are those of [`describe`](crate::describe); nothing is decided here. Invariant: it is ready exactly if
//! there is no reason against it.

use serde::{Deserialize, Serialize};

use crate::decide::rollback_ready::NotReady;
use crate::describe::rollback_ready::reason;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackReady {
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<NotReadyReason>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReadyReason {
    /// `down`, `keys`, `throttled`, `requests`, `tokens`, `in_flight`, `silent` or `slow`.
    pub kind: String,
    pub sentence: String,
}

impl RollbackReady {
    pub(super) fn new(found: &[NotReady]) -> RollbackReady {
        let one = |found: &NotReady| NotReadyReason { kind: found.as_str().to_owned(), sentence: reason(found) };
        RollbackReady { ready: found.is_empty(), reasons: found.iter().map(one).collect() }
    }

    /// In a sentence.
    #[must_use]
    pub fn sentence(&self, stable: &str) -> String {
        if self.ready {
            return format!("{stable} could take everybody back now");
        }
        let reasons: Vec<&str> = self.reasons.iter().map(|reason| reason.sentence.as_str()).collect();
        format!("{stable} could not take everybody back: {}", reasons.join("; "))
    }
}
