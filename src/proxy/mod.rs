//! The data plane: from a client's socket to a provider's and back.
//!
//! [`start`] runs it on threads of its own, one runtime a core ([`core`](mod@self::core)) and nothing shared between
//! them but the snapshot and a few counts. A request meets the folders in this order: [`downstream`] (connections from
//! clients), [`request`] (whose `pipeline` shows the whole path, in eight stops), [`attempt`] (who is asked, and what
//! came of it), [`upstream`] (connections to providers), [`response`] (on its way back). Beside it, [`copies`] sends
//! some of stable's requests to the canary once more. It decides nothing that `decide` can decide, and knows neither
//! flags.yaml nor the admin API. Invariant: what it dispatches is in force at that moment.

mod attempt;
mod copies;
mod core;
mod downstream;
mod request;
mod response;
mod server;
#[cfg(test)]
pub(crate) mod tests;
mod upstream;

pub use downstream::connection_limit::most_connections;
pub use request::uri::encoded;
pub use server::{Running, Setup, start};
pub use upstream::{
    MeasuredConnection, PostClient, ProbeAnswer, Question, Redirect, Reply, WebhookAnswer, ask_question,
    connect_directly, connects, measure_connection, post_webhook, probe, probe_endpoint, probe_without_key,
};
