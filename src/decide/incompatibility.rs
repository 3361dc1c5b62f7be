//! A request feature that the canary rejects although stable accepts it.
//!
//! A finding names one thing: a parameter, a model or an endpoint. The name came over the wire, so it is bounded and
//! quoted before it is shown, stored or put into a rule. The advice is written by
//! [`describe::incompatibility`](crate::describe::incompatibility). Invariant: two rejections of the same thing are the
//! same finding.

use serde::{Deserialize, Serialize};

use crate::decide::printable::printable;
use crate::wire::complaint::{About, Complaint};
use crate::wire::path;

/// The longest name that is kept, in characters.
const LONGEST_NAME: usize = 96;

/// What a canary refused although stable accepted it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Incompatibility {
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

impl Incompatibility {
    /// What a refusal is about, by the words of its error. `model` as the application wrote it, `path` below the mount.
    #[must_use]
    pub fn of(status: u16, complaint: Option<&Complaint>, model: Option<&str>, path: &str) -> Incompatibility {
        let finding = match complaint.and_then(Complaint::about) {
            Some(About::Parameter(name)) => Incompatibility::Parameter(name),
            Some(About::Model) => Incompatibility::Model(model.unwrap_or_default().to_owned()),
            Some(About::ContextLength) => Incompatibility::ContextLength,
            None if matches!(status, 404 | 405) => Incompatibility::Endpoint(path::plain(path).into_owned()),
            None => {
                let code = complaint.and_then(|said| said.code.clone().or_else(|| said.kind.clone()));
                Incompatibility::Other { status, code: code.unwrap_or_default() }
            }
        };
        finding.bounded()
    }

    /// The same with names of a bounded length on one line. To be called before a finding is kept.
    #[must_use]
    pub fn bounded(self) -> Incompatibility {
        match self {
            Incompatibility::Parameter(name) => Incompatibility::Parameter(bounded(&name)),
            Incompatibility::Model(name) => Incompatibility::Model(bounded(&name)),
            Incompatibility::ContextLength => Incompatibility::ContextLength,
            Incompatibility::Endpoint(path) => Incompatibility::Endpoint(bounded(path.trim_matches('/'))),
            Incompatibility::Other { status, code } => Incompatibility::Other { status, code: bounded(&code) },
        }
    }

    /// The word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Incompatibility::Parameter(_) => "parameter",
            Incompatibility::Model(_) => "model",
            Incompatibility::ContextLength => "context_length",
            Incompatibility::Endpoint(_) => "endpoint",
            Incompatibility::Other { .. } => "other",
        }
    }

    /// What is refused, by its name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Incompatibility::Parameter(name) | Incompatibility::Model(name) | Incompatibility::Endpoint(name) => name,
            Incompatibility::Other { code, .. } => code,
            Incompatibility::ContextLength => "",
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
