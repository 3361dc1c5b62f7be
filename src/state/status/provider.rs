//! What is told of providers and clients: breakers, keys and limits.
//!
//! Plain data, made anew by control for each report. Decides nothing and names no metric. Invariant: of a key it has the
//! position and at most the last four characters.

use crate::decide::breaker::BreakerPhase;
use crate::decide::units::UnixMillis;
use crate::state::limit::{LimitKind, Turned};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderStatus {
    pub name: String,
    /// Where its breaker stands; `None`: it has none.
    pub breaker: Option<BreakerStatus>,
    /// Requests that the breaker sent elsewhere, and that did not come back.
    pub diverted: u64,
    /// Its own keys, in the order of the file.
    pub keys: Vec<KeyStatus>,
    /// Its limit, if it has one.
    pub limit: Option<LimitStatus>,
}

/// A key of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// From 1 on.
    pub position: usize,
    /// Its last four characters; empty: it is too short to show any.
    pub tail: String,
    /// The account that the file names for it.
    pub account: Option<String>,
    pub condition: KeyCondition,
    /// Since when it is in use, as far as the state goes back.
    pub first_seen: UnixMillis,
    /// Whether that is longer ago than `keys.warn_after` of its provider.
    pub is_old: bool,
}

/// Whether a key can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCondition {
    Usable,
    /// Its account was asked too often, for so many models; the last of them rests until then.
    Throttled {
        until: UnixMillis,
        models: usize,
    },
    /// Its account's quota is spent.
    Spent {
        until: UnixMillis,
    },
    /// It was refused with this status.
    Refused {
        status: u16,
        next_try: UnixMillis,
    },
}

impl KeyCondition {
    /// The word in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyCondition::Usable => "usable",
            KeyCondition::Throttled { .. } | KeyCondition::Spent { .. } => "resting",
            KeyCondition::Refused { .. } => "refused",
        }
    }
}

/// A provider's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    pub requests_per_minute: Option<u64>,
    /// How many may come at once.
    pub burst: Option<u64>,
    /// Requests let pass in the last minute.
    pub last_minute: u64,
    /// What is left now.
    pub requests_left: Option<u64>,
    pub tokens_per_minute: Option<u64>,
    pub tokens_left: Option<u64>,
    pub most_in_flight: Option<u32>,
    pub in_flight: u32,
    /// Requests that wait for their turn.
    pub waiting: u32,
    /// Requests that it had no room for since the start, by limit and by what became of them.
    pub turned: [[u64; Turned::ALL.len()]; LimitKind::ALL.len()],
}

/// A client's limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimitStatus {
    pub name: String,
    pub requests_per_minute: u64,
    /// How many may come at once.
    pub burst: u64,
    /// Requests let pass in the last minute.
    pub last_minute: u64,
    /// How many may come at once now.
    pub requests_left: u64,
    /// Requests refused since the start.
    pub refused: u64,
    /// Requests let pass beyond it.
    pub observed: u64,
}

/// A provider's breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerStatus {
    /// Where it stands.
    pub state: BreakerPhase,
    /// Failures in a row.
    pub failures: u32,
    /// While it is open: until when.
    pub open_until: Option<UnixMillis>,
    /// Whether it is open since no connection could be made, and waits for one of Serin's own.
    pub unreachable: bool,
}
