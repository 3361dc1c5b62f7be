//! Starts control: from the open store and the first file to a running event loop.
//!
//! The first snapshot is published before the thread exists, so the data plane never reads an empty one. The thread
//! holds the claim to the state directory until its last batch is written. Decides nothing. Invariant: the cells that
//! control writes are handed out only with a running loop.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::event_loop::{self, Outside};
use super::notify::Deliver;
use super::now::Now;
use super::prober::Prober;
use crate::clock;
use crate::control::engine::bootstrap::Bootstrap;
use crate::control::engine::dispatch::Engine;
use crate::decide::file_error::FileError;
use crate::state::inbox::{FlagsRead, Input};
use crate::state::snapshot::SnapshotCell;
use crate::state::status::{FlagsStatus, StatusCell};
use crate::store::OpenedStore;
use crate::store::locks::read_locks;

/// The flags.yaml that a process starts with.
#[derive(Clone, Debug)]
pub struct FirstFlags {
    /// The accepted file or its kept copy.
    pub read: FlagsRead,
    /// Whether it is the kept copy of an earlier run.
    pub from_last_good: bool,
    /// Why the file itself is not in force. Empty: it is.
    pub errors: Vec<FileError>,
}

/// What control is started with.
#[expect(missing_debug_implementations, reason = "it holds closures")]
pub struct Setup {
    /// The first file.
    pub first: FirstFlags,
    /// The path of flags.yaml, for the status.
    pub path: String,
    pub store: OpenedStore,
    /// The state directory, which has the lock files.
    pub state_dir: PathBuf,
    /// Inputs. The loop ends when it is closed.
    pub inbox: mpsc::Receiver<Input>,
    /// The number of data-plane cores.
    pub cores: usize,
    /// The number of client connections that the process can hold.
    pub most_connections: u32,
    /// Called on control's thread.
    pub prober: Box<dyn FnOnce() -> Prober + Send>,
    /// The same.
    pub deliver: Box<dyn FnOnce() -> Deliver + Send>,
}

/// A running control loop.
#[derive(Debug)]
pub struct Started {
    /// The snapshot, which the data plane reads. It has the first one.
    pub shared: Arc<SnapshotCell>,
    /// The status, which the admin API and the dashboard read.
    pub status: Arc<StatusCell>,
    /// Ends when the inbox is closed, or by a panic.
    pub thread: JoinHandle<()>,
}

/// Restores the kept state, publishes the first snapshot, and starts the loop. Fails if the first file was not
/// accepted, or if the thread cannot be started.
pub fn start(setup: Setup) -> io::Result<Started> {
    let Setup { first, path, store, state_dir, inbox, cores, most_connections, prober, deliver } = setup;
    let OpenedStore {
        store,
        notes,
        states,
        notifications,
        incidents,
        keys,
        copies,
        state_ids,
        error,
        state_lost,
        ephemeral,
        claim,
        ..
    } = store;
    let locks = read_locks(&state_dir).map_err(|error| error.to_string());
    let FirstFlags { read, from_last_good, errors } = first;
    let join = |errors: Vec<FileError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let policy = read.result.map_err(|errors| io::Error::new(io::ErrorKind::InvalidInput, join(errors)))?;
    let flags = FlagsStatus {
        path,
        shown: read.shown,
        modified: read.modified,
        failures: u64::from(!errors.is_empty()),
        errors,
        from_last_good,
        warnings: read.warnings,
        ..FlagsStatus::default()
    };
    let bootstrap = Bootstrap {
        policy,
        flags,
        keep: (!from_last_good).then_some(read.text),
        states,
        notifications,
        incidents,
        keys,
        copies,
        state_ids,
        state_lost,
        notes,
        locks,
        dir: state_dir.display().to_string(),
        store_error: error,
        ephemeral,
        cores,
        most_connections,
    };
    let engine = Engine::new(bootstrap, now());
    let (shared, status) = (Arc::clone(&engine.shared), Arc::clone(&engine.status));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name("serin-control".to_owned()).spawn(move || {
        // Held until the last batch is written. No other process may open the state before.
        let _claim = claim;
        let outside = Outside { prober: prober(), deliver: deliver() };
        LocalSet::new().block_on(&runtime, event_loop::run(engine, store, state_dir, inbox, outside, Box::new(now)));
    })?;
    Ok(Started { shared, status, thread })
}

fn now() -> Now {
    Now { mono: clock::now(), unix: clock::unix() }
}
