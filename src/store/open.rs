//! From a directory that was named to an open store.
//!
//! Owns the order: the place is found and claimed, state of an earlier version is moved to it, then the database is
//! opened. A directory that cannot be written ends no start. Invariant: nothing is opened in a directory that another
//! process holds.

use std::path::Path;

use super::dir::{self, AlreadyRunning};
use super::migrate::{MigrationError, migrate_state};
use super::opened::OpenedStore;
use super::{mount, sqlite};
use crate::decide::units::UnixMillis;

/// Finds the place in the directory that was named, claims it and opens what is in it. `now` stamps what has to be set
/// aside.
pub fn open(named: &Path, now: UnixMillis) -> Result<OpenedStore, AlreadyRunning> {
    let dir = dir::state_dir_in(named);
    let claim = dir::claim(&dir)?;
    let brought = if claim.error.is_none() { migrate_state(named, &dir) } else { Ok(None) };
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
