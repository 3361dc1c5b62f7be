//! Connections to providers.
//!
//! In: a provider, and a request for it. Out: a response, or the reason why there is none. Files in the order in which
//! a request meets them: [`upstreams`] (all pools of a core), [`pool`] with [`pool_key`], [`queue`], [`idle`],
//! [`reaper`] and [`owner`] (the connections to one target), [`connect`] with [`egress`], [`no_proxy`], [`dial`],
//! [`tls`], [`stream`] and [`age`] (a new connection), [`http1`] and [`http2`], [`exchange`] (one request on a
//! connection), [`deadline`] and [`timer`] (the time limit for the head), [`framing`], [`response_source`] (what the
//! response comes by), [`send_error`] (why there is none). [`mod@probe`] asks a provider outside all traffic, [`webhook`]
//! posts a notification, [`post`] what else is for no provider,
//! and [`direct`] is for commands. Refuses to choose a provider, to retry, and to count.

mod age;
mod connect;
pub(crate) mod deadline;
mod dial;
mod direct;
mod egress;
mod exchange;
mod framing;
mod http1;
mod http2;
mod idle;
mod no_proxy;
mod owner;
mod pool;
mod pool_key;
mod post;
mod probe;
mod queue;
mod reaper;
pub(crate) mod response_source;
pub(crate) mod send_error;
mod stream;
#[cfg(test)]
mod tests;
mod timer;
mod tls;
pub(crate) mod upstreams;
mod webhook;

pub use direct::connect_directly;
pub use post::PostClient;
pub use probe::{
    MeasuredConnection, ProbeAnswer, Question, Redirect, Reply, ask_question, connects, measure_connection, probe,
    probe_endpoint, probe_without_key,
};
pub use webhook::{WebhookAnswer, post_webhook};
