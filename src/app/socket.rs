//! The Unix socket in the state directory: who may reach it is decided by its file's permissions, 0660.
//!
//! It is made under another name and renamed into place, so that a stale one of an earlier run is replaced at once and
//! nobody ever meets it with wider permissions. A path too long for a socket's address is reached through its
//! directory's descriptor, on both sides alike.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Its name in the state directory.
pub(super) const NAME: &str = "admin.sock";

/// The longest path that fits into a socket's address, with its end.
const LONGEST: usize = 107;

/// A bound socket; its file is removed when dropped.
#[derive(Debug)]
pub(super) struct Placed {
    path: PathBuf,
}

impl Drop for Placed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds `admin.sock` in a directory of which this process holds the lock.
pub(super) fn bind(dir: &Path) -> io::Result<(UnixListener, Placed)> {
    let path = dir.join(NAME);
    let making = dir.join(format!(".{NAME}.{}", std::process::id()));
    let _ = std::fs::remove_file(&making);
    let listener = by_short(&making, |short| UnixListener::bind(short))?;
    let placed =
        std::fs::set_permissions(&making, Permissions::from_mode(0o660)).and_then(|()| std::fs::rename(&making, &path));
    if let Err(error) = placed {
        let _ = std::fs::remove_file(&making);
        return Err(error);
    }
    Ok((listener, Placed { path }))
}

/// Connects to a socket, however long its path.
///
/// # Errors
/// Where nobody listens there, or it may not be reached.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    by_short(path, |short| UnixStream::connect(short))
}

fn by_short<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().as_bytes().len() <= LONGEST {
        return act(path);
    }
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return act(path) };
    let dir = File::open(dir)?;
    act(&PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn speak(dir: &Path) {
        let (listener, file) = bind(dir).unwrap();
        let path = dir.join(NAME);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        connect(&path).unwrap().write_all(b"hello").unwrap();
        let mut heard = String::new();
        listener.accept().unwrap().0.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "hello");
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_ours_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(dir.path().join(NAME)).unwrap());
        speak(dir.path());
    }

    #[test]
    fn a_path_too_long_for_an_address_works() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(150));
        std::fs::create_dir(&deep).unwrap();
        speak(&deep);
    }
}
