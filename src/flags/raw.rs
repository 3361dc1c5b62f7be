//! The mirror of flags.yaml: which keys there are, of what kind, with what default. The schema is made from it.
//!
//! No logic and no meaning: texts stay texts until [`compile`](super::compile) reads them. The sentences on the fields
//! are what an editor shows, so they speak to whoever writes the file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::choices::{Anything, Breaker, Fallback, Slow};
use super::defaults;
use super::kinds::{
    Ceiling, Chance, Delay, Entries, Id, Intent, Length, Number, Pins, Rate, Size, SomeLength, SomeRate, Switch, Text,
    Texts, Whole,
};
use super::scalar::{show_number, show_size};

/// Moves an application's traffic from one provider to another: what is to happen, for Serin to carry out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "flags.yaml")]
pub(super) struct File {
    /// Where the application connects; its base URL is this address and the mount. Takes a restart to change.
    #[schemars(extend("default" = defaults::LISTEN.to_string()))]
    pub(super) listen: Option<Text>,
    /// The operators' port: API, metrics, flags for the application.
    pub(super) admin: Option<Admin>,
    /// The path prefix that each provider's `base_url` replaces; "/" for every path.
    #[schemars(extend("default" = defaults::MOUNT))]
    pub(super) mount: Option<Text>,
    /// Where a request goes that no rollout matches: a provider's name, or `reject`. Default: the first rollout's stable.
    #[schemars(extend("examples" = ["openai", "reject"]))]
    pub(super) unmatched: Option<Text>,
    /// The directory for what must outlast the process. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/serin, else ./state.
    #[schemars(extend("examples" = ["/var/lib/serin"]))]
    pub(super) state: Option<Text>,
    /// Data-plane threads, 1 to 256. Default: the smaller of 4 and the cores. Takes a restart to change.
    #[schemars(extend("minimum" = 1, "maximum" = 256, "examples" = [2]))]
    pub(super) workers: Option<Whole>,
    /// Who may use the proxy port; without any: everybody who reaches it.
    #[schemars(extend("maxItems" = defaults::MOST_ENTRIES, "examples" = [[{"name": "shop", "key": "${SHOP_KEY}"}]]))]
    pub(super) clients: Option<Vec<Client>>,
    /// `true` lets everybody who reaches `listen` spend Serin's keys, although it is not a loopback address.
    #[schemars(extend("default" = false))]
    pub(super) open: Option<Switch>,
    /// A read-only port without tokens (healthz, readyz, metrics) for kubelet and Prometheus.
    pub(super) probe: Option<Probe>,
    /// The egress proxy for all providers, asked with CONNECT. `none`: no proxy, whatever HTTPS_PROXY says. Without this
    /// key HTTPS_PROXY of the environment is used; NO_PROXY always exempts hosts, addresses and ranges of them.
    #[schemars(extend("examples" = ["http://proxy.internal:3128", "none"]))]
    pub(super) proxy: Option<Text>,
    /// What a client may cost.
    pub(super) limits: Option<Limits>,
    /// How long a stopping process waits for what is in flight.
    #[schemars(extend("default" = defaults::DRAIN.to_string()))]
    pub(super) drain: Option<Length>,
    /// Whether answers carry the `x-serin-*` headers.
    #[schemars(extend("default" = true))]
    pub(super) response_headers: Option<Switch>,
    /// Which requests are written down, a line of JSON each; without this none is.
    pub(super) access_log: Option<AccessLog>,
    /// The upstreams, by the name that everything else uses.
    #[schemars(required, extend("minProperties" = 1, "examples" = [{"openai": {"base_url": "https://api.openai.com/v1"}}]))]
    pub(super) providers: Option<Entries<Provider>>,
    /// The moves from one provider to another: the first whose match fits takes the request.
    #[schemars(extend("maxItems" = defaults::MOST_ENTRIES, "examples" = [[{"name": "chat", "stable": "openai"}]]))]
    pub(super) rollouts: Option<Vec<Rollout>>,
    /// Flags that the application reads over OFREP, by name.
    #[schemars(extend("examples" = [{"new-prompt": {"follows": "chat"}}]))]
    pub(super) flags: Option<Entries<Flag>>,
}

