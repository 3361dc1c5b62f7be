//! Every key of flags.yaml: its name, what kind of value it takes, its default, and the sentence that an editor shows.
//!
//! The one description: the schema, `serin schema --defaults`, the check of a file's shape and the defaults that the
//! compiler reads are made from it. What a value means is the compiler's affair. A default is written as it would stand
//! in the file; one that is computed (from the host, from another key) stands where its key is compiled.
//!
//! Invariant: every default and every example is a value of its key's kind.

use serde_json::json;

use super::bounds::MOST_ENTRIES;
use kinds::{described, entries, key, length, list, map, share, size, some_length, switch, text, texts, whole, word};

mod guard;
mod kinds;
mod provider;
mod rollout;

pub(super) use kinds::Schema;
pub(super) use rollout::USER;

/// The whole file.
pub(super) fn file() -> Schema {
    described(
        "Moves an application's traffic from one provider to another: what is to happen, for Serin to carry out.",
        [
            key("listen", text()).default("127.0.0.1:7171").says(
                "Where the application connects; its base URL is this address and the mount. Takes a restart to \
                 change.",
            ),
            key("admin", admin()).says("The operators' port: API, metrics, flags for the application."),
            key("mount", text())
                .default("/v1")
                .says("The path prefix that each provider's `base_url` replaces; \"/\" for every path."),
            key("unmatched", text()).examples(json!(["openai", "reject"])).says(
                "Where a request goes that no rollout matches: a provider's name, or `reject`. Default: the first \
                 rollout's stable.",
            ),
            key("state", text()).examples(json!(["/var/lib/serin"])).says(
                "The directory for what must outlast the process. Default: $STATE_DIRECTORY, else \
                 $XDG_STATE_HOME/serin, else ./state.",
            ),
            key("workers", whole(1, 256)).examples(json!([2])).says(
                "Data-plane threads, 1 to 256. Default: the smaller of 4 and the cores. Takes a restart to change.",
            ),
            key("clients", list(MOST_ENTRIES, client()))
                .examples(json!([[{"name": "shop", "key": "${SHOP_KEY}"}]]))
                .says("Who may use the proxy port; without any: everybody who reaches it."),
            key("open", switch()).default(false).says(
                "`true` lets everybody who reaches `listen` spend Serin's keys, although it is not a loopback \
                 address.",
            ),
            key("probe", probe())
                .says("A read-only port without tokens (healthz, readyz, metrics) for kubelet and Prometheus."),
            key("proxy", text()).examples(json!(["http://proxy.internal:3128", "none"])).says(
                "The egress proxy for all providers, asked with CONNECT. `none`: no proxy, whatever HTTPS_PROXY says. \
                 Without this key HTTPS_PROXY of the environment is used; NO_PROXY always exempts hosts, addresses \
                 and ranges of them.",
            ),
            key("limits", limits()).says("What a client may cost."),
            key("drain", length()).default("10m").says("How long a stopping process waits for what is in flight."),
            key("response_headers", switch()).default(true).says("Whether answers carry the `x-serin-*` headers."),
            key("access_log", access_log())
                .says("Which requests are written down, a line of JSON each; without this none is."),
            key("providers", entries(provider::provider()))
                .required()
                .examples(json!([{"openai": {"base_url": "https://api.openai.com/v1"}}]))
                .with("minProperties", 1)
                .says("The upstreams, by the name that everything else uses."),
            key("rollouts", list(MOST_ENTRIES, rollout::rollout()))
                .examples(json!([[{"name": "chat", "stable": "openai"}]]))
                .says("The moves from one provider to another: the first whose match fits takes the request."),
            key("flags", entries(flag()))
                .examples(json!([{"new-prompt": {"follows": "chat"}}]))
                .says("Flags that the application reads over OFREP, by name."),
        ],
    )
}

fn admin() -> Schema {
    map([
        key("listen", text())
            .default("127.0.0.1:7172")
            .says("Its address. Off loopback it needs `tokens`. Takes a restart to change."),
        key("tokens", list(MOST_ENTRIES, token()))
            .examples(json!([[{"name": "ops", "token": "${OPS_TOKEN}", "may": ["read", "rollback"]}]]))
            .says("Who may use it, and for what; without any: everybody on this machine."),
    ])
}

fn token() -> Schema {
    described(
        "Somebody who may use the operators' port.",
        [
            key("name", text()).required().examples(json!(["ops"])).says("The name that the history shows."),
            key("token", text())
                .required()
                .examples(json!(["${OPS_TOKEN}"]))
                .says("Presented as `authorization: Bearer TOKEN`."),
            key("may", texts()).required().examples(json!([["read", "rollback"]])).says(
                "What it allows: read (status, history, metrics), flags (evaluation), rollback (and pause), change \
                 (everything).",
            ),
        ],
    )
}

fn client() -> Schema {
    described(
        "Somebody who may use the proxy port.",
        [
            key("name", text()).required().examples(json!(["shop"])).says("The name in logs."),
            key("key", text()).required().examples(json!(["${SHOP_KEY}"])).says(
                "Presented wherever an API key may stand: a header, the query, a WebSocket subprotocol. No provider \
                 ever sees it.",
            ),
        ],
    )
}

fn access_log() -> Schema {
    map([
        key("to", text())
            .required()
            .examples(json!(["stdout", "/var/log/serin/access.log"]))
            .says("`stdout`, or the path of a file, which SIGHUP opens anew."),
        key("only", word(&["all", "failures"]))
            .default("all")
            .says("`all` requests, or `failures`: those that did not end well or took more than one attempt."),
        key("sample", share(1, 100)).default("100%").says("Which part of them, by chance."),
        key("max_per_second", whole(1, 1_000_000)).default(1000).says("More lines than this are dropped, and counted."),
        key("max_bytes", size())
            .default("100MiB")
            .says("A file of this size becomes `FILE.1`, in place of the one before, and another is begun."),
    ])
}

fn probe() -> Schema {
    map([key("listen", text())
        .required()
        .examples(json!(["0.0.0.0:7173"]))
        .says("Its address. Takes a restart to change.")])
}

fn limits() -> Schema {
    map([
        key("header_bytes", size()).default("64KiB").says("A request's head: request line and headers together."),
        key("header_time", some_length())
            .default("10s")
            .says("From the first byte of a request's head, or the opening of a connection, to the head's last byte."),
        key("idle", some_length()).default("10m").says(
            "How long an idle connection of the application is kept, and how long a client may pause within a body.",
        ),
        key("connections", whole(1, 1_000_000)).default(8192).says(
            "Open connections of the application; further ones wait, and idle ones make room. Never above what the \
             process's limit of files allows.",
        ),
        key("replay_body", size()).default("8MiB").says(
            "The largest JSON body or form that is read whole: for the user's id, the model, and another try; and the \
             largest stream that is assembled before it goes out. At most 64MiB.",
        ),
        key("replay_memory", size()).default("256MiB").says("All requests and answers that are held at one time."),
    ])
}

fn flag() -> Schema {
    described(
        "A flag that the application reads.",
        [key("follows", text())
            .required()
            .examples(json!(["chat"]))
            .says("The rollout it follows: true for exactly the users whom that sends to the canary.")],
    )
}
