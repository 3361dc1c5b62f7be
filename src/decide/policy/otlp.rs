//! Where spans go, and of which requests.
//!
//! Owns what the file says of it; what a span holds and how it gets there is [`telemetry`](crate::telemetry)'s.
//! Invariant: without it no span is made, and nothing of a request is kept for one.

use super::provider::BaseUrl;
use super::secret::Secret;
use crate::decide::units::Percent;

/// The settings of the traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// The whole address, to which each batch is posted.
    pub endpoint: BaseUrl,
    /// Which share of the requests without a trace of their own is traced.
    pub sample: Percent,
    /// Sent with each batch. A value may be a key.
    pub headers: Vec<(String, Secret)>,
}
