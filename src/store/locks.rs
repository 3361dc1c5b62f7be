//! Humans' locks as plain files, `STATE/locks/ROLLOUT.json`: they hold when the database does not, and can be written
//! by a command with no process running. `@all.json` locks every rollout; a running process turns it into one file
//! each.
//!
//! A file appears whole or not at all, and is on the disk when [`write_lock`] returns; it belongs to the owner of the
//! state directory, whoever wrote it. A file that cannot be read, or is no regular file, counts as a lock at 0, and a
//! folder that cannot be read as one for every rollout: in doubt users are served by stable. Removing a file by hand
//! unlocks nothing while a process runs; `serin resume` does.

use std::io;
use std::path::{Path, PathBuf};

use super::dir;
use super::dir_handle::{DirHandle, is_lasting, is_trusted, own_uid};
use crate::decide::rollout::state::Lock;
use crate::decide::typed_json::read_typed;
use crate::decide::units::{Percent, UnixMillis};

/// Below the state directory.
pub(super) const FOLDER: &str = "locks";
/// No rollout can be called so.
const EVERY: &str = "@all";
/// A lock is a few hundred bytes; anything much larger is none.
const LARGEST: u64 = 64 * 1024;

/// All locks that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocksFound {
    /// What locks every rollout.
    pub every: Option<Lock>,
    /// By rollout name, in order.
    pub rollouts: Vec<(String, Lock)>,
}

impl LocksFound {
    /// The lock that holds this rollout.
    #[must_use]
    pub fn of(&self, rollout: &str) -> Option<&Lock> {
        let own = self.rollouts.iter().find(|(name, _)| name == rollout).map(|(_, lock)| lock);
        match (own, self.every.as_ref()) {
            (Some(own), Some(every)) if every.to < own.to => Some(every),
            (own, every) => own.or(every),
        }
    }
}

/// Where a rollout's lock is kept; `None`: the one for every rollout.
#[must_use]
pub fn path(dir: &Path, rollout: Option<&str>) -> PathBuf {
    dir.join(FOLDER).join(format!("{}.json", rollout.unwrap_or(EVERY)))
}

/// Writes a lock and returns when it is on the disk. `dir` is the state directory; what is written belongs to its
/// owner.
pub fn write_lock(dir: &Path, rollout: Option<&str>, lock: &Lock) -> io::Result<()> {
    if let Some(name) = rollout.filter(|name| name.is_empty() || name.contains('/') || *name == EVERY) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is not a rollout's name")));
    }
    let state = DirHandle::open(dir)?;
    // Whose the service is cannot be seen in a directory of root: whoever may read there may read the locks.
    let shown = if (state.owner(), own_uid()) == (0, 0) { state.mode() } else { 0 };
    let folder = state.enter_or_make(FOLDER, 0o700 | (shown & 0o055))?;
    folder.put(&file_of(rollout), &serde_json::to_vec_pretty(lock)?, 0o600 | (shown & 0o044), true)
}

/// Removes a lock and returns when that is on the disk; none there is fine.
pub fn remove_lock(dir: &Path, rollout: Option<&str>) -> io::Result<()> {
    let folder = match DirHandle::open(dir).and_then(|state| state.enter(FOLDER)) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if folder.remove(&file_of(rollout))? { folder.sync() } else { Ok(()) }
}

