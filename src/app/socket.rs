//! The Unix socket in the state directory: who may reach it is decided by its file's permissions, 0660.
//!
//! It is made under another name and renamed into place, so that a stale one of an earlier run is replaced at once and
//! nobody ever meets it with wider permissions. It is reached through its directory's descriptor, on both sides alike:
//! so its path may be longer than a socket's address, and nothing that was put in its place is followed.

use std::fs::Permissions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::store::dir_handle::{DirHandle, random_name};

/// Its name in the state directory.
pub(super) const NAME: &str = "admin.sock";

/// A bound socket; its file is removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    dir: DirHandle,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What is left behind is replaced by the next start.
        let _ = self.dir.remove(NAME);
    }
}

/// Binds `admin.sock` in a directory of which this process holds the lock.
pub(super) fn bind(dir: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let dir = DirHandle::open(dir)?;
    let making = random_name(NAME);
    let at = dir.path_of(&making);
    let listener = UnixListener::bind(&at)?;
    let placed = std::fs::set_permissions(&at, Permissions::from_mode(0o660)).and_then(|()| dir.rename(&making, NAME));
    if let Err(error) = placed {
        let _ = dir.remove(&making);
        return Err(error);
    }
    Ok((listener, SocketFile { dir }))
}

/// Connects to a socket, however long its path, and to what lies there itself: a link is not followed.
///
/// # Errors
/// Where nobody listens there, or it may not be reached.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return UnixStream::connect(path) };
    let socket = DirHandle::open(dir)?.socket_in(name)?;
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd()))
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
