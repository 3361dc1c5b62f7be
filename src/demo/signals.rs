//! The signals that end the demo or a selftest and not the process, so that nothing is left behind.
//!
//! Owns which these are. Decides nothing: whoever waits for one clears up. Invariant: once watched, none of them ends
//! the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks it to end.
pub(super) struct Signals([Signal; 3]);

impl Signals {
    /// From here on a signal does not end the process. Needs a runtime.
    pub(super) fn watched() -> io::Result<Signals> {
        Ok(Signals([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    /// Until one comes.
    pub(super) async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
