//! What requests, control and the surfaces share, and nothing else shares.
//!
//! Nearly every cell here has one writer: control publishes the [`snapshot`] and the [`status`]; a core adds to its own
//! [`counters`] and [`evidence`], and to the [`samples`] that control empties; control alone says who is paused
//! ([`silence`]). Anybody may put a wish in the [`inbox`], which control alone empties. The state of a [`provider`] is
//! what every core may change, a word in a single step. No I/O happens here.

pub mod access_log;
pub mod ambiguous_closes;
pub mod causes;
pub mod counters;
pub mod evidence;
pub mod inbox;
pub mod latency;
pub mod provider;
pub mod retry_budget;
pub mod samples;
pub mod series_table;
pub mod silence;
pub mod snapshot;
pub mod source_table;
pub mod status;
pub mod withdrawal;
