//! What requests, control and the surfaces share, and nothing else shares.
//!
//! Every cell here has one writer: control publishes the [`snapshot`] and the [`status`]; a core adds to its own
//! [`counters`]; anybody may put a wish in the [`inbox`], which control alone empties. No I/O happens here.

pub mod counters;
pub mod inbox;
pub mod snapshot;
pub mod status;
