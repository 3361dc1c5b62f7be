//! What is kept of keys in the state directory: who rests until when, who was refused, since when each is in use.
//!
//! Keys are known by their [`KeyId`], models by a hash. Times are those of the wall clock, to the second. What cannot be
//! read is left out, since it is learnt again. Decides nothing. Invariant: no key is in it, nor any part of one.

use serde::{Deserialize, Serialize};

use super::identity::KeyId;
use crate::control::now::Now;
use crate::decide::key_rest::KeyRest;
use crate::decide::units::{Millis, UnixMillis};
use crate::state::keys::ModelRest;

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) salt: String,
    #[serde(default)]
    pub(super) keys: Vec<KeptKey>,
    #[serde(default)]
    pub(super) accounts: Vec<KeptAccount>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptKey {
    pub(super) provider: String,
    pub(super) base_url: String,
    pub(super) id: KeyId,
    pub(super) first_seen: UnixMillis,
    /// Whether a reminder of its age is in the history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) reminded: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<KeptRest>,
    /// With which status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// As the key of which position the history has it as refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptAccount {
    pub(super) provider: String,
    pub(super) base_url: String,
    /// Its name in the file with a `=` before it, or the identity of its only key.
    pub(super) account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) spent: Option<KeptRest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) models: Vec<KeptModel>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptModel {
    /// A hash of its name.
    pub(super) model: u64,
    pub(super) rest: KeptRest,
}

/// A rest, in the time of the wall clock.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct KeptRest {
    /// In seconds.
    until: u64,
    step: u8,
}

impl KeptRest {
    /// `None`: there is no rest.
    pub(super) fn of(rest: KeyRest, now: Now) -> Option<KeptRest> {
        // What is over keeps its moment, so that nothing new is written of it.
        let left = rest.until.since(now.mono).0;
        let over = now.mono.since(rest.until).0;
        let until = now.unix.0.saturating_add(left).saturating_sub(over).div_ceil(1000);
        (!rest.is_none()).then_some(KeptRest { until, step: rest.step })
    }

    pub(super) fn rest(self, now: Now) -> KeyRest {
        let until = self.until.saturating_mul(1000);
        let (left, over) = (until.saturating_sub(now.unix.0), now.unix.0.saturating_sub(until));
        let until = Millis(now.mono.0.saturating_add(left).saturating_sub(over));
        KeyRest { until, step: self.step & 0x7f, trial: false }
    }
}

impl KeptModel {
    pub(super) fn of(ModelRest { model, rest }: ModelRest, now: Now) -> Option<KeptModel> {
        Some(KeptModel { model, rest: KeptRest::of(rest, now)? })
    }

    pub(super) fn rest(&self, now: Now) -> ModelRest {
        ModelRest { model: self.model, rest: self.rest.rest(now) }
    }
}
