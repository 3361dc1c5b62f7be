//! Brings the state that an earlier version kept where others may write to its place of today.
//!
//! Owns the move and its order: the database comes last, so that a move that was broken off goes on with the next
//! start. Moves nothing that a running process holds, and nothing of another user. Invariant: nothing at the new place is
//! written over.

use std::fs::TryLockError;
use std::io;
use std::path::Path;

use super::dir::{AlreadyRunning, LARGEST, LOCK_FILE, pid_in, take};
use super::dir_handle::{DirHandle, is_trusted};
use super::{locks, sqlite};

/// Brings the state that an earlier version kept in a directory into which others may write to its new place, and says
/// so. `own` is claimed.
pub(super) fn migrate_state(named: &Path, own: &Path) -> Result<Option<String>, MigrationError> {
    if named == own {
        return Ok(None);
    }
    let failed = |error: io::Error| MigrationError::Failed(error.to_string());
    let (from, to) = (DirHandle::open(named).map_err(failed)?, DirHandle::open(own).map_err(failed)?);
    let ours =
        |folder: &DirHandle, name: &str| folder.about(name).map(|found| found.is_some_and(|(uid, _)| is_trusted(uid)));
    if !ours(&from, sqlite::FILE).map_err(failed)? || to.about(sqlite::FILE).map_err(failed)?.is_some() {
        return Ok(None);
    }
    if let Ok(lock) = from.file_in(LOCK_FILE, LARGEST)
        && matches!(take(&lock), Err(TryLockError::WouldBlock))
    {
        return Err(MigrationError::Running(AlreadyRunning { dir: named.to_owned(), pid: pid_in(&from) }));
    }
    // The database last: while it is still there, the next start goes on.
    let journal = format!("{}-journal", sqlite::FILE);
    for name in [locks::FOLDER, &journal, sqlite::FILE] {
        let wanted = ours(&from, name).map_err(failed)? && to.about(name).map_err(failed)?.is_none();
        if wanted {
            from.move_to(name, &to).map_err(failed)?;
        }
    }
    to.sync().and_then(|()| from.sync()).map_err(failed)?;
    Ok(Some(format!(
        "others may write into {}: the state that was kept there is kept in {} from now on",
        named.display(),
        own.display()
    )))
}

/// Why state was not brought over.
#[derive(Debug)]
pub(super) enum MigrationError {
    /// An earlier version runs there.
    Running(AlreadyRunning),
    /// The disk refuses.
    Failed(String),
}
