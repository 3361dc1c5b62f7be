//! A provider's key in the status: its position, its end, and whether it can be asked.
//!
//! Owns the shape that programs read. A field may be added, none is renamed or removed. Decides nothing. Invariant: a key
//! is never shown, only its last four characters, by which its owner tells it from others.

use serde::{Deserialize, Serialize};

use crate::decide::timestamp::Timestamp;
use crate::state::status::{KeyCondition, KeyStatus};

/// A key of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderKey {
    /// Its position in the file, from 1 on.
    pub key: usize,
    /// Its last four characters; empty: it is too short to show any.
    pub last_four: String,
    /// The account that the file names for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `usable`, `resting` or `refused`.
    pub state: String,
    /// Why it rests: `rate_limit` or `quota`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when it rests, or when it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// For how many models its account rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<usize>,
    /// With which status it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Since when it is in use, as far as the state goes back.
    pub first_seen: Timestamp,
    /// Whether that is longer ago than `keys.warn_after` of its provider: it should be replaced.
    #[serde(default)]
    pub is_old: bool,
}

impl From<&KeyStatus> for ProviderKey {
    fn from(key: &KeyStatus) -> ProviderKey {
        let (reason, until, models, status) = match key.condition {
            KeyCondition::Usable => (None, None, None, None),
            KeyCondition::Throttled { until, models } => (Some("rate_limit"), Some(until), Some(models), None),
            KeyCondition::Spent { until } => (Some("quota"), Some(until), None, None),
            KeyCondition::Refused { status, next_try } => (None, Some(next_try), None, Some(status)),
        };
        ProviderKey {
            key: key.position,
            last_four: key.tail.clone(),
            account: key.account.clone(),
            state: key.condition.as_str().to_owned(),
            reason: reason.map(str::to_owned),
            until: until.map(Timestamp),
            models,
            status,
            first_seen: Timestamp(key.first_seen),
            is_old: key.is_old,
        }
    }
}
