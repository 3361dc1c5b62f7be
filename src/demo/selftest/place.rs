//! Where the file and the state of a selftest are: a private directory, or nowhere.
//!
//! Owns the directory and removes it at the end, after a panic too. Where no directory can be written, the file is a
//! piece of memory that the system shows as a file, and the sidecar runs without state. Invariant: nothing of another
//! sidecar is touched, and no other command finds this one.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::app;
use crate::app::registry::Registry;
use crate::clock;

/// Nothing can be made below it.
const NOWHERE: &str = "/dev/null/serin-selftest";

/// The place; removed when dropped.
pub(super) struct Place {
    dir: Option<PathBuf>,
    flags: PathBuf,
    _memory: Option<File>,
}

impl Place {
    /// Writes the file into a new directory below the first of these that takes one, else into memory.
    pub(super) fn with(text: &str, below: &[PathBuf]) -> io::Result<Place> {
        for below in below {
            let dir = below.join(format!("serin-selftest-{}-{:x}", std::process::id(), clock::unix().0));
            if DirBuilder::new().mode(0o700).create(&dir).is_err() {
                continue;
            }
            let place = Place { flags: dir.join("flags.yaml"), dir: Some(dir), _memory: None };
            if std::fs::write(&place.flags, text).is_ok() {
                return Ok(place);
            }
        }
        in_memory(text)
    }

    /// What starts the sidecar here.
    pub(super) fn options(&self) -> app::Options {
        let dir = self.dir.as_deref().unwrap_or(Path::new(NOWHERE));
        app::Options {
            state: Some(dir.join("state")),
            registry: Registry::at(dir.join("run")),
            strict: true,
            ..app::Options::new(self.flags.clone())
        }
    }
}

/// Where files may be made for a while.
pub(super) fn usual() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    [Some(std::env::temp_dir()), runtime, Some(PathBuf::from("/dev/shm"))].into_iter().flatten().collect()
}

#[cfg(target_os = "linux")]
fn in_memory(text: &str) -> io::Result<Place> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let mut file = File::from(memfd_create("serin-selftest", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    let flags = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok(Place { dir: None, flags, _memory: Some(file) })
}

#[cfg(not(target_os = "linux"))]
fn in_memory(_: &str) -> io::Result<Place> {
    Err(io::Error::other("no directory for temporary files can be written"))
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            // What cannot be removed is a few small files below the system's own temporary directory.
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_is_private_and_goes() {
        let below = tempfile::tempdir().unwrap();
        let missing = below.path().join("missing");
        let place = Place::with("a: 1\n", &[missing, below.path().to_owned()]).unwrap();
        let dir = place.dir.clone().unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_to_string(&place.options().flags).unwrap(), "a: 1\n");
        assert!(place.options().state.unwrap().starts_with(&dir));
        drop(place);
        assert!(!dir.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn where_nothing_can_be_written_memory_does() {
        let place = Place::with("a: 1\n", &[PathBuf::from("/proc")]).unwrap();
        assert_eq!(place.dir, None);
        assert_eq!(std::fs::read_to_string(&place.options().flags).unwrap(), "a: 1\n");
    }
}
