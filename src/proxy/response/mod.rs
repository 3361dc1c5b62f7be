//! A response on its way to the client.
//!
//! In: a provider's answer, or a problem. Out: a response for the client, and what was seen of the answer. Files in the
//! order in which an answer meets them: [`body`] (its bytes as they come), [`buffer`] (how much is seen before any of
//! it goes out) into a [`buffered_response`] of [`pieces`], [`declared`], [`observe`], [`whole_answer`] and
//! [`body_end`] (what it says and how it ended), [`respond`] (the response's head), [`relay`] (passes the body on),
//! [`upgrade`] (after a 101), [`grpc`] (a call: held, relayed and ended in its own way), [`reply`] (what hyper polls).
//! A request without an answer gets a response from Serin: [`error`] says why, and [`problem`] makes it. [`access`] is
//! the line of the access log, and [`spans`] a request's entry for the exporter of traces, both with [`attempt_lines`].
//! Refuses to change a byte of a provider's body. Invariant: after the first byte has gone out no other candidate is
//! asked.

pub(crate) mod access;
mod attempt_lines;
pub(crate) mod body;
mod body_end;
pub(crate) mod buffer;
pub(crate) mod buffered_response;
pub(crate) mod declared;
pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod observe;
mod pieces;
pub(crate) mod problem;
mod relay;
pub(crate) mod reply;
pub(crate) mod respond;
mod spans;
pub(crate) mod state_tap;
mod upgrade;
mod whole_answer;
