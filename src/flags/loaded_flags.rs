//! One reading of the file: the bytes that were there, what they mean, and a hash by which to know them again.
//!
//! The hash covers the secrets that the file refers to, so that equal hashes mean an equal policy. Refuses what is not
//! a regular file, which could block the reader permanently, and reads no more than the limit says. A file that
//! cannot be read is a reading too, with one error.

use std::fs::Metadata;
use std::hash::Hasher;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::decide::units::UnixMillis;

use super::compile::{Compiled, compile_noting};
use super::environment::{Environment, FileRead};
use super::error::FlagsError;
use super::{mask, text};

/// What is said of a file that is mounted by itself, once it was replaced.
const LEFT_BEHIND: &str = "this file was replaced at the source of its mount, and edits of the new file are not visible \
                           here: mount its directory instead of the file, and restart";

/// What one reading of flags.yaml gave.
#[derive(Clone, Debug)]
pub struct LoadedFlags {
    /// What it means, or every error.
    pub result: Result<Compiled, Vec<FlagsError>>,
    /// The text as it was read, unexpanded and unmasked; empty when unreadable.
    pub text: Arc<str>,
    /// A hash of the text and of the files that it refers to: equal hashes, equal meaning.
    pub hash: u64,
    /// When the file was last changed.
    pub modified: Option<UnixMillis>,
}

/// Reads a file once. Never fails: a file that cannot be read is a reading with an error.
#[must_use]
pub fn read(path: &Path, environment: &Environment) -> LoadedFlags {
    take(load(path), path, environment).0
}

/// Reads a text as if it were a file's.
#[must_use]
pub fn read_text(text: &str, environment: &Environment) -> LoadedFlags {
    let loaded = Loaded { bytes: Ok(text.as_bytes().to_vec()), modified: None, left_behind: false };
    take(loaded, Path::new("flags.yaml"), environment).0
}

/// A file's bytes as they were at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    /// The bytes, at most one more than is ever read, or why there are none.
    pub(super) bytes: Result<Vec<u8>, String>,
    /// When the file was last changed.
    pub(super) modified: Option<UnixMillis>,
    /// Whether it is mounted here by itself and has no name any more: it was replaced where it came from, and what took its
    /// place is never seen here.
    pub(super) left_behind: bool,
}

/// Loads a file; a large one only in part.
pub(super) fn load(path: &Path) -> Loaded {
    let open = || {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        // A FIFO or a device could block permanently.
        if !metadata.is_file() {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(text::LARGEST).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most).read_to_end(&mut bytes)?;
        // A file that is replaced at this moment has no name either, but then the path leads to another.
        let is_here = |now: Metadata| (now.dev(), now.ino()) == (metadata.dev(), metadata.ino());
        let left_behind = metadata.nlink() == 0 && std::fs::metadata(path).is_ok_and(is_here);
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified = modified.and_then(|since| u64::try_from(since.as_millis()).ok()).map(UnixMillis);
        Ok::<_, std::io::Error>((bytes, modified, left_behind))
    };
    match regular(path).and_then(|()| open()) {
        Ok((bytes, modified, left_behind)) => Loaded { bytes: Ok(bytes), modified, left_behind },
        Err(error) => Loaded { bytes: Err(error.to_string()), modified: None, left_behind: false },
    }
}

// Opening a FIFO waits for its writer, so the look comes before.
fn regular(path: &Path) -> std::io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() { Ok(()) } else { Err(std::io::Error::other("it is not a regular file")) }
}

/// What loaded bytes mean, and the files that were read for it.
pub(super) fn take(loaded: Loaded, path: &Path, environment: &Environment) -> (LoadedFlags, Vec<FileRead>) {
    let mut files = Vec::new();
    let loaded = understand(loaded, path, environment, &mut files);
    (loaded, files)
}

fn understand(loaded: Loaded, path: &Path, environment: &Environment, files: &mut Vec<FileRead>) -> LoadedFlags {
    let Loaded { bytes, modified, left_behind } = loaded;
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            let problem = format!("{} cannot be read: {error}", path.display());
            let remedy = "check that the file exists and that this user may read it";
            let hash = hash(&[problem.as_bytes()]);
            return LoadedFlags {
                result: Err(vec![FlagsError::whole(problem, remedy)]),
                text: "".into(),
                hash,
                modified,
            };
        }
    };
    match text::decode(&bytes) {
        Err(error) => {
            let lossy = String::from_utf8_lossy(&bytes);
            let source = if error.line > 0 { mask::line(&lossy, error.line) } else { String::new() };
            let hash = hash(&[&bytes]);
            LoadedFlags { result: Err(vec![FlagsError { source, ..error }]), text: "".into(), hash, modified }
        }
        Ok(text) => {
            let mut result = compile_noting(text, environment, files);
            if left_behind && let Ok(compiled) = &mut result {
                compiled.warnings.push(LEFT_BEHIND.to_owned());
            }
            let hashes: Vec<[u8; 8]> = files.iter().map(|file| file.hash.to_ne_bytes()).collect();
            let mut parts = vec![text.as_bytes()];
            parts.extend(hashes.iter().map(<[u8; 8]>::as_slice));
            if left_behind {
                parts.push(LEFT_BEHIND.as_bytes());
            }
            let hash = hash(&parts);
            LoadedFlags { result, text: text.into(), hash, modified }
        }
    }
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    for part in parts {
        hasher.write(part);
        hasher.write_usize(part.len());
    }
    hasher.finish()
}