/// The operators' port.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    /// Its address. Off loopback it needs `tokens`. Takes a restart to change.
    #[schemars(extend("default" = defaults::ADMIN.to_string()))]
    pub(super) listen: Option<Text>,
    /// Who may use it, and for what; without any: everybody on this machine.
    #[schemars(extend("maxItems" = defaults::MOST_ENTRIES, "examples" = [[{"name": "ops", "token": "${OPS_TOKEN}", "may": ["read", "rollback"]}]]))]
    pub(super) tokens: Option<Vec<Token>>,
}

/// Somebody who may use the operators' port.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    /// The name that the history shows.
    #[schemars(required, extend("examples" = ["ops"]))]
    pub(super) name: Option<Text>,
    /// Presented as `authorization: Bearer TOKEN`.
    #[schemars(required, extend("examples" = ["${OPS_TOKEN}"]))]
    pub(super) token: Option<Text>,
    /// What it allows: read (status, history, metrics), flags (evaluation), rollback (and pause), change (everything).
    #[schemars(required, extend("examples" = [["read", "rollback"]]))]
    pub(super) may: Option<Texts>,
}

/// Somebody who may use the proxy port.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    /// The name in logs.
    #[schemars(required, extend("examples" = ["shop"]))]
    pub(super) name: Option<Text>,
    /// Presented wherever an API key may stand: a header, the query, a WebSocket subprotocol. No provider ever sees it.
    #[schemars(required, extend("examples" = ["${SHOP_KEY}"]))]
    pub(super) key: Option<Text>,
}

/// Which requests are written down, and where.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessLog {
    /// `stdout`, or the path of a file, which SIGHUP opens anew.
    #[schemars(required, extend("examples" = ["stdout", "/var/log/serin/access.log"]))]
    pub(super) to: Option<Text>,
    /// `all` requests, or `failures`: those that did not end well or took more than one attempt.
    #[schemars(extend("default" = "all", "enum" = ["all", "failures"]))]
    pub(super) only: Option<Text>,
    /// Which part of them, by chance.
    #[schemars(extend("default" = "100%"))]
    pub(super) sample: Option<SomeRate>,
    /// More lines than this are dropped, and counted.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000, "default" = defaults::ACCESS_LOG_PER_SECOND))]
    pub(super) max_per_second: Option<Whole>,
    /// A file of this size becomes `FILE.1`, in place of the one before, and another is begun.
    #[schemars(extend("default" = show_size(defaults::ACCESS_LOG_BYTES)))]
    pub(super) max_bytes: Option<Size>,
}

/// A read-only port.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe {
    /// Its address. Takes a restart to change.
    #[schemars(required, extend("examples" = ["0.0.0.0:7173"]))]
    pub(super) listen: Option<Text>,
}

/// What a client may cost.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// A request's head: request line and headers together.
    #[schemars(extend("default" = show_size(defaults::HEADER_BYTES.into())))]
    pub(super) header_bytes: Option<Size>,
    /// From the first byte of a request's head, or the opening of a connection, to the head's last byte.
    #[schemars(extend("default" = defaults::HEADER_TIME.to_string()))]
    pub(super) header_time: Option<SomeLength>,
    /// How long an idle connection of the application is kept, and how long a client may pause within a body.
    #[schemars(extend("default" = defaults::IDLE.to_string()))]
    pub(super) idle: Option<SomeLength>,
    /// Open connections of the application; further ones wait, and idle ones make room. Never above what the process's limit of files allows.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000, "default" = defaults::CONNECTIONS))]
    pub(super) connections: Option<Whole>,
    /// The largest JSON body or form that is read whole: for the user's id, the model, and another try; and the largest
    /// stream that is assembled before it goes out. At most 64MiB.
    #[schemars(extend("default" = show_size(defaults::REPLAY_BODY)))]
    pub(super) replay_body: Option<Size>,
    /// All requests and answers that are held at one time.
    #[schemars(extend("default" = show_size(defaults::REPLAY_MEMORY)))]
    pub(super) replay_memory: Option<Size>,
}

