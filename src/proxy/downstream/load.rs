//! How busy a core is, for other threads.
//!
//! Written by the core (and, for connections, by the acceptor), read by the acceptor and the drain. Decides nothing.
//! Invariant: the counts of requests are written by the owning core only, so that no locked instruction is needed.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How busy a core is.
#[derive(Debug, Default)]
pub(crate) struct Load {
    open: AtomicU32,
    begun: AtomicU64,
    connections: AtomicU32,
    parked: AtomicU32,
}

impl Load {
    /// Requests that are being served.
    pub(crate) fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// Requests ever begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Open client connections, those on their way to the core included.
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Relaxed)
    }

    /// Client connections without a parser.
    #[cfg(test)]
    pub(crate) fn parked(&self) -> u32 {
        self.parked.load(Relaxed)
    }

    /// A connection does without its parser from now on, or has one again.
    pub(super) fn connection_parks(&self, parked: bool) {
        let change = if parked { 1 } else { u32::MAX };
        self.parked.store(self.parked.load(Relaxed).wrapping_add(change), Relaxed);
    }

    /// A connection is handed to the core.
    pub(super) fn connection_opens(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn connection_closes(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    pub(super) fn request_begins(&self) {
        self.open.store(self.open.load(Relaxed).wrapping_add(1), Relaxed);
        self.begun.store(self.begun.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(super) fn request_ends(&self) {
        self.open.store(self.open.load(Relaxed).wrapping_sub(1), Relaxed);
    }
}
