//! Humans' locks as plain files, `STATE/locks/ROLLOUT.json`: they hold when the database does not, and can be written
//! by a command with no process running. `@all.json` locks every rollout; a running process turns it into one file
//! each.
//!
//! A file appears whole or not at all, and is on the disk when [`write_lock`] returns. A file that cannot be read
//! counts as a lock at 0: in doubt users are served by stable. Removing a file by hand unlocks nothing while a process
//! runs; `serin resume` does.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::decide::rollout::state::Lock;
use crate::decide::units::{Percent, UnixMillis};

/// Below the state directory.
const FOLDER: &str = "locks";
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

/// Writes a lock and returns when it is on the disk. `dir` is the state directory.
pub fn write_lock(dir: &Path, rollout: Option<&str>, lock: &Lock) -> io::Result<()> {
    let target = path(dir, rollout);
    let folder = dir.join(FOLDER);
    if let Some(name) = rollout.filter(|name| name.is_empty() || name.contains('/') || *name == EVERY) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no rollout's name")));
    }
    if !folder.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        File::open(dir)?.sync_all()?;
    }
    // Two writers at a time (a process and a command) must not share a draft.
    let draft = folder.join(format!(".{}.{}.draft", rollout.unwrap_or(EVERY), std::process::id()));
    let written = put(&draft, &serde_json::to_vec_pretty(lock)?).and_then(|()| fs::rename(&draft, &target));
    if written.is_err() {
        // What matters is why writing failed.
        let _ = fs::remove_file(&draft);
    }
    written?;
    File::open(&folder)?.sync_all()
}

fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Removes a lock and returns when that is on the disk; none there is fine.
pub fn remove_lock(dir: &Path, rollout: Option<&str>) -> io::Result<()> {
    match fs::remove_file(path(dir, rollout)) {
        Ok(()) => File::open(dir.join(FOLDER))?.sync_all(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads all locks; a directory that is not there holds none.
pub fn read_locks(dir: &Path) -> io::Result<LocksFound> {
    let mut found = LocksFound::default();
    let entries = match fs::read_dir(dir.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let Some(rollout) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
        let file = dir.join(FOLDER).join(&name);
        // Removed between listing and reading: a resume.
        let Some(lock) = read(&file) else { continue };
        match rollout {
            EVERY => found.every = Some(lock),
            _ => found.rollouts.push((rollout.to_owned(), lock)),
        }
    }
    found.rollouts.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found)
}

fn read(file: &Path) -> Option<Lock> {
    let text = match fs::metadata(file) {
        Ok(about) if about.len() > LARGEST => Err("it is too large".to_owned()),
        _ => fs::read(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => String::new(),
            _ => error.to_string(),
        }),
    };
    let lock = match text {
        Err(gone) if gone.is_empty() => return None,
        other => other.and_then(|text| serde_json::from_slice::<Lock>(&text).map_err(|error| error.to_string())),
    };
    Some(lock.unwrap_or_else(|why| Lock {
        to: Percent::ZERO,
        at: UnixMillis(0),
        actor: "an unreadable lock file".to_owned(),
        reason: format!("{}: {why}", file.display()),
    }))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(read_locks(dir.path()).unwrap(), LocksFound::default());
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../chat", "a/b", "", "@all"] {
            assert_eq!(write_lock(dir.path(), Some(name), &lock(0)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