/// An upstream.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    /// What replaces the mount: scheme, host, and the path that the provider's API begins with.
    #[schemars(required, extend("examples" = ["https://api.openai.com/v1"]))]
    pub(super) base_url: Option<Text>,
    /// Serin's own keys, as references: `${NAME}` or `${file:/path}`. Without any, the application's own credentials
    /// pass through, to a stable provider only.
    #[schemars(extend("examples" = [["${OPENAI_API_KEY}"]]))]
    pub(super) api_keys: Option<Texts>,
    /// How a key is presented: bearer, header:NAME, query:NAME or none. Default: by the host of `base_url`.
    #[schemars(extend("examples" = ["bearer", "header:x-api-key", "query:key", "none"]))]
    pub(super) auth: Option<Text>,
    /// Added to the query of every request.
    #[schemars(extend("examples" = [{"api-version": "2024-10-21"}]))]
    pub(super) query: Option<Entries<Text>>,
    /// How long Serin waits for the provider. Each clock stands still while the client is slow.
    pub(super) timeouts: Option<Timeouts>,
    /// Model names as the application writes them -> as this provider knows them.
    #[schemars(extend("examples" = [{"gpt-4": "deepseek-chat"}]))]
    pub(super) models: Option<Entries<Text>>,
    /// A canary request whose model `models` does not name: `pass` it on as it is, or leave it on `stable`.
    #[schemars(extend("default" = "pass", "enum" = ["pass", "stable"]))]
    pub(super) unmapped: Option<Text>,
    /// Fields that are taken out of a JSON body on its way here, as names or dotted paths.
    #[schemars(extend("examples" = [["logit_bias", "stream_options.include_usage"]]))]
    pub(super) drop_fields: Option<Texts>,
    /// Fields that this provider calls by another name: name or dotted path -> the new last name. The field stays in
    /// its place; where the new name is there already, it wins.
    #[schemars(extend("examples" = [{"max_tokens": "max_completion_tokens"}]))]
    pub(super) rename_fields: Option<Entries<Text>>,
    /// Fields that every JSON body gets, over what the application sent: name or dotted path -> any value. Objects on the
    /// way are made where they are missing. A text goes out as it stands: no reference is read in it.
    #[schemars(extend("examples" = [{"temperature": 1, "metadata.team": "search"}]))]
    pub(super) set_fields: Option<Entries<Anything>>,
    /// The largest number that this provider takes in a field: name or dotted path -> number. A larger one is lowered to
    /// it; a field that is not there stays away.
    #[schemars(extend("examples" = [{"max_tokens": 8192}]))]
    pub(super) max_fields: Option<Entries<Number>>,
    /// What stands below `base_url` in place of the request's own path: `{model}` is the model's name as this provider
    /// knows it, `{rest}` the request's path below the mount. Default: `/{rest}`.
    #[schemars(extend("examples" = ["/openai/deployments/{model}/{rest}"]))]
    pub(super) path: Option<Text>,
    /// What ends a stream of chat completions: `optional` takes `[DONE]`, or a finish reason and the end; `required` takes
    /// `[DONE]` alone, and without it the answer counts as cut.
    #[schemars(extend("default" = "optional", "enum" = ["optional", "required"]))]
    pub(super) done_marker: Option<Text>,
    /// When nothing is sent here for a while, as long as another provider can answer. `off`: never.
    pub(super) breaker: Option<Breaker>,
    /// Headers set on every request, over what the application sent.
    #[schemars(extend("examples" = [{"x-title": "shop"}]))]
    pub(super) set_headers: Option<Entries<Text>>,
    /// The application's credentials and cookies that this provider may see although they were meant for another: headers,
    /// and `query:NAME` for a parameter.
    #[schemars(extend("examples" = [["cookie"]]))]
    pub(super) forward_headers: Option<Texts>,
    /// Which HTTP version is spoken: never (HTTP/1.1), auto (what TLS settles on), prior_knowledge.
    #[schemars(extend("default" = "never", "enum" = ["never", "auto", "prior_knowledge"]))]
    pub(super) http2: Option<Text>,
    /// Files for TLS beyond the system's certificates.
    pub(super) tls: Option<Tls>,
    /// Connections that a process keeps open to this provider, over all threads.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000, "default" = defaults::MAX_CONNECTIONS))]
    pub(super) max_connections: Option<Whole>,
    /// A connection to this provider takes no new request once it is so old, or up to a tenth less, so that not all go at
    /// once; what is under way on it is not cut, and for the next one the name is looked up anew. never: it is used for
    /// as long as it lives.
    #[schemars(extend("default" = defaults::MAX_CONNECTION_AGE.to_string(), "examples" = ["5m", "never"]))]
    pub(super) max_connection_age: Option<Delay>,
    /// Asked with GET below `base_url` to learn whether the provider lives. Any answer but 401, 403 and 5xx means it does.
    #[schemars(extend("default" = defaults::PROBE_PATH))]
    pub(super) probe_path: Option<Text>,
}

