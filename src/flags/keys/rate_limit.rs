//! The keys of limits, of providers and of clients.
//!
//! Names, kinds, defaults and sentences only: [`compile`](super::super::compile) says what they mean. Invariant: as in
//! [`keys`](super).

use serde_json::json;

use super::kinds::{Key, Schema, key, length, map, switch, whole, word};

/// More than any provider allows.
const MOST: u32 = 1_000_000_000;

pub(super) fn provider() -> Schema {
    let mut limit = map([
        requests(),
        burst(),
        key("tokens_per_minute", whole(1, MOST)).examples(json!([200_000])).says(
            "Tokens read and written in a minute; a minute's worth may come at once. A request reserves its bytes \
             divided by four, and the mean output of earlier responses of its arm and model, at most what its \
             max_tokens allows. The response's usage settles it.",
        ),
        key("in_flight", whole(1, 1_000_000)).examples(json!([64])).says("Maximum requests in flight."),
        key("when_full", word(&["fallback", "wait", "refuse", "observe"])).default("fallback").says(
            "What happens to a request that the limit has no room for. `fallback`: another candidate is tried; where \
             none is left it waits up to `wait`, and is then sent anyway. `wait`: it waits up to `wait`; then another \
             candidate is tried, and where none is left it gets 429. `refuse`: it gets 429, with `retry-after`. \
             `observe`: it is sent, and counted.",
        ),
        key("wait", length()).default("2s").says(
            "How long a request waits for its turn, at most 10m. At most 1,024 requests wait, in the order in which \
             they came.",
        ),
        key("follow_headers", switch()).default(false).says(
            "Whether what the provider's headers say is left (`x-ratelimit-remaining-*`, \
             `anthropic-ratelimit-*-remaining`) lowers what is left here, and a 429 closes the limit for the time that \
             it asks for, at most 1m. Limits of a day are not followed, nor those of keys of several accounts.",
        ),
    ]);
    let limits = ["requests_per_minute", "tokens_per_minute", "in_flight"];
    limit.insert("anyOf".to_owned(), limits.map(|key| json!({"required": [key]})).to_vec().into());
    limit
}

pub(super) fn client() -> Schema {
    map([
        requests().required(),
        burst(),
        key("when_full", word(&["refuse", "observe"])).default("refuse").says(
            "What happens to a request that the limit has no room for. `refuse`: it gets 429, with `retry-after`. \
             `observe`: it is let pass, and counted.",
        ),
    ])
}

fn requests() -> Key {
    key("requests_per_minute", whole(1, MOST)).examples(json!([600])).says("Requests in a minute.")
}

fn burst() -> Key {
    key("burst", whole(1, MOST))
        .examples(json!([100]))
        .says("How many of them may come at once. Default: a sixth of `requests_per_minute`, at least 1.")
}
