//! The state directory: where it is, and that one process alone writes into it.
//!
//! The claim is an exclusive lock on `serin.lock`, which the kernel lifts when the process ends, however it ends; the
//! file's text is the process id, for the message of whoever comes second. A directory that cannot be made or written
//! is no error here: the process runs, and says so.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file that carries the lock and the process id.
pub const LOCK_FILE: &str = "serin.lock";

/// A state directory that this process alone may write, as long as this lives.
#[derive(Debug)]
pub struct Claim {
    /// Why it cannot be written; `None`: it can.
    pub error: Option<String>,
    lock: Option<File>,
}

impl Claim {
    /// Whether the directory is this process's, although it may not be writable.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lock.is_some()
    }
}

/// Another process has the directory.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state directory {} is in use by another serin (process {pid}): stop that one first, or give this one a \
     directory of its own with `state:` or SERIN_STATE", .dir.display()
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

/// Takes the directory, making it (0700) where it is missing.
pub fn claim(dir: &Path) -> Result<Claim, AlreadyRunning> {
    let failed = |error: std::io::Error| Claim { error: Some(error.to_string()), lock: None };
    if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        return Ok(failed(error));
    }
    let path = dir.join(LOCK_FILE);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let (mut file, error) = match opened {
        Ok(file) => (file, None),
        // Whoever cannot write can still find out that another process runs here.
        Err(error) => match File::open(&path) {
            Ok(file) => (file, Some(error.to_string())),
            Err(_) => return Ok(failed(error)),
        },
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // An unreadable id is told as unknown.
            let _ = file.read_to_string(&mut pid);
            let pid = pid.trim();
            let pid = if pid.is_empty() { "unknown" } else { pid }.to_owned();
            return Err(AlreadyRunning { dir: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Ok(Claim { error: Some(error.to_string()), lock: None }),
    }
    let error = error.or_else(|| sign(&mut file).err().map(|error| error.to_string()));
    Ok(Claim { error, lock: Some(file) })
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
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
