//! What the versions of the file that are in use were made of: the values behind references, and the providers' keys.
//!
//! A secret that can no longer be read (a mount that went away, a variable that nobody set for this process), or is not
//! what it must be (a file that is half replaced, a token that anybody could guess), keeps its last value, and whoever
//! reads the file is told so: an edit in an emergency must not wait for a secret. A value is kept for the text of its
//! reference, and for its place at a provider of the same name and address, so that a key never goes where it did not go
//! before. A version is kept as long as its policy is in use, the newest first: one that was good by itself and refused
//! by what is in force takes nothing away. Only in memory: a restart begins with nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::reference::{Part, parts};
use crate::decide::policy::{Policy, Provider, ServerCertificate};

/// What is kept from one reading to the next.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Vec<Version>>>);

/// What a good version of the file was made of.
#[derive(Clone)]
struct Version {
    /// One of its providers, which policies that are made from it share: it is in use as long as this is.
    used: Weak<Provider>,
    values: Arc<Values>,
}

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
    places: BTreeMap<SecretId, Vec<String>>,
    /// Files of certificates that were PEM.
    certificates: BTreeSet<PathBuf>,
    /// Certificates of a server and their keys, by the files of both.
    pairs: BTreeMap<(PathBuf, PathBuf), Arc<ServerCertificate>>,
}

/// A secret of a provider.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SecretId {
    pub(super) provider: String,
    pub(super) base_url: String,
    /// Its key below the provider: `api_keys`, `query.key`.
    pub(super) key: String,
}

impl Memory {
    /// What is kept, for one reading.
    pub(super) fn recent(&self) -> Recent {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions.retain(|version| version.used.strong_count() > 0);
        let last = versions.iter().rev().map(|version| Arc::clone(&version.values)).collect();
        Recent { last, next: Values::default(), kept: Vec::new() }
    }

    /// A reading that is good, and what it means: to be kept as long as that is in use.
    pub(super) fn keep(&self, recent: Recent, policy: &Policy) {
        let Some(used) = policy.providers.first().map(Arc::downgrade) else { return };
        let version = Version { used, values: Arc::new(recent.next) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(version);
    }
}

/// What one reading finds, and what it falls back to.
pub(super) struct Recent {
    /// Of the versions that are in use, the newest first.
    last: Vec<Arc<Values>>,
    next: Values,
    /// Why a value was kept, of each that was and was not told yet.
    kept: Vec<String>,
}

impl Recent {
    fn reference(&self, name: &str) -> Option<&String> {
        self.last.iter().find_map(|values| values.references.get(name))
    }

    /// What a reference leads to now, else what it led to last.
    pub(super) fn or_last(&mut self, reference: &str, now: Result<String, String>) -> Result<String, String> {
        let value = match (now, self.reference(reference)) {
            (Err(reason), Some(last)) => {
                let last = last.clone();
                self.kept.push(reason);
                last
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
                Part::Reference(name) => self.reference(name).map(String::as_str),
                Part::Open => None,
            })
            .collect()
    }

    /// Goes on with what the references of a text led to last, although they lead elsewhere now.
    pub(super) fn stay(&mut self, text: &str, reason: String) {
        for part in parts(text) {
            if let Part::Reference(name) = part
                && let Some(last) = self.reference(name).cloned()
            {
                self.next.references.insert(name.to_owned(), last);
            }
        }
        self.kept.push(reason);
    }

    /// The secrets in a place of a provider: those that were found, else the last ones that were there. `reason`: why
    /// none was found.
    pub(super) fn or_last_in(&mut self, place: SecretId, found: Vec<String>, reason: Option<&str>) -> Vec<String> {
        let last = || self.last.iter().find_map(|values| values.places.get(&place));
        let values = match (found.is_empty(), reason, last()) {
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
            Some(problem) if !self.last.iter().any(|values| values.certificates.contains(path)) => {
                return Some(problem);
            }
            Some(problem) => self.kept.push(problem),
            None => {}
        }
        self.next.certificates.insert(path.to_owned());
        None
    }

    /// The pair in these files: the one that was found, else the last one that was in them.
    pub(super) fn pair(
        &mut self,
        cert_file: &Path,
        key_file: &Path,
        found: Option<ServerCertificate>,
    ) -> Option<Arc<ServerCertificate>> {
        let files = (cert_file.to_owned(), key_file.to_owned());
        let last = self.last.iter().find_map(|values| values.pairs.get(&files));
        let pair = match (found, last) {
            (Some(found), Some(last)) if found == **last => Arc::clone(last),
            (Some(found), _) => Arc::new(found),
            (None, last) => Arc::clone(last?),
        };
        self.next.pairs.insert(files, Arc::clone(&pair));
        Some(pair)
    }

    /// Why values were kept since this was asked last.
    pub(super) fn take_kept(&mut self) -> Vec<String> {
        std::mem::take(&mut self.kept)
    }
}
