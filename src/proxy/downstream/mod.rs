//! Connections from clients.
//!
//! In: connections of the listening sockets. Out: one request after another, to
//! [`pipeline`](super::request::pipeline), and each response on the connection that its request came by. Files, in the
//! order in which a connection meets them: [`connection_limit`] (how many the process can hold), [`listener`] (accepts,
//! and chooses a core by its [`load`]), [`worker`] (the core's thread, which follows the [`drain_phase`]),
//! [`client_connection`] (what belongs to one, and its open requests) in the list of [`open_connections`],
//! [`handshake`] (TLS, as [`tls`] has it), [`connection`] (protocol and requests), [`activity`] (what happens on it),
//! [`lifetime`] (how long it may be silent or idle), [`parking`] (an idle one without its parser), and beneath hyper
//! [`socket`] over a [`client_stream`], [`wake_filter`], [`http2_frames`] and [`half_close`] with [`request_stage`].
//! Refuses to read what a request says. Invariant: no connection stays open without a limit on its time.

mod activity;
pub(crate) mod client_connection;
mod client_stream;
pub(crate) mod connection;
pub(crate) mod connection_limit;
pub(crate) mod drain_phase;
mod half_close;
mod handshake;
mod http2_frames;
mod lifetime;
pub(crate) mod listener;
pub(crate) mod load;
pub(crate) mod open_connections;
mod parking;
mod request_stage;
mod socket;
pub(crate) mod tls;
pub(crate) mod wake_filter;
pub(crate) mod worker;
