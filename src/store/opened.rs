//! An open store, with all that a start has to know of it.
//!
//! Owns what is handed to the start: the store, what it held, and what was unusual about it. Opens nothing: how a
//! directory becomes an open store is [`open`](mod@super::open)'s. Invariant: without a directory the state is kept in
//! memory.

use std::path::PathBuf;

use super::batch::Store;
use super::dir::DirLock;
use super::memory;
use crate::decide::ephemeral::Ephemeral;
use crate::decide::notification::QueuedNotification;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::state::state_ids::KeptStateIds;

/// An open store and what it held.
pub struct OpenedStore {
    /// The directory that it is in: the one that was named, or one in that one.
    pub dir: PathBuf,
    /// Where state is kept from now on.
    pub store: Box<dyn Store>,
    /// What was found unusual, one sentence each, for log and status.
    pub notes: Vec<String>,
    /// The states of all rollouts that were ever seen.
    pub states: Vec<(Identity, RolloutState)>,
    /// Notifications that an earlier process left.
    pub notifications: Vec<QueuedNotification>,
    /// The newest incident report of each rollout: the rollout's name and the report's id.
    pub incidents: Vec<(String, String)>,
    /// The last good flags.yaml, as it was read.
    pub last_good: Option<String>,
    /// What was known of the providers' keys, as control wrote it.
    pub keys: Option<String>,
    /// What was known of copies to canaries, as control wrote it.
    pub copies: Option<String>,
    /// Which provider keeps what an id stands for.
    pub state_ids: KeptStateIds,
    /// Why nothing can be written; `None`: it can.
    pub error: Option<String>,
    /// Whether an earlier state was there and could not be read: no ramp may climb as if nothing had happened.
    pub state_lost: bool,
    /// Why the directory does not last, where that is known.
    pub ephemeral: Option<Ephemeral>,
    /// Held as long as the process lives.
    pub claim: Option<DirLock>,
}

impl OpenedStore {
    /// Nothing known, kept in memory only. `error`: why it cannot be written.
    #[must_use]
    pub fn in_memory(error: Option<String>) -> OpenedStore {
        OpenedStore {
            dir: PathBuf::new(),
            store: Box::new(memory::MemoryStore::new(Vec::new(), error.clone())),
            notes: Vec::new(),
            states: Vec::new(),
            notifications: Vec::new(),
            incidents: Vec::new(),
            last_good: None,
            keys: None,
            copies: None,
            state_ids: KeptStateIds::default(),
            error,
            state_lost: false,
            ephemeral: None,
            claim: None,
        }
    }
}

impl std::fmt::Debug for OpenedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("notes", &self.notes).field("error", &self.error).finish_non_exhaustive()
    }
}
