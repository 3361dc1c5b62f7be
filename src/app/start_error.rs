//! Why a sidecar did not start, with the remedy.
//!
//! Owns the reasons and their texts. Each step of the start gives its own; nothing is tried again here. Invariant: a
//! text names the file, the key or the address that is to be changed.

use std::io;
use std::net::SocketAddr;

use crate::store::dir::AlreadyRunning;

/// Why a sidecar did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// flags.yaml is not accepted, and nothing stands in for it.
    #[error("{text}")]
    Flags {
        /// Every error, with its place, ready to be shown.
        text: String,
    },
    /// Another process has the state directory.
    #[error(transparent)]
    Running(#[from] AlreadyRunning),
    /// A port cannot be had.
    #[error("{}", refused(key, address, *pid, error))]
    Bind {
        /// Its key in flags.yaml.
        key: &'static str,
        /// Where it should be.
        address: SocketAddr,
        /// The sidecar that has it, if one is listed.
        pid: Option<u32>,
        /// What the system said.
        error: io::Error,
    },
    /// The system gives no thread, no socket, no more files.
    #[error("{what} cannot start: {error}")]
    System {
        /// Which part.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

fn refused(key: &str, address: &SocketAddr, pid: Option<u32>, error: &io::Error) -> String {
    let remedy = "stop it, or choose another address in flags.yaml";
    match (error.kind(), pid) {
        (io::ErrorKind::AddrInUse, Some(pid)) => {
            format!("{key}: {address} is in use by the serin with pid {pid}: {remedy}")
        }
        (io::ErrorKind::AddrInUse, None) => {
            format!("{key}: {address} is in use: find the process that uses it, {remedy}")
        }
        (io::ErrorKind::PermissionDenied, _) => {
            format!("{key}: {address} may not be bound by this user: choose a port above 1023 in flags.yaml")
        }
        _ => format!("{key}: {address} cannot be bound: {error}"),
    }
}
