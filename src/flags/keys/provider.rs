//! The keys of a provider.
//!
//! Names, kinds, defaults and sentences only: [`compile`](super::super::compile) says what they mean. The sentences are
//! what an editor shows: they are for the people who write the file.
//!
//! Invariant: as in [`keys`](super).

use serde_json::json;

use super::kinds::{
    Schema, anything, described, entries, key, map, number, or_off, some_length, some_length_or_never, text, texts,
    whole, word,
};

pub(super) fn provider() -> Schema {
    described(
        "An upstream.",
        [
            key("base_url", text())
                .required()
                .examples(json!(["https://api.openai.com/v1"]))
                .says("What replaces the mount: scheme, host, and the path that the provider's API begins with."),
            key("api_keys", texts()).examples(json!([["${OPENAI_API_KEY}"]])).says(
                "Serin's own keys, as references: `${NAME}` or `${file:/path}`. Without any, the application's own \
                 credentials pass through, to a stable provider only.",
            ),
            key("auth", text()).examples(json!(["bearer", "header:x-api-key", "query:key", "none"])).says(
                "How a key is presented: bearer, header:NAME, query:NAME or none. Default: by the host of `base_url`.",
            ),
            key("query", entries(text()))
                .examples(json!([{"api-version": "2024-10-21"}]))
                .says("Added to the query of every request."),
            key("timeouts", timeouts())
                .says("How long Serin waits for the provider. Each clock stands still while the client is slow."),
            key("models", entries(text()))
                .examples(json!([{"gpt-4": "deepseek-chat"}]))
                .says("Model names as the application writes them -> as this provider knows them."),
            key("unmapped", word(&["pass", "stable"])).default("pass").says(
                "A canary request whose model `models` does not name: `pass` it on as it is, or leave it on `stable`.",
            ),
            key("drop_fields", texts())
                .examples(json!([["logit_bias", "stream_options.include_usage"]]))
                .says("Fields that are taken out of a JSON body on its way here, as names or dotted paths."),
            key("rename_fields", entries(text())).examples(json!([{"max_tokens": "max_completion_tokens"}])).says(
                "Fields that this provider calls by another name: name or dotted path -> the new last name. The field \
                 stays in its place; where the new name is there already, it wins.",
            ),
            key("set_fields", entries(anything()))
                .examples(json!([{"temperature": 1, "metadata.team": "search"}]))
                .says(
                    "Fields that every JSON body gets, over what the application sent: name or dotted path -> any \
                     value. Objects on the way are made where they are missing. A text goes out as it stands: no \
                     reference is read in it.",
                ),
            key("max_fields", entries(number())).examples(json!([{"max_tokens": 8192}])).says(
                "The largest number that this provider takes in a field: name or dotted path -> number. A larger one \
                 is lowered to it; a field that is not there stays away.",
            ),
            key("path", text()).examples(json!(["/openai/deployments/{model}/{rest}"])).says(
                "What stands below `base_url` in place of the request's own path: `{model}` is the model's name as \
                 this provider knows it, `{rest}` the request's path below the mount. Default: `/{rest}`.",
            ),
            key("done_marker", word(&["optional", "required"])).default("optional").says(
                "What ends a stream of chat completions: `optional` takes `[DONE]`, or a finish reason and the end; \
                 `required` takes `[DONE]` alone, and without it the answer counts as cut.",
            ),
            key("breaker", or_off(breaker()))
                .says("When nothing is sent here for a while, as long as another provider can answer. `off`: never."),
            key("set_headers", entries(text()))
                .examples(json!([{"x-title": "shop"}]))
                .says("Headers set on every request, over what the application sent."),
            key("forward_headers", texts()).examples(json!([["cookie"]])).says(
                "The application's credentials and cookies that this provider may see although they were meant for \
                 another: headers, and `query:NAME` for a parameter.",
            ),
            key("http2", word(&["never", "auto", "prior_knowledge"]))
                .default("never")
                .says("Which HTTP version is spoken: never (HTTP/1.1), auto (what TLS settles on), prior_knowledge."),
            key("tls", tls()).says("Files for TLS beyond the system's certificates."),
            key("max_connections", whole(1, 1_000_000))
                .default(8192)
                .says("Connections that a process keeps open to this provider, over all threads."),
            key("max_connection_age", some_length_or_never()).default("5m").examples(json!(["5m", "never"])).says(
                "A connection to this provider takes no new request once it is so old, or up to a tenth less, so that \
                 not all go at once; what is under way on it is not cut, and for the next one the name is looked up \
                 anew. never: it is used for as long as it lives.",
            ),
            key("probe_path", text()).default("/models").says(
                "Asked with GET below `base_url` to learn whether the provider lives. Any answer but 401, 403 and 5xx \
                 means it does.",
            ),
        ],
    )
}

fn breaker() -> Schema {
    map([
        key("failures", whole(1, 10_000)).default(5).says(
            "Failures in a row that open it; an answer of the 4xx kind is none. For the canary of a rollout it takes \
             10 over at least 3s, so that the guard judges first. For the stable of a rollout with a canary only \
             failures to connect count, over at least 1s and without any answer between them.",
        ),
        key("open_for", some_length()).default("15s").says(
            "How long it stays open; then one request at a time tries whether the provider is back, and each that \
             fails opens it for twice as long, up to 2m. For the stable of a rollout with a canary Serin tries a \
             connection of its own, after 1, 2, 4 seconds and so on up to 15s.",
        ),
    ])
}

fn timeouts() -> Schema {
    map([
        key("connect", some_length()).default("5s").says(
            "Name lookup, TCP and TLS together; before that, as long for a free connection where `max_connections` \
             are in use.",
        ),
        key("headers", some_length()).default("10m").says(
            "From the request's last byte to the head of the answer. An answer that is not streamed has none until it \
             is complete.",
        ),
        key("stream_headers", some_length())
            .default("1m")
            .says("The same where a stream was asked for; by default no longer than `headers`."),
        key("first_output", some_length()).default("10m").says(
            "From the head of the answer to its first output; where that cannot be told, to the first byte of its \
             body.",
        ),
        key("idle", some_length()).default("5m").says("Between two pieces of the body."),
    ])
}

fn tls() -> Schema {
    map([
        key("ca_file", text())
            .examples(json!(["/etc/serin/ca.pem"]))
            .says("Roots trusted for this provider, besides the system's."),
        key("cert_file", text())
            .examples(json!(["/etc/serin/client.pem"]))
            .says("Our own certificate, together with `key_file`."),
        key("key_file", text()).examples(json!(["/etc/serin/client.key"])).says("The certificate's private key."),
    ])
}
