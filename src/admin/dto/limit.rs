//! Limits of providers and clients, as the admin API tells them.
//!
//! Shapes only. Counts are since the start of the process; what is left is what it is now. Invariant: a limit that the
//! file does not set is absent.

use serde::{Deserialize, Serialize};

use crate::state::limit::{LimitKind, Turned};
use crate::state::status::{ClientLimitStatus, LimitStatus};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderLimit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// Requests let pass in the last minute.
    pub last_minute: u64,
    /// Requests that may pass at once now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_left: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Tokens that may pass at once now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_left: Option<u64>,
    /// Maximum requests in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_in_flight: Option<u32>,
    pub in_flight: u32,
    /// Requests that wait for their turn.
    pub waiting: u32,
    /// Requests that there was no room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turned: Vec<LimitTurned>,
}

/// Requests that a limit had no room for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitTurned {
    /// `requests`, `tokens` or `in_flight`.
    pub limit: String,
    /// `other`, `waited`, `sent_anyway`, `refused` or `observed`.
    pub then: String,
    pub requests: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientLimit {
    pub name: String,
    #[serde(default)]
    pub requests_per_minute: u64,
    #[serde(default)]
    pub burst: u64,
    /// Requests let pass in the last minute.
    #[serde(default)]
    pub last_minute: u64,
    /// Requests that may pass at once now.
    #[serde(default)]
    pub requests_left: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests let pass beyond the limit.
    pub observed: u64,
}

impl From<&LimitStatus> for ProviderLimit {
    fn from(limit: &LimitStatus) -> ProviderLimit {
        let mut counts = Vec::new();
        for (kind, by_turned) in LimitKind::ALL.into_iter().zip(limit.turned) {
            for (turned, requests) in Turned::ALL.into_iter().zip(by_turned).filter(|(_, requests)| *requests > 0) {
                counts.push(LimitTurned { limit: kind.as_str().into(), then: turned.as_str().into(), requests });
            }
        }
        ProviderLimit {
            requests_per_minute: limit.requests_per_minute,
            burst: limit.burst,
            last_minute: limit.last_minute,
            requests_left: limit.requests_left,
            tokens_per_minute: limit.tokens_per_minute,
            tokens_left: limit.tokens_left,
            most_in_flight: limit.most_in_flight,
            in_flight: limit.in_flight,
            waiting: limit.waiting,
            turned: counts,
        }
    }
}

impl From<&ClientLimitStatus> for ClientLimit {
    fn from(client: &ClientLimitStatus) -> ClientLimit {
        ClientLimit {
            name: client.name.clone(),
            requests_per_minute: client.requests_per_minute,
            burst: client.burst,
            last_minute: client.last_minute,
            requests_left: client.requests_left,
            refused: client.refused,
            observed: client.observed,
        }
    }
}
