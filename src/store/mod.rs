//! What lasts: the state of every rollout, the append-only history, the last good flags.yaml, and humans' locks.
//!
//! [`open`] claims a state directory ([`dir`]) and opens its database ([`sqlite`]), which it makes this version's where
//! it is an earlier one's ([`upgrade`]); where that cannot be written the process goes on with what could be read, says
//! so, and tries again with every write ([`retrying`]). The history is looked through once it runs ([`history_check`]).
//! A start that fails takes back what it made ([`created_files`]). Writes are handed over and answered later: a store
//! never makes its caller wait, and is never on a request's path. Locks are kept a second time as plain files
//! ([`locks`]) that work without the database and without a running process. Invariant: what was acknowledged is on the
//! disk; a batch is written whole or not at all.

pub mod created_files;
pub mod dir;
pub mod dir_handle;
mod history_check;
pub mod locks;
pub mod memory;
pub mod mount;
mod retrying;
pub mod sqlite;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::decide::ephemeral::Ephemeral;
use crate::decide::event::Event;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::units::UnixMillis;
use dir::{AlreadyRunning, DirLock, MigrationError};

/// What is written together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The newest state of each rollout that changed.
    pub states: Vec<(Identity, RolloutState)>,
    /// Added to the history, in this order.
    pub events: Vec<Event>,
    /// The text of the flags.yaml that was accepted last.
    pub last_good: Option<Arc<str>>,
}

/// Where state is kept.
pub trait Store: Send {
    /// Hands a batch over; the answer comes when it is on the disk, or why it is not.
    fn save(&self, batch: Batch) -> oneshot::Receiver<Result<(), String>>;

    /// The history, newest first, of one rollout or of all, at most `limit` events.
    fn history(&self, rollout: Option<String>, limit: u32) -> oneshot::Receiver<Result<Vec<Event>, String>>;
}

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
    /// The last good flags.yaml, as it was read.
    pub last_good: Option<String>,
    /// Why nothing can be written; `None`: it can.
    pub error: Option<String>,
    /// Whether an earlier state was there and could not be read: no ramp may climb as if nothing had happened.
    pub state_lost: bool,
    /// Why the directory does not last, where that is known.
    pub ephemeral: Option<Ephemeral>,
    /// Held as long as the process lives.
    pub claim: Option<DirLock>,
}

/// Finds the place in the directory that was named, claims it and opens what is in it. `now` stamps what has to be set
/// aside.
pub fn open(named: &Path, now: UnixMillis) -> Result<OpenedStore, AlreadyRunning> {
    let dir = dir::state_dir_in(named);
    let claim = dir::claim(&dir)?;
    let brought = if claim.error.is_none() { dir::migrate_state(named, &dir) } else { Ok(None) };
    let (note, stays) = match brought {
        Ok(note) => (note, None),
        Err(MigrationError::Running(running)) => return Err(running),
        Err(MigrationError::Failed(why)) => {
            let named = named.display();
            (None, Some(format!("the state in {named}, where others may write, cannot be moved: {why}")))
        }
    };
    let mut opened = match claim.error.clone().or_else(|| stays.clone()) {
        None => sqlite::open(&dir, now),
        Some(error) => sqlite::open_unwritable(&dir, error, claim.is_held()),
    };
    opened.notes.extend(note);
    opened.state_lost |= stays.is_some();
    opened.ephemeral = mount::ephemeral(&dir);
    (opened.claim, opened.dir) = (Some(claim), dir);
    Ok(opened)
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
            last_good: None,
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