/// When nothing is sent to a provider for a while.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakerRule {
    /// Failures in a row that open it; an answer of the 4xx kind is none. For the canary of a rollout it takes 10 over at
    /// least 3s, so that the guard judges first. For the stable of a rollout with a canary only failures to connect count,
    /// over at least 1s and without any answer between them.
    #[schemars(extend("minimum" = 1, "maximum" = 10_000, "default" = defaults::BREAKER_FAILURES))]
    pub(super) failures: Option<Whole>,
    /// How long it stays open; then one request at a time tries whether the provider is back, and each that fails opens it
    /// for twice as long, up to 2m. For the stable of a rollout with a canary Serin tries a connection of its own, after 1,
    /// 2, 4 seconds and so on up to 15s.
    #[schemars(extend("default" = defaults::BREAKER_OPEN_FOR.to_string()))]
    pub(super) open_for: Option<SomeLength>,
}

/// How long Serin waits for a provider, by what it waits for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeouts {
    /// Name lookup, TCP and TLS together; before that, as long for a free connection where `max_connections` are in use.
    #[schemars(extend("default" = defaults::CONNECT.to_string()))]
    pub(super) connect: Option<SomeLength>,
    /// From the request's last byte to the head of the answer. An answer that is not streamed has none until it is complete.
    #[schemars(extend("default" = defaults::HEADERS.to_string()))]
    pub(super) headers: Option<SomeLength>,
    /// The same where a stream was asked for; by default no longer than `headers`.
    #[schemars(extend("default" = defaults::STREAM_HEADERS.to_string()))]
    pub(super) stream_headers: Option<SomeLength>,
    /// From the head of the answer to its first output; where that cannot be told, to the first byte of its body.
    #[schemars(extend("default" = defaults::FIRST_OUTPUT.to_string()))]
    pub(super) first_output: Option<SomeLength>,
    /// Between two pieces of the body.
    #[schemars(extend("default" = defaults::PROVIDER_IDLE.to_string()))]
    pub(super) idle: Option<SomeLength>,
}

/// Files for TLS beyond the system's certificates, all PEM.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// Roots trusted for this provider, besides the system's.
    #[schemars(extend("examples" = ["/etc/serin/ca.pem"]))]
    pub(super) ca_file: Option<Text>,
    /// Our own certificate, together with `key_file`.
    #[schemars(extend("examples" = ["/etc/serin/client.pem"]))]
    pub(super) cert_file: Option<Text>,
    /// The certificate's private key.
    #[schemars(extend("examples" = ["/etc/serin/client.key"]))]
    pub(super) key_file: Option<Text>,
}

