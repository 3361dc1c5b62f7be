//! The keys of a provider.
//!
//! Names, kinds, defaults and sentences only: [`compile`](super::super::compile) says what they mean. The sentences are
//! what an editor shows: they are for the people who write the file.
//!
//! Invariant: as in [`keys`](super).

use serde_json::json;

use super::kinds::{
    Schema, anything, described, entries, key, map, number, or_off, some_length, some_length_or_never, text, texts,
    texts_or, usd, whole, word,
};
use super::rate_limit;

pub(super) fn provider() -> Schema {
    described(
        "An upstream.",
        [
            key("base_url", text())
                .required()
                .examples(json!(["https://api.openai.com/v1"]))
                .says("Replaces the mount: scheme, host, and the path at which the provider's API begins."),
            key("api_keys", api_keys())
                .examples(json!([["${OPENAI_API_KEY}"], ["${KEY_A}", {"key": "${KEY_B}", "account": "spare"}]]))
                .says(
                    "Serin's own keys, as references: `${NAME}` or `${file:/path}`, whose lines are a key each. A file \
                     is read again when it changes. Of several keys the first that is usable is sent; see `keys`. \
                     Without any, the application's credentials pass through, to stable only.",
                ),
            key("keys", keys()).says("How several keys are used, and how long one rests."),
            key("auth", text()).examples(json!(["bearer", "header:x-api-key", "query:key", "none"])).says(
                "How a key is sent: `bearer`, `header:NAME`, `query:NAME`, `none`. Default: by the host of `base_url`.",
            ),
            key("query", entries(text()))
                .examples(json!([{"api-version": "2024-10-21"}]))
                .says("Parameters added to the query of every request, as a map."),
            key("timeouts", timeouts()).says("Deadlines for the provider. No deadline runs while the client is slow."),
            key("models", entries(text()))
                .examples(json!([{"gpt-4o": "deepseek-chat"}]))
                .says("Model names as the application writes them -> as this provider names them."),
            key("unmapped", word(&["pass", "stable"])).default("pass").says(
                "A canary request whose model is not in `models`: `pass` forwards it, `stable` sends it to stable.",
            ),
            key("drop_fields", texts())
                .examples(json!([["logit_bias", "stream_options.include_usage"]]))
                .says("Fields of a JSON body that are removed for this provider, as names or dotted paths."),
            key("rename_fields", entries(text())).examples(json!([{"max_tokens": "max_completion_tokens"}])).says(
                "Fields that are renamed for this provider: name or dotted path -> the new last name. A field keeps \
                 its position. If the new name is present already, that field is kept.",
            ),
            key("set_fields", entries(anything()))
                .examples(json!([{"temperature": 1, "metadata.team": "search"}]))
                .says(
                    "Fields that are set in every JSON body, in place of the application's values: name or dotted path \
                     -> any value. Missing objects on the path are created. References in values are not resolved.",
                ),
            key("max_fields", entries(number())).examples(json!([{"max_tokens": 8192}])).says(
                "Maximum numbers for fields: name or dotted path -> number. A larger number is lowered to the maximum. \
                 A missing field is not added.",
            ),
            key("path", text()).examples(json!(["/openai/deployments/{model}/{rest}"])).says(
                "Path below `base_url`, in place of the request's own. `{model}` is the model's name at this provider, \
                 `{rest}` the path below the mount. Default: `/{rest}`.",
            ),
            key("done_marker", word(&["optional", "required"])).default("optional").says(
                "What ends a stream of chat completions. `optional`: `[DONE]`, or a finish reason and the end of the \
                 stream. `required`: `[DONE]` only.",
            ),
            key("breaker", or_off(breaker())).says(
                "Stops requests to this provider for a while after failures, as long as another provider can answer. \
                 `off`: never.",
            ),
            key("rate_limit", rate_limit::provider())
                .examples(json!([{"requests_per_minute": 600, "burst": 100}]))
                .says("Limits for what is sent to this provider. The levels are kept over a reload."),
            key("set_headers", entries(text()))
                .examples(json!([{"x-title": "shop"}]))
                .says("Headers set on every request, in place of the application's values."),
            key("forward_headers", texts()).examples(json!([["cookie"]])).says(
                "Credentials and cookies of the application that are forwarded to this provider although they were \
                 meant for another: headers, and `query:NAME` for a parameter.",
            ),
            key("http2", word(&["never", "auto", "prior_knowledge"]))
                .default("never")
                .says("When HTTP/2 is used: `never`, `auto` (if TLS negotiates it), `prior_knowledge`."),
            key("tls", tls()).says("Files for TLS, in addition to the system's certificates."),
            key("max_connections", whole(1, 1_000_000)).default(8192).says(
                "Maximum connections of a process to this provider. A request that waits longer than \
                 `timeouts.connect` for one goes to another provider, or gets 503 (`resources`).",
            ),
            key("max_connection_age", some_length_or_never()).default("5m").examples(json!(["5m", "never"])).says(
                "Lifetime of a connection, shortened by up to a tenth so that not all end at once. After \
                 it the connection takes no new request, and requests in flight finish. The next \
                 connection looks the name up again. If `max_connections` leaves no room for another, a \
                 busy HTTP/2 connection stays in use. `never`: no limit.",
            ),
            key("websocket", websocket()).says("WebSocket sessions with this provider."),
            key("retires", entries(text())).examples(json!([{"gpt-4o": "2027-01-14"}])).says(
                "Models that this provider takes away: its own name for the model -> the first day without it, in \
                 UTC. `serin check`, `serin plan`, `serin status` and notifications warn 90, 30 and 7 days before \
                 of those that the file maps to or matches by name, or that were requested.",
            ),
            key("prices", entries(price())).examples(json!([
                {"deepseek-*": {"input": 0.28, "cached_input": 0.028, "output": 0.42}, "*": {"input": 1, "output": 4}},
            ])).says(
                "What a million tokens cost, in USD: this provider's own name for a model -> `input`, `output` and, \
                 where it is another, `cached_input`. `*` matches any characters; of several patterns the longest one \
                 that matches counts. The cost of a model without a price is unknown, and is not taken for zero. Prices \
                 are used for copies (`rehearse`, `compare`) only.",
            ),
            key("tags", texts()).examples(json!([["eu", "zero-retention"]])).says(
                "What is true of this provider, in words of one's own, for `require` of a rollout: letters, digits, \
                 `.`, `-`, `_`.",
            ),
            key("probe_path", text()).default("/models").says(
                "Path below `base_url` that probes request with GET. Any status but 401, 403 and 5xx means that the \
                 provider is up.",
            ),
        ],
    )
}

