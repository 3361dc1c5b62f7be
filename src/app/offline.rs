//! What commands can do with a state directory while no process answers: lock a rollout by file, and learn who runs.
//!
//! A rollback must work with a broken flags.yaml, with the admin port blocked and with a control loop that hangs, so
//! its lock is a plain file that a running process picks up by itself and the next start obeys. What the process made
//! of it is read from `in-force.json`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{in_force_file, initial_flags, socket};
use crate::decide::ephemeral::Ephemeral;
use crate::decide::plan::Plan;
use crate::decide::plan::compare::plan;
use crate::decide::plan::projected::Situation;
use crate::decide::policy::Policy;
use crate::decide::rollout::state::Lock;
use crate::decide::typed_json::read_typed;
use crate::decide::units::{Percent, UnixMillis};
use crate::flags::compile::compile;
use crate::flags::{self, Environment};
use crate::store::dir_handle::DirHandle;
use crate::store::{dir, locks, mount, sqlite};

/// The most that is read of `in-force.json`: a line for each rollout.
const LARGEST: u64 = 1024 * 1024;

/// Where a sidecar started here, with this file, would keep its state.
#[must_use]
pub fn state_of(flags: &Path, given: Option<&Path>) -> PathBuf {
    let named = given.is_none().then(|| named_by(flags)).flatten();
    state_dir_in(&dir::resolve(given.or(named.as_deref()), |name| std::env::var_os(name)))
}

/// Where a sidecar keeps its state when it is told this directory: another one in it where others may write there.
#[must_use]
pub fn state_dir_in(named: &Path) -> PathBuf {
    dir::state_dir_in(named)
}

fn named_by(flags: &Path) -> Option<PathBuf> {
    let text = std::fs::read(flags).ok()?;
    initial_flags::state_hint(&String::from_utf8_lossy(&text)).map(PathBuf::from)
}

/// The rollouts with a canary that the file names; `None`: it cannot be read.
#[must_use]
pub fn rollouts_of(flags: &Path) -> Option<Vec<String>> {
    let policy = flags::read(flags, &Environment::without_secrets()).result.ok()?.policy;
    let movable = policy.rollouts.iter().filter(|rollout| rollout.canary.is_some());
    Some(movable.map(|rollout| rollout.name.clone()).collect())
}

/// The providers that the file names; `None`: it cannot be read.
#[must_use]
pub fn providers_of(flags: &Path) -> Option<Vec<String>> {
    let policy = flags::read(flags, &Environment::without_secrets()).result.ok()?.policy;
    Some(policy.providers.iter().map(|provider| provider.name.clone()).collect())
}

/// Writes a lock and returns when it is on the disk.
///
/// # Errors
/// Where the directory cannot be written; the text names it.
pub fn write_lock(state: &Path, rollout: Option<&str>, lock: &Lock) -> io::Result<()> {
    let with_path = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", state.display()));
    there(state).and_then(|()| locks::write_lock(state, rollout, lock)).map_err(with_path)
}

// A directory that root's command has to make belongs to whoever has the one above.
fn there(state: &Path) -> io::Result<()> {
    match (DirHandle::open(state), state.parent(), state.file_name().and_then(std::ffi::OsStr::to_str)) {
        (Err(error), Some(above), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            DirHandle::make(above, 0o700)?.enter_or_make(name, 0o700).map(drop)
        }
        (opened, _, _) => opened.map(drop),
    }
}

/// Why what is written into this state directory does not last, where that is known.
#[must_use]
pub fn ephemeral(state: &Path) -> Option<Ephemeral> {
    mount::ephemeral(state)
}

/// Takes a lock back that named no rollout after all.
pub fn remove_lock(state: &Path, rollout: Option<&str>) {
    // It holds nothing, since there is no such rollout; a file left behind does no harm.
    let _ = locks::remove_lock(state, rollout);
}

/// The locks that the next start from this directory will obey: rollout (`None`: every one) and lock.
#[must_use]
pub fn locks_in(state: &Path) -> Vec<(Option<String>, Lock)> {
    let Ok(found) = locks::read_locks_of_others(state) else { return Vec::new() };
    let every = found.every.map(|lock| (None, lock));
    every.into_iter().chain(found.rollouts.into_iter().map(|(name, lock)| (Some(name), lock))).collect()
}