/// Whether there is such a lock, readable or not.
pub fn is_there(dir: &Path, rollout: Option<&str>) -> io::Result<bool> {
    match DirHandle::open(dir).and_then(|state| state.enter(FOLDER)).and_then(|folder| folder.about(&file_of(rollout)))
    {
        Ok(found) => Ok(found.is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads all locks of a directory in which this process keeps its state; one that is not there holds none. An error:
/// they cannot be read, and nobody knows what is locked.
pub fn read_locks(dir: &Path) -> io::Result<LocksFound> {
    read_all(dir, dir::accept)
}

/// The same of a directory that may be another user's: for commands, which only tell of it.
pub fn read_locks_of_others(dir: &Path) -> io::Result<LocksFound> {
    read_all(dir, |_, _| Ok(()))
}

fn read_all(dir: &Path, accept: impl Fn(&DirHandle, &Path) -> io::Result<()>) -> io::Result<LocksFound> {
    let mut found = LocksFound::default();
    let state = match DirHandle::open(dir) {
        Ok(state) => state,
        // Where no directory can be, there is no lock.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    accept(&state, dir)?;
    let folder = match state.enter(FOLDER) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    if folder.owner() != state.owner() && !is_trusted(folder.owner()) {
        let why = format!("`{FOLDER}` belongs to the user {}", folder.owner());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    for name in folder.names()? {
        let Some(rollout) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
        // Removed between listing and reading: a resume.
        let Some(lock) = read(&folder, rollout, dir)? else { continue };
        match rollout {
            EVERY => found.every = Some(lock),
            _ => found.rollouts.push((rollout.to_owned(), lock)),
        }
    }
    found.rollouts.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found)
}

fn file_of(rollout: Option<&str>) -> String {
    format!("{}.json", rollout.unwrap_or(EVERY))
}

fn read(folder: &DirHandle, rollout: &str, dir: &Path) -> io::Result<Option<Lock>> {
    let why = match folder.read(file_of(Some(rollout)), LARGEST) {
        Ok(text) => match read_typed::<Lock>(&text) {
            Ok(lock) => return Ok(Some(lock)),
            Err(error) => error.to_string(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if is_lasting(&error) => error.to_string(),
        // Too many open files say nothing about this one.
        Err(error) => return Err(error),
    };
    Ok(Some(Lock {
        to: Percent::ZERO,
        at: UnixMillis(0),
        actor: "an unreadable lock file".to_owned(),
        reason: format!("{}: {why}", path(dir, Some(rollout)).display()),
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lock(hundredths: u16) -> Lock {
        let to = Percent::from_hundredths(hundredths).unwrap();
        Lock { to, at: UnixMillis(7), actor: "alice".to_owned(), reason: "slow \"answers\"\n".to_owned() }
    }

    #[test]
    fn a_lock_is_read_back_as_written_and_gone_when_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_locks(dir.path()).unwrap(), LocksFound::default());
        write_lock(dir.path(), Some("chat"), &lock(500)).unwrap();
        write_lock(dir.path(), Some("chat"), &lock(100)).unwrap();
        write_lock(dir.path(), None, &lock(0)).unwrap();
        let found = read_locks(dir.path()).unwrap();
        assert_eq!(found.rollouts, [("chat".to_owned(), lock(100))]);
        assert_eq!((found.of("chat"), found.of("other")), (Some(&lock(0)), Some(&lock(0))));
        remove_lock(dir.path(), None).unwrap();
        remove_lock(dir.path(), None).unwrap();
        let found = read_locks(dir.path()).unwrap();
        assert_eq!((found.of("chat"), found.of("other")), (Some(&lock(100)), None));
        // No draft is left behind.
        assert_eq!(fs::read_dir(dir.path().join("locks")).unwrap().count(), 1);
    }

    #[test]
    fn an_unreadable_file_locks_at_0_and_says_which() {
        let dir = tempfile::tempdir().unwrap();
        write_lock(dir.path(), Some("chat"), &lock(500)).unwrap();
        for text in
            [&b""[..], b"{\"to\": 500", b"\xff\xfe", b"{\"to\": 60000, \"at\": 1, \"actor\": \"\", \"reason\": \"\"}"]
        {
            fs::write(path(dir.path(), Some("chat")), text).unwrap();
            let found = read_locks(dir.path()).unwrap();
            let held = found.of("chat").unwrap();
            assert_eq!(held.to, Percent::ZERO);
            assert!(held.reason.contains("locks/chat.json: "), "{}", held.reason);
        }
        fs::remove_file(path(dir.path(), Some("chat"))).unwrap();
        fs::create_dir(path(dir.path(), Some("chat"))).unwrap();
        assert_eq!(read_locks(dir.path()).unwrap().of("chat").unwrap().to, Percent::ZERO);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("locks"), "a file in the way").unwrap();
        assert!(write_lock(dir.path(), Some("chat"), &lock(0)).is_err());
        // What was locked in a folder that stood there is not known.
        let error = read_locks(dir.path()).unwrap_err();
        assert_eq!(error.to_string(), "`locks` is a file and not a directory");
        assert!(is_lasting(&error));
        // Where no directory can be, nothing was locked.
        assert_eq!(read_locks(&dir.path().join("locks/state")).unwrap(), LocksFound::default());
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../chat", "a/b", "", "@all"] {
            assert_eq!(write_lock(dir.path(), Some(name), &lock(0)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
