//! The state directory: where it is, and that one process alone writes into it.
//!
//! The claim is an exclusive lock on `serin.lock`, which the kernel lifts when the process ends, however it ends; the
//! file's text is the process id, for the message of whoever comes second. A directory that cannot be made or written
//! is no error here: the process runs, and says so. Nor is one that belongs to a third user: it is not used. Where
//! others may write, as in a temporary directory, state has a directory of its own, `serin`, which its owner alone may
//! enter.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dir_handle::{DirHandle, is_trusted, own_uid};
use super::{locks, sqlite};

/// The file that carries the lock and the process id.
pub const LOCK_FILE: &str = "serin.lock";
/// The directory of its own in one that others may write into.
const OWN: &str = "serin";
/// A process id has a few digits.
const LARGEST: u64 = 64;
/// How often a lock that somebody holds is tried again.
const TRIES: u32 = 5;
/// The pause before.
const BETWEEN: Duration = Duration::from_millis(5);

/// A state directory that this process alone may write, as long as this lives.
#[derive(Debug)]
pub struct DirLock {
    /// Why it cannot be written; `None`: it can.
    pub error: Option<String>,
    lock: Option<File>,
    // It carries a lock too.
    #[expect(dead_code, reason = "held for its lock")]
    folder: Option<DirHandle>,
}

impl DirLock {
    /// Whether the directory is this process's, although it may not be writable.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lock.is_some()
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state directory {} is in use by another serin (process {pid}): stop it first, or choose another directory \
     with `state:` or SERIN_STATE", .dir.display()
)]
pub struct AlreadyRunning {
    /// The directory.
    pub dir: PathBuf,
    /// The other's process id, or `unknown`.
    pub pid: String,
}

/// Where state is kept: as given, else $STATE_DIRECTORY, else $XDG_STATE_HOME/serin, else ./state.
#[must_use]
pub fn resolve(given: Option<&Path>, env: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    if let Some(dir) = given {
        return dir.to_owned();
    }
    if let Some(dirs) = set("STATE_DIRECTORY") {
        // systemd gives several, parted by colons, where several are configured.
        let text = dirs.to_string_lossy();
        return PathBuf::from(text.split(':').next().unwrap_or_default());
    }
    set("XDG_STATE_HOME").map_or_else(|| PathBuf::from("state"), |home| PathBuf::from(home).join("serin"))
}

/// Where state lies for a directory that was named: in it, or, where others may write into it, in a directory of its
/// own there. Nobody else can prepare what is in that one.
#[must_use]
pub fn state_dir_in(named: &Path) -> PathBuf {
    match DirHandle::open(named) {
        Ok(folder) if folder.is_shared() => named.join(OWN),
        _ => named.to_owned(),
    }
}

/// Whether state is kept in a directory: one of root's or of this user's, into which nobody else may write.
pub fn accept(folder: &DirHandle, dir: &Path) -> io::Result<()> {
    let (dir, own) = (dir.display(), own_uid());
    let why = if !is_trusted(folder.owner()) {
        format!(
            "it belongs to the user {}, and serin, which runs as the user {own}, keeps its state only in a directory \
             of root or of its own user: `chown -R {own} {dir}`, or name another directory with `state:` or \
             SERIN_STATE",
            folder.owner()
        )
    } else if folder.is_shared() {
        format!("others may write into it: `chmod go-w {dir}`, then start serin again")
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Takes the directory, making it (0700) where it is missing.
pub fn claim(dir: &Path) -> Result<DirLock, AlreadyRunning> {
    let failed = |error: io::Error| DirLock { error: Some(error.to_string()), lock: None, folder: None };
    let folder = match DirHandle::make(dir, 0o700).and_then(|folder| accept(&folder, dir).map(|()| folder)) {
        Ok(folder) => folder,
        Err(error) => return Ok(failed(error)),
    };
    let (mut file, error) = match folder.file_to_write(LOCK_FILE, 0o600) {
        Ok(file) => (file, None),
        // Whoever cannot write can still find out that another process runs here.
        Err(error) => match folder.file_in(LOCK_FILE, LARGEST) {
            Ok(file) => (file, Some(error.to_string())),
            Err(_) => return Ok(failed(error)),
        },
    };
    // The directory as well, in case somebody removes the file; nobody else may be able to open it for that.
    let held = [Some(&file), (folder.mode() & 0o044 == 0).then(|| folder.file())];
    for lock in held.into_iter().flatten() {
        match take(lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(AlreadyRunning { dir: dir.to_owned(), pid: pid_in(&folder) });
            }
            Err(TryLockError::Error(error)) => return Ok(failed(error)),
        }
    }
    let error = error.or_else(|| sign(&mut file).err().map(|error| error.to_string()));
    Ok(DirLock { error, lock: Some(file), folder: Some(folder) })
}

// A command that looks who runs here holds the lock for a moment.
fn take(file: &File) -> Result<(), TryLockError> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(BETWEEN),
            other => return other,
        }
    }
    file.try_lock()
}

