//! What flags there are, for the dashboard and `serin flag`.
//!
//! Says what the file has, after defaults: the value for a user is OFREP's to tell. Values are as clients get them. All
//! of them are there, which the size of the file bounds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::policy::{Flag, Policy, Serve};
use crate::decide::timestamp::Timestamp;
use crate::describe;

/// `GET /api/v1/flags`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlagsReply {
    /// By name.
    pub flags: Vec<FlagReply>,
}

/// A flag of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlagReply {
    pub name: String,
    /// `boolean`, `string`, `integer`, `float` or `object`.
    pub r#type: String,
    /// Their names, in the file's order.
    pub variants: Vec<String>,
    /// By variant.
    pub values: BTreeMap<String, Value>,
    /// The variant for users whom no rule serves, if it is one for all of them.
    pub default: Option<String>,
    /// Whether the file turns it off.
    pub off: bool,
    /// The rollout that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// How many.
    pub rules: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What it serves, in one line.
    pub summary: String,
}

impl FlagsReply {
    /// The flags of a policy.
    #[must_use]
    pub fn new(policy: &Policy) -> FlagsReply {
        FlagsReply { flags: policy.flags.iter().map(|(name, flag)| FlagReply::new(policy, name, flag)).collect() }
    }
}

impl FlagReply {
    fn new(policy: &Policy, name: &str, flag: &Flag) -> FlagReply {
        let follows = flag.follows().and_then(|id| policy.rollouts.get(usize::from(id.0)));
        // The values came out of JSON: writing them as JSON cannot fail.
        let value = |value| serde_json::to_value(value).unwrap_or_default();
        FlagReply {
            name: name.to_owned(),
            r#type: flag.flag_type.as_str().to_owned(),
            variants: flag.variants.iter().map(|variant| variant.name.clone()).collect(),
            values: flag.variants.iter().map(|variant| (variant.name.clone(), value(&variant.value))).collect(),
            default: match &flag.otherwise {
                Serve::Variant(id) => Some(flag.variant(*id).name.clone()),
                Serve::Split(_) | Serve::Follow { .. } => None,
            },
            off: flag.off,
            follows: follows.map(|rollout| rollout.name.clone()),
            rules: flag.rules.len(),
            from: flag.from.map(Timestamp),
            until: flag.until.map(Timestamp),
            summary: describe::flag::summary(policy, flag),
        }
    }
}
