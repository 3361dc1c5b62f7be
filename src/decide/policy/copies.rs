//! Copies of stable's requests that are sent to the canary: before its first user, and after that.
//!
//! Shapes only. What is copied, and what is found, is decided by [`decide::comparison`](crate::decide::comparison).
//! Invariant: every copy is within a rate and a sum of money a day.

use crate::decide::units::{Percent, PicoUsd};

/// What copies may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyLimits {
    pub per_minute: u32,
    /// For what is priced, a day.
    pub max_cost: PicoUsd,
}

/// `rehearse:` the ramp does not begin before so many copies were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rehearse {
    pub requests: u32,
    pub limits: CopyLimits,
}

/// `compare:` a share of stable's requests is copied as long as there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    pub share: Percent,
    pub limits: CopyLimits,
}
