//! Connections to providers.
//!
//! In: a provider, and a request for it. Out: a response, or the reason why there is none. Files in the order in which a
//! request meets them: [`upstreams`] (all pools of a core), [`pool`] (the connections to one target), [`connect`] (a new
//! connection), which uses [`egress`], [`no_proxy`], [`dial`] and [`tls`], [`stream`] (its bytes), [`age`] (how old it may
//! become), [`http2`] (a connection that requests share), [`lease`] (what one request is sent by), [`deadline`] and
//! [`timer`] (how long is waited for the head), [`send_error`] (why there is no response). [`probe`] asks a provider
//! outside all traffic. Refuses to choose a provider, to retry, and to count.

mod age;
mod connect;
mod deadline;
mod dial;
mod egress;
mod http2;
pub(crate) mod lease;
mod no_proxy;
mod pool;
mod probe;
pub(crate) mod send_error;
mod stream;
#[cfg(test)]
mod tests;
mod timer;
mod tls;
pub(crate) mod upstreams;

pub use probe::{Redirect, Reply, connects, probe, probe_endpoint, probe_without_key};
