//! When a rollout asks the same provider again: how often, for how many of its requests, after what pause, before whom.
//!
//! Owns the shapes and what they are where the file says nothing. What is repeated, and what never is, is
//! [`decide::retry`](crate::decide::retry)'s to say. Invariant: a backoff ends no earlier than it begins.

use super::super::units::{Millis, Percent};

/// When the same provider is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often it is asked for one request, at most; 1: never again.
    pub attempts: u8,
    /// Which share of a rollout's requests may be asked again.
    pub budget: Percent,
    /// How long is waited before it.
    pub backoff: Backoff,
    /// Who is asked first after a failure.
    pub first: First,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            attempts: 2,
            budget: Percent::from_hundredths(1000).unwrap_or(Percent::ALL),
            backoff: Backoff { from: Millis(500), to: Millis(8000) },
            first: First::Other,
        }
    }
}

/// The longest pause before a repeat: of the first one, doubled for each that follows, up to a bound. What is waited is
/// drawn between none and that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first repeat.
    pub from: Millis,
    /// Before any.
    pub to: Millis,
}

/// Who is asked first where both another provider and the same one could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Another one; the same one where no other is left.
    Other,
    Same,
}
