//! What the process tells of itself: [`metrics`] for scrapers, [`log`] for people, the [`access_log`] for both.
//!
//! Nothing here is global but the log's subscriber: a process with two sidecars in it (the demo, the tests) has two
//! sets of metrics. Neither ever carries a secret, a user id or a raw model name.

pub mod access_log;
pub mod log;
mod log_queue;
pub mod metrics;
