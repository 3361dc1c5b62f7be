//! Answers commands: waits for the cores and the disk, for a bounded time, and sends the receipt.
//!
//! A receipt says what is true when it is sent: whether every core has acknowledged the snapshot, and whether the
//! change is durable. A lock is durable in the database or as a file; the first of the two is enough. Decides nothing.
//! Invariant: no wait is unbounded.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::engine::commands::CommandResult;
use super::pending_commands::Reply;
use crate::state::inbox::Receipt;
use crate::state::snapshot::SnapshotCell;

/// A core acknowledges within a turn of its loop. One that does not is stuck.
const CORES_TIMEOUT: Duration = Duration::from_millis(30);

/// Sends the receipt of a command when the cores and the disk are done, or after `disk_timeout`.
pub(super) async fn send(
    result: CommandResult,
    shared: Arc<SnapshotCell>,
    revision: u64,
    durable: impl Future<Output = Result<(), String>>,
    disk_timeout: Duration,
    reply: Reply,
) {
    let late = || Err(format!("not yet written: the disk did not answer within {} ms", disk_timeout.as_millis()));
    let cores = acknowledged_by_all(&shared, revision);
    let (seen_by_all_cores, durable) = tokio::join!(cores, timeout(disk_timeout, durable));
    let durable = durable.unwrap_or_else(|_| late());
    let CommandResult { rollouts, open_on_canary, websockets_on_canary, notes, .. } = result;
    // The sender may be gone.
    let _ =
        reply.send(Ok(Receipt { rollouts, durable, seen_by_all_cores, open_on_canary, websockets_on_canary, notes }));
}

async fn acknowledged_by_all(shared: &SnapshotCell, revision: u64) -> bool {
    let wait = async {
        while !shared.seen_by_all(revision) {
            sleep(Duration::from_micros(200)).await;
        }
    };
    timeout(CORES_TIMEOUT, wait).await.is_ok()
}

/// Succeeds with the first of the two that does.
pub(super) async fn first_durable(
    database: impl Future<Output = Result<(), String>>,
    file: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let (mut database, mut file) = (Box::pin(database), Box::pin(file));
    tokio::select! {
        result = &mut database => match result {
            Ok(()) => Ok(()),
            Err(error) => file.await.map_err(|other| format!("{error}; {other}")),
        },
        result = &mut file => match result {
            Ok(()) => Ok(()),
            Err(other) => database.await.map_err(|error| format!("{error}; {other}")),
        },
    }
}
