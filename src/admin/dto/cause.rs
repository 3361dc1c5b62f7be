//! Why requests failed, as the API has it: in words, as a value, and with what became of them.
//!
//! The words are those of [`describe`](crate::describe); nothing is decided here. Invariant: who reads the API gets the
//! same counts as who reads the status or the history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::cause::CauseCount;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::Arm;
use crate::describe::cause::{Counted, counted};

/// One cause, how many requests met it, and what became of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseReply {
    /// `stable` or `canary`.
    pub arm: String,
    /// What they were counted as.
    pub outcome: String,
    /// Why, in words.
    pub what: String,
    /// Why, as a value.
    #[serde(default)]
    pub cause: Value,
    /// In how many requests, however often each was tried.
    pub count: u64,
    /// How many requests failed there, for whatever cause; one may have met several.
    pub of: u64,
    /// When last.
    #[serde(default)]
    pub last: Timestamp,
    /// By which id the provider knows the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who answered how many of them instead; a refusal of the request itself is an answer.
    #[serde(default)]
    pub answered: BTreeMap<String, u64>,
    /// Users whose client saw an error in one of them; requests of nobody count one each.
    #[serde(default)]
    pub users_failed: u64,
}

impl CauseReply {
    /// Of both arms, stable's first.
    #[must_use]
    pub fn of_both(causes: &[Vec<CauseCount>; 2]) -> Vec<CauseReply> {
        let arms = [Arm::Stable, Arm::Canary].into_iter().zip(causes);
        arms.flat_map(|(arm, causes)| causes.iter().map(move |cause| CauseReply::of(arm, cause))).collect()
    }

    /// An arm's.
    #[must_use]
    pub fn of(arm: Arm, cause: &CauseCount) -> CauseReply {
        CauseReply {
            arm: arm.as_str().to_owned(),
            outcome: cause.outcome.as_str().to_owned(),
            what: cause.cause.to_string(),
            cause: serde_json::to_value(&cause.cause).unwrap_or_default(),
            count: cause.count,
            of: cause.of,
            last: Timestamp(cause.last),
            request_id: cause.request_id.clone(),
            answered: cause.answered.iter().cloned().collect(),
            users_failed: cause.users_failed,
        }
    }

    /// In a sentence, with its share, its age, and what became of the requests.
    #[must_use]
    pub fn words(&self, now: Timestamp) -> String {
        let answered: Vec<(String, u64)> = self.answered.iter().map(|(name, count)| (name.clone(), *count)).collect();
        counted(
            &Counted {
                what: &self.what,
                count: self.count,
                of: self.of,
                last: self.last.0,
                request_id: self.request_id.as_deref(),
                answered: &answered,
                users_failed: self.users_failed,
            },
            now.0,
        )
    }
}
