//! A request feature that the canary rejects although stable accepts it.
//!
//! A finding names one thing: a parameter, a model or an endpoint. The name came over the wire, so it is bounded and
//! quoted before it is shown, stored or put into a rule. The advice is written by
//! [`describe::incompatibility`](crate::describe::incompatibility). Invariant: two rejections of the same thing are the same finding.

use serde::{Deserialize, Serialize};

use crate::decide::printable::printable;
use crate::wire::complaint::{About, Complaint};
use crate::wire::path;

/// The longest name that is kept, in characters.
const LONGEST_NAME: usize = 96;

/// What a canary refused although stable accepted it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A field of the request, as the provider named it: `prompt_cache_key`, `response_format.type`.
    Parameter(String),
    /// A model, as the application wrote it.
    Model(String),
    /// More input than the canary's context holds.
    ContextLength,
    /// A path below the mount: `embeddings`.
    Endpoint(String),
    /// Something that the answer does not name.
    Other {
        /// The answer's status.
        status: u16,
        /// The error's code, type or first words; empty: none.
        code: String,
    },
}

impl Finding {
    /// What a refusal is about, by the words of its error. `model` as the application wrote it, `path` below the mount.
    #[must_use]
    pub fn of(status: u16, complaint: Option<&Complaint>, model: Option<&str>, path: &str) -> Finding {
        let finding = match complaint.and_then(Complaint::about) {
            Some(About::Parameter(name)) => Finding::Parameter(name),
            Some(About::Model) => Finding::Model(model.unwrap_or_default().to_owned()),
            Some(About::ContextLength) => Finding::ContextLength,
            None if matches!(status, 404 | 405) => Finding::Endpoint(path::plain(path).into_owned()),
            None => {
                let code = complaint.and_then(|said| said.code.clone().or_else(|| said.kind.clone()));
                Finding::Other { status, code: code.unwrap_or_default() }
            }
        };
        finding.bounded()
    }

    /// The same with names of a bounded length on one line. To be called before a finding is kept.
    #[must_use]
    pub fn bounded(self) -> Finding {
        match self {
            Finding::Parameter(name) => Finding::Parameter(bounded(&name)),
            Finding::Model(name) => Finding::Model(bounded(&name)),
            Finding::ContextLength => Finding::ContextLength,
            Finding::Endpoint(path) => Finding::Endpoint(bounded(path.trim_matches('/'))),
            Finding::Other { status, code } => Finding::Other { status, code: bounded(&code) },
        }
    }

    /// The word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Finding::Parameter(_) => "parameter",
            Finding::Model(_) => "model",
            Finding::ContextLength => "context_length",
            Finding::Endpoint(_) => "endpoint",
            Finding::Other { .. } => "other",
        }
    }

    /// What is refused, by its name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Finding::Parameter(name) | Finding::Model(name) | Finding::Endpoint(name) => name,
            Finding::Other { code, .. } => code,
            Finding::ContextLength => "",
        }
    }
}

fn bounded(name: &str) -> String {
    let mut kept = printable(&name.chars().take(LONGEST_NAME).collect::<String>());
    if name.chars().nth(LONGEST_NAME).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests;
