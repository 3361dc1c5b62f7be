//! A provider's refusal of a request, in its own words.
//!
//! Owns which words of an error matter: its code or type, and what it says is wrong with the request. Control shows
//! them to people. Refuses to judge whether the refusal was right. Invariant: no words of a prompt are kept.

use super::record::AttemptRecord;
use crate::decide::incompatibility::Incompatibility;
use crate::wire::complaint::Complaint;

/// A refusal, as the provider put it.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The answer's status.
    pub(crate) status: u16,
    /// The error's code, or its type.
    pub(crate) code: Option<String>,
    /// What is wrong with the request.
    pub(crate) finding: Incompatibility,
}

impl Refusal {
    /// By the words of its error. `model` as the application wrote it, `path` below the mount.
    pub(crate) fn of(status: u16, complaint: Option<&Complaint>, model: Option<&str>, path: &str) -> Refusal {
        let code = complaint.and_then(|complaint| complaint.code.as_ref().or(complaint.kind.as_ref()));
        Refusal { status, code: code.cloned(), finding: Incompatibility::of(status, complaint, model, path) }
    }
}

/// A refusal of the canary, until stable has answered.
#[derive(Debug)]
pub(crate) struct PendingRefusal {
    pub(crate) record: AttemptRecord,
    pub(crate) refusal: Refusal,
    /// How many attempts had ended before it.
    pub(crate) place: usize,
}
