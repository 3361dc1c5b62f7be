//! What the canary is compared with stable on.
//!
//! Each aspect has its own events, its own budget of wrong alarms and its own pauses for users, so that a user who is
//! always slow still counts when a request fails. Invariant: the place of an aspect in [`Aspect::ALL`] is its number,
//! and its bit in the masks that cores read.

use serde::{Deserialize, Serialize};

/// What the canary is compared with stable on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Failures of the provider.
    Failing,
    /// Answers whose first output came late.
    Slow,
    /// Requests that were refused as the client's error.
    Refusing,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Aspect; 3] = [Aspect::Failing, Aspect::Slow, Aspect::Refusing];
}
