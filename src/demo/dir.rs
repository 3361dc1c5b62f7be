//! The directory of the demo: its flags file and its state.
//!
//! Owns a directory of the demo's own making and removes it at the end, after a panic too. A directory that the user
//! names stays.

use std::path::{Path, PathBuf};

use super::error::{DemoError, at};
use crate::clock;

/// The directory, removed at the end when it is ours.
pub(super) struct DemoDir {
    pub(super) dir: PathBuf,
    pub(super) ours: bool,
}

impl DemoDir {
    pub(super) fn new(dir: Option<&Path>) -> Result<DemoDir, DemoError> {
        let ours = dir.is_none();
        let dir = dir.map_or_else(
            || std::env::temp_dir().join(format!("serin-demo-{}-{:x}", std::process::id(), clock::unix().0)),
            Path::to_owned,
        );
        std::fs::create_dir_all(&dir).map_err(at(format!("creating {}", dir.display())))?;
        Ok(DemoDir { dir, ours })
    }
}

impl Drop for DemoDir {
    fn drop(&mut self) {
        if self.ours {
            // What cannot be removed is a few small files below the system's own temporary directory.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_no_directory_behind() {
        let mut dir = PathBuf::new();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let stage = DemoDir::new(None).unwrap();
            std::fs::write(stage.dir.join("flags.yaml"), "").unwrap();
            dir.clone_from(&stage.dir);
            std::panic::resume_unwind(Box::new("anything"));
        }));
        assert!(ended.is_err() && dir.is_absolute() && !dir.exists());
    }

    #[test]
    fn a_directory_of_its_own_goes_and_a_given_one_stays() {
        let own = DemoDir::new(None).unwrap();
        let path = own.dir.clone();
        assert!(path.is_dir());
        drop(own);
        assert!(!path.exists());
        let given = tempfile::tempdir().unwrap();
        let inside = given.path().join("demo");
        drop(DemoDir::new(Some(&inside)).unwrap());
        assert!(inside.is_dir());
    }
}
