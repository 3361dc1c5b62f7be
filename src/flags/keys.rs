//! Every key of flags.yaml: its name, what kind of value it takes, its default, and the sentence that an editor shows.
//!
//! The one description: the schema, `serin schema --defaults`, the check of a file's shape and the defaults that the
//! compiler reads are made from it. What a value means is the compiler's affair. A default is written as it would stand
//! in the file; one that is computed (from the host, from another key) stands where its key is compiled.
//!
//! Invariant: every default and every example is a value of its key's kind.

use serde_json::json;

use super::bounds::{MOST_ENTRIES, MOST_ORIGINS};
use crate::decide::policy::MOST_NOTIFY_TARGETS;
use kinds::{described, entries, key, length, list, map, share, size, some_length, switch, text, texts, whole, word};

mod copies;
mod flag;
mod guard;
mod kinds;
mod notify;
mod provider;
mod rate_limit;
mod rollout;

pub(super) use kinds::Schema;
pub(super) use rollout::USER;

/// The whole file.
pub(super) fn file() -> Schema {
    described(
        "Moves an application's traffic from one provider to another.",
        [
            key("listen", text()).default("127.0.0.1:7171").says(
                "Address that the application connects to; its base URL is this address and the mount. If \
                 the socket, including an inherited one, is bound off loopback and there are keys, \
                 `clients` or `open` is required. A change needs a restart.",
            ),
            key("listen_tls", listen_tls())
                .examples(json!([{
                    "listen": "127.0.0.1:8443",
                    "cert_file": "/etc/serin/tls/tls.crt",
                    "key_file": "/etc/serin/tls/tls.key",
                }]))
                .says("The same as `listen`, over TLS: HTTP/1.1, and HTTP/2 by ALPN. Without this key there is no such port."),
            key("admin", admin())
                .examples(json!([{"listen": "127.0.0.1:7172"}]))
                .says("The admin port: API, metrics, flags for the application."),
            key("mount", text()).default("/v1").says(
                "Path prefix that each provider's `base_url` replaces. A path outside of it gets 404. `/` takes every \
                 path.",
            ),
            key("unmatched", text())
                .examples(json!(["openai", "reject"]))
                .says("Provider for requests that match no rollout, or `reject`. Default: the first rollout's stable."),
            key("state", text()).examples(json!(["/var/lib/serin"])).says(
                "Directory for state that is kept across restarts. Default: $STATE_DIRECTORY, else \
                 $XDG_STATE_HOME/serin, else ./state. A change needs a restart.",
            ),
            key("workers", whole(1, 256)).examples(json!([2])).says(
                "Data-plane threads, 1 to 256. Default: the smaller of 4 and the cores. A change needs a restart.",
            ),
            key("clients", list(MOST_ENTRIES, client()))
                .examples(json!([[{"name": "shop", "key": "${SHOP_KEY}"}]]))
                .says(
                    "Clients that may use the proxy port. Without any, everyone who can connect may use it. A \
                 browser's CORS preflight needs no key, and is forwarded without the provider's \
                 `api_keys`, `set_headers` and `query`.",
                ),
            key("open", switch())
                .default(false)
                .says("`true`: everyone who can connect to a `listen` address off loopback may spend Serin's keys."),
            key("probe", probe())
                .says("A read-only port without tokens, for health checks and metrics (kubelet, Prometheus)."),
            key("proxy", text()).examples(json!(["http://proxy.internal:3128", "none"])).says(
                "Egress proxy for all providers, as `http://user:password@host:port`. `none`: no proxy, \
                 even if HTTPS_PROXY is set. Without this key HTTPS_PROXY is used. NO_PROXY always \
                 exempts hosts (`example.com`, `.example.com`, `*`), addresses and ranges (`10.0.0.0/8`, \
                 `fd00::/8`), each with or without a `:port`. Names are not resolved for it.",
            ),
            key("limits", limits()).says("Limits for clients and for the memory of requests and responses."),
            key("drain", length()).default("10m").says("How long a stopping process waits for requests in flight."),
            key("response_headers", switch()).default(true).says("Whether responses carry the `x-serin-*` headers."),
            key("access_log", access_log())
                .says("Which requests are logged, as lines of JSON. Without this key no access log is written."),
            key("notify", list(MOST_NOTIFY_TARGETS, notify::target()))
                .examples(json!([[{"name": "ops", "url": "https://ops.example.com/serin", "secret": "${OPS_SECRET}"}]]))
                .says("Targets of notifications. Without any, nothing is sent."),
            key("otlp", otlp()).says(
                "Where traces of requests are sent, by OTLP over HTTP. Without this key there are no traces, and \
                 `traceparent` and `tracestate` pass unchanged.",
            ),
            key("providers", entries(provider::provider()))
                .required()
                .examples(json!([{"openai": {"base_url": "https://api.openai.com/v1"}}]))
                .with("minProperties", 1)
                .says("The upstreams, by name."),
            key("rollouts", list(MOST_ENTRIES, rollout::rollout()))
                .examples(json!([[{"name": "chat", "stable": "openai"}]]))
                .says("The rollouts. The first that matches takes the request."),
            key("flags", entries(flag::flag()))
                .examples(json!([{"new-prompt": {"follows": "chat"}}]))
                .says("Flags that the application reads over OFREP, by name."),
        ],
    )
}