/// Whether a process holds this directory, and its process id as it wrote it.
#[must_use]
pub fn holder(dir: &Path) -> Option<String> {
    let folder = DirHandle::open(dir).ok()?;
    let file = folder.file_in(LOCK_FILE, LARGEST).ok();
    let held = [file.as_ref(), (folder.mode() & 0o044 == 0).then(|| folder.file())];
    let is_held = |file: &File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    held.into_iter().flatten().any(is_held).then(|| pid_in(&folder))
}

fn pid_in(folder: &DirHandle) -> String {
    // An unreadable id is told as unknown.
    let text = folder.read(LOCK_FILE, LARGEST).unwrap_or_default();
    let pid = String::from_utf8_lossy(&text).trim().to_owned();
    if pid.is_empty() { "unknown".to_owned() } else { pid }
}

/// Brings the state that an earlier version kept in a directory into which others may write to its new place, and says
/// so. `own` is claimed.
pub fn migrate_state(named: &Path, own: &Path) -> Result<Option<String>, MigrationError> {
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
pub enum MigrationError {
    /// An earlier version runs there.
    Running(AlreadyRunning),
    /// The disk refuses.
    Failed(String),
}

fn sign(file: &mut File) -> std::io::Result<()> {
    let text = format!("{}\n", std::process::id());
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    // Cut to its length, and not to nothing before: giving a block back and taking another waits for the disk.
    file.set_len(text.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn resolved(vars: &[(&str, &str)]) -> PathBuf {
        resolve(None, |name| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_place_is_found_in_order() {
        assert_eq!(resolve(Some(Path::new("/a")), |_| Some("/b".into())), Path::new("/a"));
        let all = [("STATE_DIRECTORY", "/var/lib/serin:/var/lib/other"), ("XDG_STATE_HOME", "/home/me/.local/state")];
        assert_eq!(resolved(&all), Path::new("/var/lib/serin"));
        assert_eq!(resolved(&all[1..]), Path::new("/home/me/.local/state/serin"));
        assert_eq!(resolved(&[("STATE_DIRECTORY", "")]), Path::new("state"));
    }

    #[test]
    fn a_second_claim_is_refused_and_names_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let first = claim(dir.path()).unwrap();
        assert_eq!(first.error, None);
        let refused = claim(dir.path()).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains(&format!("in use by another serin (process {})", std::process::id())), "{text}");
        assert!(text.contains("SERIN_STATE"), "{text}");
        drop(first);
        assert!(claim(dir.path()).is_ok());
    }

    #[test]
    fn the_directory_is_made_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        let claim = claim(&dir).unwrap();
        assert_eq!(claim.error, None);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_place_that_cannot_be_made_is_told_and_not_fatal() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(claim(&file.join("state")).unwrap().error.is_some());
    }
}
