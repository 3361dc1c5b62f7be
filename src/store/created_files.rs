//! What a start makes on the disk before it is known whether it succeeds, so that one that fails leaves nothing behind.
//!
//! Looks before anything is made, and removes only what was not there then: the database, the lock, and the directories
//! on the way. Whatever else lies in them stays, and so do they; and so does all where the state of an earlier version
//! may be brought over, which is somebody's. Invariant: nothing is removed but while this process holds the directory,
//! so that nobody else has begun to use it.

use std::path::{Path, PathBuf};

use super::dir::{self, LOCK_FILE};
use super::dir_handle::DirHandle;
use super::sqlite;

/// What was not there.
#[derive(Debug)]
pub struct CreatedFiles {
    dir: PathBuf,
    files: Vec<String>,
    // The innermost first.
    dirs: Vec<PathBuf>,
}

impl CreatedFiles {
    /// Looks at the directory that was named for state.
    #[must_use]
    pub fn look(named: &Path) -> CreatedFiles {
        let dir = dir::state_dir_in(named);
        let is_absent = |path: &Path| {
            let found = path.symlink_metadata();
            found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        if dir != named && !is_absent(&named.join(sqlite::FILE)) {
            return CreatedFiles { files: Vec::new(), dirs: Vec::new(), dir };
        }
        let names = [sqlite::FILE.to_owned(), format!("{}-journal", sqlite::FILE), LOCK_FILE.to_owned()];
        let files = names.into_iter().filter(|name| is_absent(&dir.join(name))).collect();
        let dirs = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && is_absent(dir));
        CreatedFiles { files, dirs: dirs.map(Path::to_owned).collect(), dir }
    }

    /// Removes what is there now. What cannot be removed stays: the start has failed for a reason of its own.
    pub fn remove(&self) {
        let Ok(folder) = DirHandle::open(&self.dir) else { return };
        for name in &self.files {
            let _ = folder.remove(name);
        }
        for dir in &self.dirs {
            // One that is not empty is somebody's.
            if std::fs::remove_dir(dir).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::units::UnixMillis;

    #[test]
    fn what_was_made_goes_and_what_was_there_stays() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("var/lib/serin");
        let traces = CreatedFiles::look(&state);
        let opened = super::super::open(&state, UnixMillis(1)).unwrap();
        assert!(state.join(sqlite::FILE).exists() && state.join(LOCK_FILE).exists());
        traces.remove();
        drop(opened);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);

        drop(super::super::open(&state, UnixMillis(1)).unwrap());
        std::fs::write(state.join("mine"), "").unwrap();
        std::fs::remove_file(state.join(LOCK_FILE)).unwrap();
        let traces = CreatedFiles::look(&state);
        let opened = super::super::open(&state, UnixMillis(1)).unwrap();
        traces.remove();
        drop(opened);
        assert!(state.join(sqlite::FILE).exists() && state.join("mine").exists() && !state.join(LOCK_FILE).exists());
    }

    #[test]
    fn what_is_brought_over_from_an_earlier_version_stays() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let named = root.path().join("state");
        drop(super::super::open(&named, UnixMillis(1)).unwrap());
        // From now on others may write there, as into a volume of Kubernetes.
        std::fs::set_permissions(&named, std::fs::Permissions::from_mode(0o777)).unwrap();
        let traces = CreatedFiles::look(&named);
        let opened = super::super::open(&named, UnixMillis(2)).unwrap();
        assert_eq!(opened.dir, named.join("serin"));
        assert!(opened.dir.join(sqlite::FILE).exists() && !named.join(sqlite::FILE).exists());
        traces.remove();
        assert!(opened.dir.join(sqlite::FILE).exists());
    }
}
