//! What a provider was asked: counts by path, model and user, bounded.
//!
//! Counted when a request has been read whole, before anything is answered: a request that the sidecar sent can
//! never be missing from it. A map that is full counts what is new under `(others)`.

use std::collections::BTreeMap;

// Where keys beyond the bound are counted.
const OTHERS: &str = "(others)";

const MOST_KEYS: usize = 100_000;

/// What a provider was asked since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Every request.
    pub requests: u64,
    /// Those that ask for something to be generated: every POST but uploads.
    pub generating: u64,
    /// Those among them that were made to fail.
    pub failed: u64,
    /// Every request by method and path: `POST /v1/chat/completions`.
    pub by_path: BTreeMap<String, u64>,
    /// Generating requests by model, as the provider was told it.
    pub by_model: BTreeMap<String, u64>,
    /// Generating requests by the user in their body.
    pub by_user: BTreeMap<String, u64>,
}

impl RequestCounts {
    /// Adds one to a key.
    pub(super) fn count(map: &mut BTreeMap<String, u64>, key: &str) {
        if let Some(count) = map.get_mut(key) {
            *count += 1;
        } else if map.len() < MOST_KEYS {
            map.insert(key.to_owned(), 1);
        } else {
            *map.entry(OTHERS.to_owned()).or_default() += 1;
        }
    }
}