/// A named move from one provider to another; with `stable` alone a plain route.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollout {
    /// What commands and metrics call it: letters, digits, dot, dash, underscore.
    #[schemars(required, extend("examples" = ["chat"]))]
    pub(super) name: Option<Text>,
    /// The provider that serves users today.
    #[schemars(required, extend("examples" = ["openai"]))]
    pub(super) stable: Option<Text>,
    /// The provider that they move to.
    #[schemars(extend("examples" = ["holysheep"]))]
    pub(super) canary: Option<Text>,
    /// The share of users on the canary. auto: the ramp decides; 25%: pinned; 0: everybody back on stable, now. Required
    /// where there is a canary.
    #[schemars(extend("examples" = ["auto", "25%", 0]))]
    pub(super) percent: Option<Intent>,
    /// Which requests it takes; every part that is given must fit.
    #[serde(rename = "match")]
    pub(super) matches: Option<Match>,
    /// Where the user's id is looked for, the first that is present: header:NAME, cookie:NAME, query:NAME or
    /// body:path.to.field.
    #[schemars(extend("default" = defaults::USER))]
    pub(super) user: Option<Texts>,
    /// A request without a user id: hash the opening of its conversation, draw at random, or stay on stable.
    #[schemars(extend("default" = "conversation", "enum" = ["conversation", "random", "stable"]))]
    pub(super) anonymous: Option<Text>,
    /// Put before the user id when hashing: another salt shuffles the users anew.
    #[schemars(extend("default" = ""))]
    pub(super) salt: Option<Text>,
    /// User ids that always stay on stable. Where stable fails them, the canary still answers, unless `fallback` is off.
    #[schemars(extend("maxItems" = defaults::MOST_IDS, "examples" = [["user-7"]]))]
    pub(super) exclude: Option<Vec<Id>>,
    /// User ids that are always on the canary, as a list; or a map from id to `canary` or `stable`.
    #[schemars(extend("examples" = [["user-1"], {"user-1": "canary", "user-2": "stable"}]))]
    pub(super) pin_users: Option<Pins>,
    /// How a tester chooses the arm.
    #[schemars(extend("examples" = [{"header": "x-canary", "token": "${CANARY_TOKEN}"}]))]
    pub(super) force: Option<Force>,
    /// The schedule that `percent: auto` follows.
    pub(super) ramp: Option<Ramp>,
    /// What judges the canary.
    pub(super) guard: Option<Guard>,
    /// Who answers when the chosen provider fails before its answer has begun. `true`: the other arm's provider; a plain
    /// route has none. `false`: nobody. A list: these, in turn; it may name stable and canary. Embeddings never fall back.
    #[schemars(extend("default" = true, "examples" = [true, false, ["openai", "azure"]]))]
    pub(super) fallback: Option<Fallback>,
    /// Whether stable is asked once when the canary refuses a request (400, 404, 413, 422) that may be sound: what stable
    /// takes is `unsupported` on the canary, and the application never sees the refusal.
    #[schemars(extend("default" = true))]
    pub(super) fallback_4xx: Option<Switch>,
    /// How long the first byte of a streamed canary answer may take while another provider can answer, and how long any
    /// canary answer may be white space or comments alone.
    #[schemars(extend("default" = defaults::GIVE_UP_AFTER.to_string()))]
    pub(super) give_up_after: Option<SomeLength>,
    /// How long the beginning of a stream is held back while it carries no output and another provider could still
    /// answer, and white space before stable's answer. `0s`: nothing is held.
    #[schemars(extend("default" = defaults::HOLD.to_string()))]
    pub(super) hold: Option<Length>,
    /// When the same provider is asked again.
    pub(super) retry: Option<Retry>,
    /// `live` passes a streamed answer on as soon as there is output; `buffered` holds it until it is whole, so that a
    /// cut, a stall or an event that cannot be read is recovered too, at the price of the waiting.
    #[schemars(extend("default" = "live", "enum" = ["live", "buffered"]))]
    pub(super) stream_mode: Option<Text>,
    /// What follows when the canary does worse than stable. `rollback`: everybody goes back to `rollback_to`. `hold`: the
    /// ramp is paused and nobody is moved. `step_back`: one stage back, where the canary is judged anew; a canary that is
    /// down, or that was taken three steps back, is rolled back all the same.
    #[schemars(extend("default" = "rollback", "enum" = ["rollback", "hold", "step_back"]))]
    pub(super) on_regression: Option<Text>,
    /// The share that an automatic rollback goes back to.
    #[schemars(extend("default" = defaults::ROLLBACK_TO.to_string()))]
    pub(super) rollback_to: Option<Rate>,
    /// When an automatic rollback is tried again by itself; each further wait is four times as long, and there are three
    /// tries at most. never: it waits for a human.
    #[schemars(extend("default" = "never", "examples" = ["never", "6h"]))]
    pub(super) try_again_after: Option<Delay>,
    /// A number higher than the one that was rolled back begins a new try.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000, "default" = defaults::ATTEMPT))]
    pub(super) attempt: Option<Whole>,
}

/// When the same provider is asked again.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// How often a provider is asked for one request at most, 1 to 10; 1: never again.
    #[schemars(extend("minimum" = 1, "maximum" = defaults::MOST_ATTEMPTS, "default" = defaults::RETRY_ATTEMPTS))]
    pub(super) attempts: Option<Whole>,
    /// The share of the rollout's requests that may be asked again, so that retries never double a failing provider's load.
    #[schemars(extend("default" = defaults::RETRY_BUDGET.to_string()))]
    pub(super) budget: Option<Rate>,
    /// The longest pause before a 5xx or a reset is repeated, of the first repeat and of any: it doubles in between, and
    /// what is waited is drawn between none and that.
    #[schemars(extend("default" = defaults::RETRY_BACKOFF))]
    pub(super) backoff: Option<Text>,
    /// Who is asked first after a 5xx or a reset. other: another provider, and the same one where nobody else is left.
    /// same: the same one, then another.
    #[schemars(extend("default" = "other", "enum" = ["other", "same"]))]
    pub(super) first: Option<Text>,
}

