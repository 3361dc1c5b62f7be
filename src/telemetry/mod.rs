//! What the process tells of itself: [`metrics`] for scrapers, [`log`] for people, the [`access_log`] for both, and
//! traces (`otlp`, where the build has that feature) for collectors.
//!
//! Nothing here is global but the log's subscriber: a process with two sidecars in it (the demo, the tests) tells of
//! each by itself. None of it ever carries a secret, a user id or a raw model name.

pub mod access_log;
pub mod exposition;
pub mod log;
mod log_queue;
pub mod metric;
pub mod metrics;
#[cfg(feature = "otlp")]
pub mod otlp;
