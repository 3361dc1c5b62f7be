//! One moment on both clocks: the monotonic clock and the wall clock.
//!
//! Decisions get it as a parameter and read no clock. Invariant: both fields are of the same moment.

use crate::decide::units::{Millis, UnixMillis};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: for windows and pauses.
    pub mono: Millis,
    /// Wall clock: for what outlives the process.
    pub unix: UnixMillis,
}
