//! The stage of the integration tests: sidecars, clients, load, providers, and waiting.

pub(crate) mod api;
pub(crate) mod client;
pub(crate) mod closed_port;
#[cfg(feature = "otlp")]
pub(crate) mod collector;
pub(crate) mod embedded;
pub(crate) mod eventually;
pub(crate) mod faults;
pub(crate) mod grpc;
pub(crate) mod harness;
pub(crate) mod load;
pub(crate) mod scripted;
pub(crate) mod secure;
pub(crate) mod sidecar;
