//! One moment on both clocks: the monotonic one for what passes, the wall's for what outlives the process.
//!
//! Whoever decides is given it and reads no clock. Invariant: both are of the same moment.

use crate::decide::units::{Millis, UnixMillis};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For windows and pauses.
    pub mono: Millis,
    /// For what outlives the process.
    pub unix: UnixMillis,
}
