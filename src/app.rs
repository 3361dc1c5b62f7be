//! The composition root.
//!
//! A stand-in with the signatures that the demo and the tests call; the real one takes its place at the merge.
//! It starts nothing and says so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::state::inbox::Inbox;
use crate::state::status::Status;

/// What a sidecar is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file.
    pub flags: PathBuf,
    /// Where state lasts.
    pub state: Option<PathBuf>,
    /// Whether a broken file at start is fatal.
    pub strict: bool,
}

/// Why a sidecar did not start.
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

    /// Begins to drain.
    pub fn request_drain(&self) {}

    /// Waits for the end.
    pub fn wait(self) {}
}

/// Starts a sidecar.
pub fn start(_: Options) -> Result<Running, StartError> {
    Err(StartError)
}
