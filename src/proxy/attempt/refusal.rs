//! A request that a provider refused, as it put it: what control is told, and people are advised by.
//!
//! Owns which of the words of an error matter: its code or type, and what it says is wrong with the request. Says nothing
//! of whether the refusal was right, and holds no words of a prompt.

use crate::decide::advice::Finding;
use crate::wire::complaint::Complaint;

/// A refusal, as the provider put it.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The answer's status.
    pub(crate) status: u16,
    /// The error's code, or its type.
    pub(crate) code: Option<String>,
    /// What is wrong with the request.
    pub(crate) finding: Finding,
}

impl Refusal {
    /// By the words of its error. `model` as the application wrote it, `path` below the mount.
    pub(crate) fn of(status: u16, complaint: Option<&Complaint>, model: Option<&str>, path: &str) -> Refusal {
        let code = complaint.and_then(|said| said.code.as_ref().or(said.kind.as_ref()));
        Refusal { status, code: code.cloned(), finding: Finding::of(status, complaint, model, path) }
    }
}