fn listen_tls() -> Schema {
    map([
        key("listen", text()).required().examples(json!(["127.0.0.1:8443"])).says(
            "Address that the application connects to with `https://`. The rules of `listen` hold for it as well. A \
             change needs a restart.",
        ),
        key("cert_file", text()).required().examples(json!(["/etc/serin/tls/tls.crt"])).says(
            "The server's certificate in PEM, and behind it those of its issuers. When the file changes it is read \
             again, and no connection is closed. A file that cannot be used changes nothing, which `serin status` \
             shows.",
        ),
        key("key_file", text()).required().examples(json!(["/etc/serin/tls/tls.key"])).says(
            "The private key of the certificate in PEM, without a passphrase. It is read again like `cert_file`.",
        ),
    ])
}

fn admin() -> Schema {
    map([
        key("listen", text())
            .default("127.0.0.1:7172")
            .says("Address of the admin port. Off loopback it needs `tokens`. A change needs a restart."),
        key("url", text()).examples(json!(["https://serin.example.com"])).says(
            "Base URL at which people reach the admin port, for links in notifications. Default: `http://` and \
             `listen`.",
        ),
        key("tokens", list(MOST_ENTRIES, token()))
            .examples(json!([[{"name": "ops", "token": "${OPS_TOKEN}", "may": ["read", "rollback"]}]]))
            .says("Tokens for the admin port. Without any, every process on this machine may use it."),
        key("cors", with_most_items(MOST_ORIGINS, texts())).examples(json!([["https://app.example.com"]])).says(
            "Origins whose web pages may read flags; `*` is every one. Default: pages on loopback; with `tokens`, \
                 pages of every origin. The rest of the admin port is never for pages of other origins.",
        ),
    ])
}

fn with_most_items(most: usize, mut list: Schema) -> Schema {
    list.insert("maxItems".to_owned(), most.into());
    list
}

fn token() -> Schema {
    described(
        "A token for the admin port.",
        [
            key("name", text()).required().examples(json!(["ops"])).says("Name shown in the history."),
            key("token", text()).required().examples(json!(["${OPS_TOKEN}"])).says(
                "Sent as `authorization: Bearer TOKEN`. Fewer than 16 characters are an error off loopback and a \
                 warning on it.",
            ),
            key("may", texts()).required().examples(json!([["read", "rollback"]])).says(
                "A list of `read` (status, history, metrics), `flags` (evaluation, changes), `feedback` (verdicts of the \
                 application), `rollback` (and pause), `change` (everything).",
            ),
        ],
    )
}

fn client() -> Schema {
    described(
        "A client that may use the proxy port.",
        [
            key("name", text()).required().examples(json!(["shop"])).says("Name in logs."),
            key("key", text()).required().examples(json!(["${SHOP_KEY}"])).says(
                "The client may send it wherever an API key may be: a header, the query, a WebSocket subprotocol. It \
                 is not forwarded to any provider.",
            ),
            key("rate_limit", rate_limit::client())
                .examples(json!([{"requests_per_minute": 1000, "burst": 100}]))
                .says("How much the client may send. The level is kept over a reload."),
        ],
    )
}

fn access_log() -> Schema {
    map([
        key("to", text())
            .required()
            .examples(json!(["stdout", "/var/log/serin/access.log"]))
            .says("`stdout`, or the path of a file, which is opened again on SIGHUP."),
        key("only", word(&["all", "failures"]))
            .default("all")
            .says("`all`: all requests. `failures`: only requests that failed or took more than one attempt."),
        key("sample", share(1, 100)).default("100%").says("Random share of those requests."),
        key("max_per_second", whole(1, 1_000_000))
            .default(1000)
            .says("Further lines in the same second are dropped and counted."),
        key("max_bytes", size())
            .default("100MiB")
            .says("A file of this size is renamed to `FILE.1`, replaces the previous one, and a new file is started."),
    ])
}

fn otlp() -> Schema {
    map([
        key("endpoint", text())
            .required()
            .examples(json!(["http://127.0.0.1:4318"]))
            .says("Address of the collector, by OTLP/HTTP with protobuf. `/v1/traces` is added if it is not there."),
        key("sample", share(0, 100)).default("100%").says(
            "Random share of the requests without a valid `traceparent` that is traced. A request that has one is \
             traced if its `sampled` flag is set.",
        ),
        key("headers", entries(text()))
            .examples(json!([{"authorization": "Bearer ${OTLP_TOKEN}"}]))
            .says("Headers of each export, by name. Values are masked wherever the file is shown."),
    ])
}

fn probe() -> Schema {
    map([key("listen", text())
        .required()
        .examples(json!(["0.0.0.0:7173"]))
        .says("Address of the probe port. A change needs a restart.")])
}

fn limits() -> Schema {
    map([
        key("header_bytes", size()).default("64KiB").says("Maximum size of a request's head."),
        key("header_time", some_length()).default("10s").says(
            "Time for a request's head, counted from the opening of the connection or from the head's first byte.",
        ),
        key("idle", some_length())
            .default("10m")
            .says("How long an idle client connection is kept, and how long a client may pause while it sends a body."),
        key("connections", whole(1, 1_000_000)).default(8192).says(
            "Maximum open client connections. Further connections wait. The longest idle connection \
                 is closed for them, after a second at least. The limit is always below half of the \
                 limit of open files; `serin status` shows a lower limit.",
        ),
        key("replay_body", size()).default("8MiB").says(
            "Largest JSON body or form that is buffered, for the user's id, the model and retries. Also the largest \
             stream that is assembled before it is sent. At most 64MiB.",
        ),
        key("replay_memory", size()).default("256MiB").says("Memory for all buffered requests and responses."),
        key("state_ids", whole(1000, 5_000_000)).default(100_000).says(
            "Ids of responses, files, conversations and the like that another provider than stable keeps. Of more, the \
             least recently used are forgotten. 100000 take about 12 MiB.",
        ),
    ])
}
