//! `serin --version` names what it was built from, and a build without git is a build all the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot run git or the binary has failed")]

#[path = "../build/commit.rs"]
mod commit;

use std::path::Path;
use std::process::Command;

fn git(at: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
    let status = Command::new("git").arg("-C").arg(at).args(identity).args(arguments).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

#[test]
fn the_binary_says_version_commit_features_and_target() {
    let output = Command::new(env!("CARGO_BIN_EXE_serin")).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rest = text.strip_prefix(concat!("serin ", env!("CARGO_PKG_VERSION"), " (commit ")).unwrap();
    let (commit, rest) = rest.split_once(", features: ").unwrap();
    let hash = commit.strip_suffix("-modified").unwrap_or(commit);
    let is_hash = hash.len() >= 12 && hash.chars().all(|digit| digit.is_ascii_hexdigit());
    assert!(is_hash || hash == "unknown", "{text}");
    assert!(rest.contains(std::env::consts::ARCH) && rest.ends_with(")\n"), "{text}");
}

#[test]
fn outside_a_checkout_the_commit_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(commit::of(dir.path()), "unknown");
    assert!(commit::moves(dir.path()).is_empty());
    // A copy below somebody else's checkout is at none of its commits.
    git(dir.path(), &["init", "-q"]);
    git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "first"]);
    let below = dir.path().join("vendor");
    std::fs::create_dir(&below).unwrap();
    assert_eq!(commit::of(&below), "unknown");
}

#[test]
fn a_checkout_is_at_its_commit_unless_its_sources_differ() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    for source in commit::SOURCES {
        std::fs::write(at.join(source), "").unwrap();
    }
    git(at, &["init", "-q"]);
    git(at, &["add", "."]);
    git(at, &["commit", "-q", "-m", "first"]);
    let clean = commit::of(at);
    assert!(clean.len() >= 12 && clean.chars().all(|digit| digit.is_ascii_hexdigit()), "{clean}");
    assert!(!commit::moves(at).is_empty());
    std::fs::write(at.join("notes.md"), "").unwrap();
    assert_eq!(commit::of(at), clean);
    std::fs::write(at.join("Cargo.toml"), "[package]").unwrap();
    assert_eq!(commit::of(at), format!("{clean}-modified"));
}
