//! The counts of both arms over the guard's window.
//!
//! Owns the pair and nothing else: how a window is counted is [`window`](crate::decide::window)'s. Invariant: both arms
//! are counted over the same time and at the same share.

use crate::decide::window::Counts;

/// Both arms over the guard's window, at the present share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arms {
    /// The old provider's.
    pub stable: Counts,
    /// The new one's.
    pub canary: Counts,
}
