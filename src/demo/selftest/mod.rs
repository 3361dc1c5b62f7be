//! `serin selftest`: every fault of a provider, met by a sidecar of its own, and what clients got of it.
//!
//! In order: [`fault`] (what can go wrong), [`case`] (the requests), [`question`] and [`script`] (what providers say),
//! [`providers`], [`place`] and [`client`] (sockets and files), [`judge`] and [`verdict`] (what an answer is),
//! [`latency`] and [`paired`] (what Serin adds), [`mod@run`]. Refuses to change anything that it did not start.

mod case;
mod client;
mod fault;
mod judge;
mod latency;
mod paired;
mod place;
mod providers;
mod question;
mod run;
mod script;
#[cfg(test)]
mod tests;
mod verdict;

pub use fault::Form;
pub use latency::Latency;
pub use paired::{Paired, Quantile};
pub use run::{CaseResult, Report, Score, SelftestError, run};