fn api_keys() -> Schema {
    texts_or([
        key("key", text()).required().examples(json!(["${KEY_A}"])).says("The key, as a reference."),
        key("account", text()).examples(json!(["main"])).says(
            "The account that the key belongs to. Keys of one account rest together. Default: an account of its own.",
        ),
    ])
}

fn keys() -> Schema {
    map([
        key("use", word(&["first", "spread"])).default("first").says(
            "Which key a request begins with. `first`: the first in the list. `spread`: one by the hash of the user, so \
             that each user stays in the prompt cache of one account. If that key rests or is refused, the next one.",
        ),
        key("rotate_every", some_length_or_never()).default("never").examples(json!(["1d", "never"])).says(
            "After this time the next key in the list is the one to begin with. `never`: always the same.",
        ),
        key("cool_down", some_length()).default("1m").says(
            "How long an account rests when its quota is spent. Four times as long after each further refusal, up to \
             1h. After a 429 an account rests for the model as long as the provider asks, else 5s, doubling up to 5m. A \
             refused key is tried again every 10m.",
        ),
        key("warn_after", some_length_or_never()).default("90d").examples(json!(["90d", "never"])).says(
            "After this time in use a key is to be replaced: a warning in the status, once in the history. `never`: no \
             warning.",
        ),
    ])
}

fn websocket() -> Schema {
    map([key("ping_every", text()).default("never").examples(json!(["25s", "never"])).says(
        "Pings this provider in a session in which it has sent nothing for this long, 1s at least. If nothing comes for \
         as long again, the session ends as `stalled`, and its client gets a close frame with 1011. `never`: no pings.",
    )])
}

fn breaker() -> Schema {
    map([
        key("failures", whole(1, 10_000)).default(5).says(
            "Failures in a row that open the breaker. A 4xx is not a failure. For the canary of a \
                 rollout it takes 10 failures over at least 3s, so that the guard decides first; \
                 consecutive failures of one user count once, unless no connection could be made, so one \
                 user alone cannot open it. For the stable of a rollout with a canary only failed \
                 connections count, over at least 1s and without any response between them.",
        ),
        key("open_for", some_length()).default("15s").says(
            "How long the breaker stays open. Then one request at a time tests the provider. Each failed test opens \
             the breaker for twice as long, up to 2m. For the stable of a rollout with a canary Serin opens a test \
             connection of its own after 1, 2, 4 seconds and so on, up to 15s.",
        ),
    ])
}

fn timeouts() -> Schema {
    map([
        key("connect", some_length()).default("5s").says(
            "Name lookup, TCP and TLS together. Before that, the same time to wait for a free connection where \
             `max_connections` are in use.",
        ),
        key("headers", some_length()).default("10m").says(
            "From the last byte of the request to the response head. A response that is not streamed has no head until \
             it is complete.",
        ),
        key("stream_headers", some_length())
            .default("1m")
            .says("The same for requests that ask for a stream. The default is never longer than `headers`."),
        key("first_output", some_length()).default("10m").says(
            "From the response head to its first output, or to the first byte of its body where output cannot be \
             recognised.",
        ),
        key("idle", some_length()).default("5m").says("Between two parts of the body."),
    ])
}

fn tls() -> Schema {
    map([
        key("ca_file", text())
            .examples(json!(["/etc/serin/ca.pem"]))
            .says("Additional trusted roots for this provider."),
        key("cert_file", text())
            .examples(json!(["/etc/serin/client.pem"]))
            .says("A client certificate, with `key_file`."),
        key("key_file", text())
            .examples(json!(["/etc/serin/client.key"]))
            .says("The private key of the client certificate."),
    ])
}

fn price() -> Schema {
    map([
        key("input", usd()).required().examples(json!([0.28])).says("For a million tokens that are read."),
        key("cached_input", usd())
            .examples(json!([0.028]))
            .says("For a million that are read from the provider's cache. Default: as `input`."),
        key("output", usd()).required().examples(json!([0.42])).says("For a million tokens that are written."),
    ])
}
