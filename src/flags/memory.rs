//! What the version of the file before this one was made of: the values behind its references, and its providers' keys.
//!
//! A secret that can no longer be read (a mount that went away, a variable that nobody set for this process), or is not
//! what it must be (a file that is half replaced, a token that anybody could guess), keeps its last value, and whoever
//! reads the file is told so: an edit in an emergency must not wait for a secret. A value is kept for the text of its
//! reference, and for its place at a provider of the same name and address, so that a key never goes where it did not go
//! before. Only the latest good version is kept, and only in memory: a restart begins with nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::environment::{Part, parts};

/// What is kept from one reading to the next.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Arc<Values>>>);

// It holds keys.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(what was kept)")
    }
}

#[derive(Default)]
struct Values {
    /// By what stands between the braces.
    references: BTreeMap<String, String>,
    places: BTreeMap<Place, Vec<String>>,
    /// Files of certificates that were PEM.
    certificates: BTreeSet<PathBuf>,
}

/// A secret of a provider.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) provider: String,
    pub(super) base_url: String,
    /// Its key below the provider: `api_keys`, `query.key`.
    pub(super) key: String,
}

impl Memory {
    /// What is kept, for one reading.
    pub(super) fn recent(&self) -> Recent {
        let last = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Recent { last, next: Values::default(), kept: Vec::new() }
    }

    /// The latest good version takes the place of the one before.
    pub(super) fn keep(&self, recent: Recent) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(recent.next);
    }
}

/// What one reading finds, and what it falls back to.
pub(super) struct Recent {
    last: Arc<Values>,
    next: Values,
    /// Why a value was kept, of each that was and was not told yet.
    kept: Vec<String>,
}

impl Recent {
    /// What a reference leads to now, else what it led to last.
    pub(super) fn or_last(&mut self, reference: &str, now: Result<String, String>) -> Result<String, String> {
        let value = match (now, self.last.references.get(reference)) {
            (Err(reason), Some(last)) => {
                self.kept.push(reason);
                last.clone()
            }
            (now, _) => now?,
        };
        self.next.references.insert(reference.to_owned(), value.clone());
        Ok(value)
    }

    /// The text with what its references led to last; `None`: not all of them led anywhere.
    pub(super) fn last(&self, text: &str) -> Option<String> {
        parts(text)
            .map(|part| match part {
                Part::Literal(literal) => Some(literal),
                Part::Reference(name) => self.last.references.get(name).map(String::as_str),
                Part::Open => None,
            })
            .collect()
    }

    /// Goes on with what the references of a text led to last, although they lead elsewhere now.
    pub(super) fn stay(&mut self, text: &str, reason: String) {
        for part in parts(text) {
            if let Part::Reference(name) = part
                && let Some(last) = self.last.references.get(name)
            {
                self.next.references.insert(name.to_owned(), last.clone());
            }
        }
        self.kept.push(reason);
    }

    /// The secrets in a place of a provider: those that were found, else the last ones that were there. `reason`: why
    /// none was found.
    pub(super) fn or_last_in(&mut self, place: Place, found: Vec<String>, reason: Option<&str>) -> Vec<String> {
        let values = match (found.is_empty(), reason, self.last.places.get(&place)) {
            (true, Some(reason), Some(last)) => {
                self.kept.push(reason.to_owned());
                last.clone()
            }
            _ => found,
        };
        if !values.is_empty() {
            self.next.places.insert(place, values.clone());
        }
        values
    }

    /// What is wrong with a file of certificates, unless it was right before: what was read of it then is still used.
    pub(super) fn certificates(&mut self, path: &Path, problem: Option<String>) -> Option<String> {
        match problem {
            Some(problem) if !self.last.certificates.contains(path) => return Some(problem),
            Some(problem) => self.kept.push(problem),
            None => {}
        }
        self.next.certificates.insert(path.to_owned());
        None
    }

    /// Why values were kept since this was asked last.
    pub(super) fn take_kept(&mut self) -> Vec<String> {
        std::mem::take(&mut self.kept)
    }
}
