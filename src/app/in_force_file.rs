//! `in-force.json` in the state directory: what every core decides by, for commands that no port answers.
//!
//! Written after each publication, once all cores have acknowledged it, so that reading a share there means that
//! nothing is dispatched by an older one. Best effort: where the directory takes no files, there is none, and a
//! command that relied on it says "not confirmed".

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::state::snapshot::{Snapshot, SnapshotCell};
use crate::store::dir_handle::DirHandle;

/// Its name in the state directory.
pub(super) const NAME: &str = "in-force.json";
/// How often the cores are asked whether they have seen a publication.
const LOOK: Duration = Duration::from_millis(2);

/// Tells what is in force until dropped.
#[derive(Debug)]
pub(super) struct InForceWriter {
    _stop: oneshot::Sender<()>,
}

/// Tells what is in force in this directory, now and after every change.
pub(super) fn keep_in_force_file(shared: Arc<SnapshotCell>, state: PathBuf) -> io::Result<InForceWriter> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let follow = async move {
        let mut published = shared.subscribe();
        loop {
            let snapshot = shared.load();
            // A newer publication makes waiting for this one pointless.
            while !shared.seen_by_all(snapshot.revision) && published.has_changed().is_ok_and(|changed| !changed) {
                tokio::time::sleep(LOOK).await;
            }
            if shared.seen_by_all(snapshot.revision) {
                // Best effort, as the header says.
                let _ = write(&state, &snapshot);
            }
            if published.changed().await.is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("in-force".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = follow => {}
                _ = stopped => {}
            }
        });
    })?;
    Ok(InForceWriter { _stop: stop })
}

fn write(state: &Path, snapshot: &Snapshot) -> io::Result<()> {
    let moving =
        snapshot.policy.rollouts.iter().zip(&snapshot.rollouts).filter(|(rollout, _)| rollout.canary.is_some());
    let rollouts: Map<String, Value> =
        moving.map(|(rollout, in_force)| (rollout.name.clone(), json!(in_force.percent))).collect();
    let text = json!({"revision": snapshot.revision, "rollouts": rollouts}).to_string();
    DirHandle::open(state)?.put(NAME, text.as_bytes(), 0o644, false)
}
