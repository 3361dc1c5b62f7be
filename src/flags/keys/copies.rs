//! The keys of copies: `rehearse` and `compare` of a rollout.
//!
//! Names, kinds, defaults and sentences only: [`compile`](super::super::compile) says what they mean. Both have the
//! same limits. Invariant: as in [`keys`](super).

use serde_json::json;

use super::kinds::{Key, Schema, key, map, share, some_usd, whole};

/// More would be a load of its own.
const MOST_PER_MINUTE: u32 = 600;

pub(super) fn rehearse() -> Schema {
    map([
        key("requests", whole(1, 10_000))
            .required()
            .examples(json!([50]))
            .says("Copies that have to be compared before the ramp begins."),
        per_minute(),
        max_cost(),
    ])
}

pub(super) fn compare() -> Schema {
    map([
        key("share", share(1, 100)).required().examples(json!(["1%"])).says(
            "Share of stable's split requests that are copied, drawn at random. At 100% on the canary there are none.",
        ),
        per_minute(),
        max_cost(),
    ])
}

fn per_minute() -> Key {
    key("per_minute", whole(1, MOST_PER_MINUTE)).default(30).says("Copies that are sent in any minute, at most.")
}

fn max_cost() -> Key {
    key("max_cost", some_usd()).default("$5").says(
        "The most that copies of this rollout may cost a day (UTC), in USD, for rehearsal and comparison together and \
         for each process. The canary's `prices` are used. Each copy reserves what it may cost before it is sent. \
         Without a price the cost is unknown: then `per_minute` is the only bound, and `check` says so.",
    )
}
