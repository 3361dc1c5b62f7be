//! The composition root.
//!
//! A stand-in with the signatures that the demo calls; the real one takes its place at the merge. It starts nothing
//! and says so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::state::inbox::Inbox;
use crate::state::status::Status;

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// flags.yaml.
    pub flags: PathBuf,
    /// Where state lasts.
    pub state: Option<PathBuf>,
    /// Whether a broken file ends the start.
    pub strict: bool,
}

impl Options {
    /// As `serin run --flags FLAGS` starts.
    #[must_use]
    pub fn new(flags: PathBuf) -> Options {
        Options { flags, state: None, strict: false }
    }
}

/// Why a sidecar did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[error("the composition root is not here yet")]
pub struct StartError;

/// A running sidecar.
#[derive(Debug)]
pub struct Running {
    /// Where the application connects.
    pub proxy: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    inbox: Inbox,
    status: Arc<Status>,
}

impl Running {
    /// The report in force.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Where wishes are put.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Ends it once nothing is in flight.
    pub fn request_drain(&self) {}

    /// Waits until it has ended.
    pub fn wait(self) -> Result<(), StartError> {
        Err(StartError)
    }
}

/// Starts a sidecar.
pub fn start(_: Options) -> Result<Running, StartError> {
    Err(StartError)
}
