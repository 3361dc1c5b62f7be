//! Why the demo ended before its time, with what to do about it.
//!
//! Owns the texts. A failure of the sidecar keeps the sidecar's own words. Invariant: whoever reads an error learns what
//! was tried, and at which scene of the script the demo was.

use std::io;
use std::net::SocketAddr;

use crate::app::StartError;
use crate::decide::units::{Millis, Percent};

/// Why the demo ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Something around it failed.
    #[error("{place}: {source}")]
    Io {
        /// What was done, and to what.
        place: String,
        /// The cause.
        source: io::Error,
    },
    /// A port that was asked for cannot be had.
    #[error("{address} {why}: choose another `--port`; the admin port is the one after it")]
    Port {
        /// Where it should be.
        address: SocketAddr,
        /// What is the matter with it.
        why: String,
    },
    /// A signal ended it before the script did.
    #[error("ended by a signal; the script was at: {scene}")]
    Left {
        /// The scene it stood at.
        scene: &'static str,
    },
    /// The sidecar did not start.
    #[error("the sidecar did not start: {0}")]
    Start(#[from] StartError),
    /// The script did not come to its end.
    #[error("the demo did not end within {after}; it was at: {scene} (canary at {percent}, {phase}: {reason})")]
    Stuck {
        /// How long it ran.
        after: Millis,
        /// The scene it stood at.
        scene: &'static str,
        /// The share in force.
        percent: Percent,
        /// Where the rollout was.
        phase: &'static str,
        /// Why.
        reason: String,
    },
}

pub(super) fn at(place: impl Into<String>) -> impl FnOnce(io::Error) -> DemoError {
    let place = place.into();
    move |source| DemoError::Io { place, source }
}
