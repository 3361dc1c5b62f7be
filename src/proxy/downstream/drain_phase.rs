//! How far the data plane is on its way to its end.
//!
//! The server sets the phase, and the acceptor and every core follow it. Owns no clock: the server knows how long a
//! drain has lasted. Invariant: no phase but `Stopped` ends an open connection.

/// How far a process is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainPhase {
    /// Requests are served.
    Running,
    /// Requests are served, and clients are asked to close.
    Draining,
    /// The same for open connections. New ones wait at the socket, which another process holds too.
    HandingOver,
    /// Cores end at once.
    Stopped,
}
