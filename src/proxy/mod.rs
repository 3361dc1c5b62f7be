//! The data plane: from a client's socket to a provider's and back.
//!
//! [`start`] runs it on threads of its own, one runtime a core and nothing shared between them but the snapshot and a
//! few counts. The path of a request is in `service`: eight stops, each with a file of its own. It decides nothing that
//! `decide` can decide, and knows neither flags.yaml nor the admin API. Invariant: what it dispatches is in force at
//! that moment.

mod access;
mod account;
pub(crate) mod attempt;
pub(crate) mod body;
mod breaker;
mod cause;
mod ceiling;
mod commit;
mod connection;
mod consumers;
mod core;
mod credentials;
mod deadline;
mod departure;
mod door;
mod error;
mod facts;
mod frames;
mod guard_report;
mod half_close;
mod headers;
pub(crate) mod hush;
mod listener;
mod observer;
mod open_attempt;
mod pause;
mod pieces;
mod prefilter;
mod prepared;
mod presented;
mod record;
mod recovery;
mod refusal;
mod relay;
mod replanned;
mod replay;
mod request_id;
mod rescue;
mod retry_after;
mod scope;
mod server;
mod service;
mod target;
#[cfg(test)]
pub(crate) mod tests;
mod tries;
mod upgrade;
pub(crate) mod upstream;
mod withdrawn;
mod worker;

pub use ceiling::most_connections;
pub use server::{Running, Setup, start};
pub use upstream::{Redirect, Reply, connects, probe, probe_endpoint, probe_without_key};
