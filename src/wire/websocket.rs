//! WebSocket (RFC 6455) on the wire, as far as a relay has to know it: where frames end, how a session is closed, and
//! that a handshake was accepted.
//!
//! Frames pass as they came. Only their heads are read, and the payloads of two kinds of control frames: a close says
//! why a session ends, and a pong may answer a ping of Serin's own. No message is read.

mod frames;
mod handshake;
mod written;

pub use frames::{Close, Frames};
pub use handshake::{accept_of, key_of};
pub use written::{close, masked_close, masked_ping};

/// The code of a peer that goes away.
pub const GOING_AWAY: u16 = 1001;
/// The code of a peer that met something that it did not expect.
pub const INTERNAL_ERROR: u16 = 1011;
/// The code of a service that restarts: clients connect again.
pub const SERVICE_RESTART: u16 = 1012;
