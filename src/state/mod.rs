//! What requests, control and the surfaces share.
//!
//! Nearly every cell has one writer. Control publishes the [`snapshot`] and the [`status`]. A core adds to its own
//! [`counters`] and [`evidence`], and to the [`samples`] that control drains. Control alone sets which users are paused
//! ([`pause_masks`]). Any thread may send to the [`inbox`], which control alone drains. Every core may change the state
//! of a [`provider`], one word in one atomic step. No I/O happens here.

pub mod access_log;
pub mod ambiguous_closes;
pub mod causes;
pub mod copies;
pub mod count;
pub mod counters;
pub mod evidence;
pub mod exemplars;
pub mod history_feed;
pub mod inbox;
pub mod keys;
pub mod latency;
pub mod limit;
pub mod pause_masks;
pub mod provider;
pub mod request_seal;
pub mod retry_budget;
pub mod samples;
pub mod seen_models;
pub mod series_table;
pub mod snapshot;
pub mod source_table;
pub mod spans;
pub mod state_ids;
pub mod status;
pub mod tls_failures;
pub mod told_limits;
pub mod websocket_sessions;
pub mod withdrawal;
