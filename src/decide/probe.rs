//! What asking a provider outside all traffic showed: its keys, its models, its certificate, how long it takes.
//!
//! Owns the report of one provider ([`ProviderReport`]) and what is wrong in it ([`findings`]). Each part has a file,
//! which says what an answer means; `app` asks, and [`describe`](crate::describe::probe) has the sentences. Only what
//! is certain is a failure. Invariant: a report holds no key, and nothing in it is longer than what people read.

pub mod abilities;
pub mod finding;
pub mod key;
pub mod latency;
pub mod list;
pub mod model;
mod report;
pub mod tls;
pub mod wanted;

pub use finding::{Finding, Severity, findings};
pub use report::ProviderReport;
