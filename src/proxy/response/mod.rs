//! A response on its way to the client.
//!
//! In: a provider's response, or a problem. Out: bytes for the client, and what was seen of them. Files in the order in
//! which a response meets them: [`buffer`] (how much is seen before any of it goes out), [`pieces`] (what is held of it),
//! [`observe`] (reads a copy as it passes), [`relay`] (passes it on), [`upgrade`] (after a 101). A request without a
//! provider's response gets one of Serin's own: [`error`] says why, and [`problem`] makes the response. [`access`] is the
//! line of the access log. Refuses to change a byte of a provider's body. Invariant: after the first byte has gone out
//! nothing is tried again.

pub(crate) mod access;
pub(crate) mod body;
pub(crate) mod buffer;
pub(crate) mod error;
pub(crate) mod observe;
mod pieces;
pub(crate) mod problem;
pub(crate) mod relay;
mod upgrade;
