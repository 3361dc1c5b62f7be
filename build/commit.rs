//! Which commit a checkout is at, for the build script.
//!
//! Asks git and believes nothing else. Whatever goes wrong (no git, no checkout, one that belongs to somebody else) is
//! "unknown", never a failure. Sources that differ from the commit are said to: a version that names a commit is made of
//! that commit.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the binary is made of.
pub(crate) const SOURCES: [&str; 5] = ["src", "build", "build.rs", "Cargo.toml", "Cargo.lock"];

/// The commit, abbreviated, with `-modified` where the sources are not those of the commit.
pub(crate) fn of(checkout: &Path) -> String {
    commit(checkout).unwrap_or_else(|| "unknown".to_owned())
}

fn commit(checkout: &Path) -> Option<String> {
    // A folder below somebody else's checkout, such as a vendored copy, is at no commit of its own.
    let top = git(checkout, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != checkout.canonicalize().ok()? {
        return None;
    }
    let commit = git(checkout, &["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(checkout, &[&["status", "--porcelain", "--"][..], &SOURCES].concat())?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-modified") })
}

/// The files of git that change when the checkout moves to another commit.
pub(crate) fn moves(checkout: &Path) -> Vec<PathBuf> {
    let paths = ["HEAD", "logs/HEAD"].iter().filter_map(|name| git(checkout, &["rev-parse", "--git-path", name]));
    paths.map(|path| checkout.join(path)).filter(|path| path.exists()).collect()
}

fn git(checkout: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(checkout).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