/// Which requests a rollout takes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Match {
    /// Paths below the mount where POST and upgrades are split. Every other method and path goes to stable, unsplit.
    #[schemars(extend("default" = defaults::ENDPOINTS))]
    pub(super) endpoints: Option<Texts>,
    /// The model's name; `*` stands for any run of characters.
    #[schemars(extend("examples" = ["gpt-*"]))]
    pub(super) model: Option<Text>,
    /// Headers and what they hold; `*` stands for any run of characters.
    #[schemars(extend("examples" = [{"x-team": "search-*"}]))]
    pub(super) header: Option<Entries<Text>>,
    /// The path below the mount, in place of `endpoints`, with every method but OPTIONS; `*` stands for any run of
    /// characters.
    #[schemars(extend("examples" = ["/chat/*"]))]
    pub(super) path: Option<Text>,
}

/// A tester's header.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Force {
    /// The header's name; it is never forwarded.
    #[schemars(required, extend("examples" = ["x-canary"]))]
    pub(super) header: Option<Text>,
    /// The header's value: TOKEN or TOKEN:canary for the canary, TOKEN:stable for stable.
    #[schemars(required, extend("examples" = ["${CANARY_TOKEN}"]))]
    pub(super) token: Option<Text>,
}

/// The schedule of promotions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ramp {
    /// The first stage.
    #[schemars(extend("default" = defaults::START.to_string()))]
    pub(super) start: Option<SomeRate>,
    /// How long the first stage lasts at least. Default: as `every`.
    #[schemars(extend("examples" = ["7d"]))]
    pub(super) hold_start: Option<Length>,
    /// How much each further stage adds.
    #[schemars(extend("default" = defaults::STEP.to_string()))]
    pub(super) step: Option<SomeRate>,
    /// The stages one by one, in place of `step`.
    #[schemars(extend("maxItems" = defaults::MOST_ENTRIES, "examples" = [["1%", "5%", "25%", "100%"]]))]
    pub(super) steps: Option<Vec<SomeRate>>,
    /// How long each further stage lasts at least.
    #[schemars(extend("default" = defaults::EVERY.to_string()))]
    pub(super) every: Option<SomeLength>,
    /// Never more than this, whatever asks for it.
    #[schemars(extend("default" = defaults::MAX.to_string()))]
    pub(super) max: Option<SomeRate>,
    /// When the first stage begins: the schedule is then a function of file and clock, for where state cannot be kept.
    #[schemars(extend("examples" = ["2026-11-23T09:00:00Z"]))]
    pub(super) from: Option<Text>,
    /// When promotions may happen: days, a time from and to, and the offset from UTC where it is not zero.
    #[schemars(extend("examples" = ["mon-fri 09:00-17:00 +02:00"]))]
    pub(super) hours: Option<Text>,
}

