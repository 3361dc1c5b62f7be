//! How much a provider is sent, and how much a client may send.
//!
//! Shapes only; [`decide::limit`](crate::decide::limit) says what a bucket has left. Invariant: a limit limits
//! something, and every rate and depth is at least 1.

use super::super::limit::Rate;
use super::super::units::Millis;

/// What a provider is sent at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests, with those that may come at once.
    pub requests: Option<Rate>,
    /// Tokens, read and written. A minute's worth may come at once.
    pub tokens: Option<Rate>,
    /// Requests that are under way at one time.
    pub in_flight: Option<u32>,
    pub when_full: WhenFull,
    /// For how long a request waits for its turn at most.
    pub wait: Millis,
    /// Whether what the provider says is left lowers what is left here.
    pub follow_headers: bool,
}

/// What becomes of a request that a limit has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It goes to another candidate. Where none is left it waits for its turn, and then it is sent anyway.
    Fallback,
    /// It waits for its turn. If that does not come in time, it goes to another candidate, and else it is refused.
    Wait,
    /// It is answered with 429.
    Refuse,
    /// It is sent, and counted.
    Observe,
}

/// What a client may send at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimit {
    pub requests: Rate,
    /// Whether a request beyond that is counted and let pass, and not refused.
    pub observe: bool,
}