/// What a policy would do in the place of another, where nothing is known but the two files.
#[must_use]
pub fn plan_of_files(old: &Policy, new: &Policy, now: UnixMillis) -> Plan {
    let (states, locks) = (BTreeMap::new(), BTreeMap::new());
    plan(&Situation { policy: old, states, locks, locks_unread: None, never_writable: None, is_live: false, now }, new)
}

/// What a policy would do in the place of the one that the last process of this directory kept.
///
/// # Errors
/// Where the directory has no file, or one that cannot be read.
pub fn plan_of_kept(state: &Path, new: &Policy, environment: &Environment, now: UnixMillis) -> Result<Plan, String> {
    let shown = state.display();
    let opened = sqlite::open_unwritable(state, "it is only read".to_owned(), true);
    let Some(text) = &opened.last_good else {
        return Err(format!(
            "nothing is running here, and {shown} has no earlier flags.yaml to compare with: give one with --against FILE"
        ));
    };
    let old = compile(text, environment).map_err(|_| {
        format!("the earlier flags.yaml in {shown} is not valid on this machine: give one with --against FILE")
    })?;
    let found = locks::read_locks_of_others(state).unwrap_or_default();
    let names = new.rollouts.iter().map(|rollout| rollout.name.clone());
    let situation = Situation {
        policy: &old.policy,
        states: opened.states.into_iter().collect(),
        locks: names.filter_map(|name| Some((name.clone(), found.of(&name)?.clone()))).collect(),
        locks_unread: None,
        never_writable: None,
        is_live: true,
        now,
    };
    Ok(plan(&situation, new))
}

/// Whether a process holds this state directory, and its pid as it wrote it.
#[must_use]
pub fn holder(state: &Path) -> Option<String> {
    dir::holder(state)
}

/// The socket of the process that holds this state directory.
#[must_use]
pub fn socket_in(state: &Path) -> PathBuf {
    state.join(socket::NAME)
}

/// What a process says is in force.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InForce {
    /// Rises with every publication.
    pub revision: u64,
    /// The share of each rollout.
    pub rollouts: BTreeMap<String, Percent>,
}

/// Reads what the process of this directory says is in force; `None`: nothing readable is there.
#[must_use]
pub fn in_force(state: &Path) -> Option<InForce> {
    let text = DirHandle::open(state).and_then(|folder| folder.read(in_force_file::NAME, LARGEST)).ok()?;
    read_typed(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_that_a_file_names_is_found_although_it_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let flags = dir.path().join("flags.yaml");
        std::fs::write(&flags, "state: /var/lib/serin\nlisten: [").unwrap();
        assert_eq!(state_of(&flags, None), Path::new("/var/lib/serin"));
        assert_eq!(state_of(&flags, Some(Path::new("/given"))), Path::new("/given"));
    }

    #[test]
    fn a_lock_is_written_listed_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "ana".into(), reason: "errors".into() };
        write_lock(&state, Some("chat"), &lock).unwrap();
        assert_eq!(locks_in(&state), [(Some("chat".to_owned()), lock)]);
        remove_lock(&state, Some("chat"));
        assert_eq!(locks_in(&state), []);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: String::new(), reason: String::new() };
        let error = write_lock(&dir.path().join("file/state"), None, &lock).unwrap_err().to_string();
        assert!(error.contains("file/state: "), "{error}");
    }

    #[test]
    fn who_holds_a_directory_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()), None);
        let claim = dir::claim(dir.path()).unwrap();
        assert_eq!(holder(dir.path()), Some(std::process::id().to_string()));
        drop(claim);
        assert_eq!(holder(dir.path()), None);
    }

    #[test]
    fn what_is_in_force_is_read_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(in_force(dir.path()), None);
        std::fs::write(dir.path().join("in-force.json"), r#"{"revision":7,"rollouts":{"chat":1000}}"#).unwrap();
        let chat = [("chat".to_owned(), Percent::from_hundredths(1000).unwrap())];
        assert_eq!(in_force(dir.path()), Some(InForce { revision: 7, rollouts: chat.into() }));
    }
}