/// What judges the canary.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    /// The chance that a canary which is no worse than stable is ever taken back, over all tries of an attempt together.
    /// Above 0%, at most 10%. The smaller it is, the longer a bad canary stays.
    #[schemars(extend("default" = defaults::guard().false_alarm.to_string()))]
    pub(super) false_alarm: Option<Chance>,
    /// Up to this multiple of stable's failure rate the canary is not worse; 1 to 100.
    #[schemars(extend("minimum" = 1, "maximum" = 100, "default" = show_number(defaults::guard().tolerated_ratio)))]
    pub(super) tolerated_ratio: Option<Number>,
    /// A canary that fails less often than this is not taken back for its failures. 0%: there is no such rate.
    #[schemars(extend("default" = defaults::guard().ignore_below.to_string()))]
    pub(super) ignore_below: Option<Rate>,
    /// So many times longer must a deviation last before the canary is taken back, 0.1 to 1000; one that is down is not
    /// waited for.
    #[schemars(extend("minimum" = 0.1, "maximum" = 1000, "default" = show_number(defaults::guard().patience)))]
    pub(super) patience: Option<Number>,
    /// No promotion while the canary's failure rate may lie above this (its 95% upper bound), unless twice stable's rate
    /// does: then that is the bound. It takes nobody back; `ceiling` is the hard limit.
    #[schemars(extend("default" = defaults::guard().max_error_rate.to_string()))]
    pub(super) max_error_rate: Option<Rate>,
    /// No promotion before so many requests were sent to the canary and answered at its present share.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000_000, "default" = defaults::guard().min_requests))]
    pub(super) min_requests: Option<Whole>,
    /// The rollout is done when everybody is on the canary and its failure rate lies below this, or below one and a half
    /// times stable's.
    #[schemars(extend("default" = defaults::guard().done_below.to_string()))]
    pub(super) done_below: Option<Rate>,
    /// When slow answers take the canary back. `off`: never.
    pub(super) slow: Option<Slow>,
    /// What follows when the canary refuses more requests than stable does. `hold`: the ramp is paused, for somebody to
    /// look at it. `rollback`: as any other regression. `ignore`: nothing.
    #[schemars(extend("default" = "hold", "enum" = ["hold", "rollback", "ignore"]))]
    pub(super) client_errors: Option<Text>,
    /// What follows when the canary gives more answers than stable does that no status calls bad, and that are worse.
    pub(super) answers: Option<Answers>,
    /// Above this failure rate, over `window`, the canary is taken back as soon as anything speaks for its being worse
    /// than stable; the chance of that being wrong comes on top of `false_alarm`. `off`: there is no such rate.
    #[schemars(extend("default" = "off", "examples" = ["20%", "off"]))]
    pub(super) ceiling: Option<Ceiling>,
    /// The time over which rates are shown, and held against `ceiling`; 1s to 7d.
    #[schemars(extend("default" = defaults::guard().window.to_string()))]
    pub(super) window: Option<SomeLength>,
    /// What a 429 is to the guard: a `failure`, since users are turned away; or to `ignore`, where limits are being raised
    /// and fallback bridges them.
    #[schemars(extend("default" = "failure", "enum" = ["failure", "ignore"]))]
    pub(super) throttled: Option<Text>,
    /// What an answer of 200 without any output is to the guard: a `failure`; or to `ignore`, since some prompts rightly
    /// have no answer.
    #[schemars(extend("default" = "ignore", "enum" = ["failure", "ignore"]))]
    pub(super) empty: Option<Text>,
}

/// What follows when the canary gives more answers than stable does (more than one and a half times as many) that no
/// status calls bad, and that are worse. `hold`: the ramp is paused, for somebody to look at it. `rollback`: as any other
/// regression. `ignore`: nothing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answers {
    /// Whole answers of 200 without any output; not looked at where `empty` has them count as failures.
    #[schemars(extend("default" = "hold", "enum" = ["hold", "rollback", "ignore"]))]
    pub(super) empty: Option<Text>,
    /// Answers that stopped at a limit of their length.
    #[schemars(extend("default" = "hold", "enum" = ["hold", "rollback", "ignore"]))]
    pub(super) length: Option<Text>,
    /// Answers of 200 that a content filter stopped, and refusals in an answer.
    #[schemars(extend("default" = "hold", "enum" = ["hold", "rollback", "ignore"]))]
    pub(super) filtered: Option<Text>,
    /// Streams of at least ten outputs whose mean time between two outputs lies above `slow` of stable's own.
    #[schemars(extend("default" = "hold", "enum" = ["hold", "rollback", "ignore"]))]
    pub(super) pace: Option<Text>,
}

/// When an answer is slow, and how many slow answers are too many.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SlowRule {
    /// Which quantile of stable's times to the first output is looked at, 0.5 to 0.999.
    #[schemars(extend("minimum" = 0.5, "maximum" = 0.999, "default" = show_number(defaults::slow().quantile)))]
    pub(super) quantile: Option<Number>,
    /// An answer is slow that takes more than so many times this quantile; 1 to 100.
    #[schemars(extend("minimum" = 1, "maximum" = 100, "default" = show_number(defaults::slow().tolerance)))]
    pub(super) tolerance: Option<Number>,
    /// Up to this multiple of stable's share of slow answers the canary is not slower; 1 to 100.
    #[schemars(extend("minimum" = 1, "maximum" = 100, "default" = show_number(defaults::slow().tolerated_ratio)))]
    pub(super) tolerated_ratio: Option<Number>,
}

/// A flag that the application reads.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Flag {
    /// The rollout it follows: true for exactly the users whom that sends to the canary.
    #[schemars(required, extend("examples" = ["chat"]))]
    pub(super) follows: Option<Text>,
}
