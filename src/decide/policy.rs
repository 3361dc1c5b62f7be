//! What flags.yaml means once it has been checked: the typed policy that every decision reads.
//!
//! Owns the shapes only. Nothing here parses text or resolves a secret reference (`flags` does), nothing here
//! changes while in force: a reload makes a new `Policy`. Invariant: every [`ProviderId`] in a policy is an
//! index into its `providers`, every name is unique, every share and duration is in range.

mod access_log;
mod guard;
#[cfg(test)]
pub(crate) mod plain;
mod retry;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::units::{Arm, Millis, Percent, ProviderId, UnixMillis};
pub use access_log::{AccessLog, AccessLogOnly, AccessLogTo};
pub use guard::{Answers, Counting, Guard, OnExcess, OnRegression, SlowRule};
pub use retry::{Backoff, First, Retry};
// Parts of a provider that the readers of the wire define.
pub use crate::wire::body::FieldRules;
pub use crate::wire::credentials::suggests_secret;
pub use crate::wire::dialect::DoneMarker;
pub use crate::wire::segments::has_dots;

/// One accepted flags.yaml.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The proxy port, the admin port and what else is fixed at start.
    pub fixed: Fixed,
    /// The path prefix that each provider's `base_url` replaces: `/v1`; empty for everything.
    pub mount: String,
    /// Where a request goes that no rollout matches.
    pub unmatched: Unmatched,
    /// All configured upstreams, in the file's order.
    pub providers: Vec<Arc<Provider>>,
    /// In the file's order: the first whose match fits takes the request.
    pub rollouts: Vec<Arc<Rollout>>,
    /// Flags for the application, by name.
    pub flags: BTreeMap<String, Flag>,
    /// Who may use the proxy port; empty: everybody who reaches it.
    pub clients: Vec<Client>,
    /// Whether something else keeps strangers from the proxy port.
    pub open: bool,
    /// Who may use the admin port; empty: everybody on loopback.
    pub tokens: Vec<Token>,
    /// What a client may cost.
    pub limits: Limits,
    /// How long a stopping process waits for what is in flight.
    pub drain: Millis,
    /// The egress proxy that the file names, for every provider; `none`: no proxy, not even the environment's.
    pub egress: Option<Secret>,
    /// Whether answers carry `x-serin-*` headers.
    pub response_headers: bool,
    /// Which requests are written down, and where.
    pub access_log: Option<AccessLog>,
}

impl Policy {
    /// The provider behind an id of this policy.
    #[must_use]
    pub fn provider(&self, id: ProviderId) -> &Arc<Provider> {
        &self.providers[usize::from(id.0)]
    }

    /// The rollout of this name.
    #[must_use]
    pub fn rollout(&self, name: &str) -> Option<&Arc<Rollout>> {
        self.rollouts.iter().find(|rollout| rollout.name == name)
    }
}

/// What a reload cannot change: it takes a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Where the application connects.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// A read-only port for health checks and scrapers.
    pub probe: Option<SocketAddr>,
    /// Where state lasts; `None`: the default place.
    pub state: Option<PathBuf>,
    /// Data-plane threads; `None`: the smaller of 4 and the cores.
    pub workers: Option<u16>,
}

/// Where a request goes that no rollout matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// To this provider, unsplit, as the file sets it.
    Provider(ProviderId),
    /// The default: the first rollout's stable, or the only provider.
    Usual(ProviderId),
    /// Answered 404.
    Reject,
}

impl Unmatched {
    /// The provider that takes it; `None`: none.
    #[must_use]
    pub fn provider(self) -> Option<ProviderId> {
        match self {
            Unmatched::Provider(id) | Unmatched::Usual(id) => Some(id),
            Unmatched::Reject => None,
        }
    }
}

/// Text that must never be shown: it has no `Display`, no `Serialize`, and a `Debug` without content.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text out of sight.
    #[must_use]
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself, for the one header or comparison that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A configured upstream.
#[derive(Clone, Debug)]
pub struct Provider {
    /// As the file names it; also its label in metrics.
    pub name: String,
    /// What replaces the mount.
    pub base_url: BaseUrl,
    /// Serin's own keys; empty: the client's credentials pass through (to a stable provider only).
    pub api_keys: Vec<Secret>,
    /// How a key is presented.
    pub auth: Auth,
    /// Added to every request's query; the value may be a key.
    pub query: Vec<(String, Secret)>,
    /// How long Serin waits for the provider, by what it waits for.
    pub timeouts: Timeouts,
    /// Model names as the application writes them -> this provider's names.
    pub models: BTreeMap<String, String>,
    /// What happens to a request on the canary whose model `models` does not name (where `models` is not empty).
    pub unmapped: Unmapped,
    /// What is changed in a JSON body on its way here, besides the model's name.
    pub fields: FieldRules,
    /// What stands below `base_url` instead of the request's own path; `None`: the path as it is.
    pub path: Option<PathTemplate>,
    /// What ends a stream of chat completions.
    pub done_marker: DoneMarker,
    /// When nothing is sent here for a while, as long as another provider can answer; `None`: never.
    pub breaker: Option<BreakerRule>,
    /// Set on every request, over what the client sent.
    pub set_headers: Vec<(String, Secret)>,
    /// Client credentials and cookies that this provider may see although they were meant for another.
    pub forward_headers: BTreeSet<String>,
    /// Which HTTP version is spoken to it.
    pub http2: Http2,
    /// Trust and identity beyond the system's.
    pub tls: Tls,
    /// Connections a process keeps open to it, over all cores.
    pub max_connections: u32,
    /// How old a connection may become before another takes its place; `None`: as old as it will.
    pub max_connection_age: Option<Millis>,
    /// Asked with GET below `base_url` to learn whether it lives; its query may hold a key.
    pub probe_path: Secret,
    /// Whether requests here carry what strangers must not spend: a key, whatever it is written as, or a certificate.
    pub holds_keys: bool,
    /// Why no request may be sent to it (an unset key, an unreadable certificate). Blocks a rollout whose canary it is.
    pub unusable: Option<String>,
}

/// `scheme://host[:port]/path`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseUrl {
    /// Whether to speak TLS.
    pub https: bool,
    /// A DNS name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// Explicit or the scheme's own.
    pub port: u16,
    /// Without a trailing slash; empty at the root.
    pub path: String,
}

impl BaseUrl {
    /// `host` or `host:port`, as the Host header has it (the scheme's own port is left out).
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.https { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// How a provider wants its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `NAME: KEY`, the name in lower case.
    Header(String),
    /// `?NAME=KEY`.
    Query(String),
    /// Not at all.
    None,
}

/// Each clock runs only while Serin waits for the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name lookup, TCP and TLS together; and, before that, the wait for a free connection.
    pub connect: Millis,
    /// From the request's last byte to the response head.
    pub headers: Millis,
    /// The same where a stream was asked for.
    pub stream_headers: Millis,
    /// From the response head to the first output.
    pub first_output: Millis,
    /// Between two pieces of body.
    pub idle: Millis,
}

/// A path below `base_url` with places to fill: `/deployments/{model}/{rest}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate(pub Vec<PathPart>);

/// A piece of a [`PathTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPart {
    /// As it stands, with its slashes.
    Text(String),
    /// The provider's name of the model, percent-encoded.
    Model,
    /// The request's path below the mount, without its leading slash.
    Rest,
}

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// Failures in a row.
    pub failures: u32,
    /// Until one request may try again.
    pub open_for: Millis,
}

/// What happens to a canary request whose model has no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// The name goes through as it is.
    Pass,
    /// The request goes to stable, and is not counted.
    Stable,
}

/// Which HTTP version is spoken to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2 {
    /// HTTP/1.1 only.
    Never,
    /// What ALPN settles on; HTTP/1.1 without TLS.
    Auto,
    /// HTTP/2 from the first byte.
    PriorKnowledge,
}

/// Files for TLS beyond the system's roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Roots trusted for this provider, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// Its private key.
    pub key_file: Option<PathBuf>,
}

/// A named move from one provider to another, or (without `canary`) a plain route.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// `[A-Za-z0-9._-]`, unique; also its label in metrics.
    pub name: String,
    /// Which requests it takes.
    pub matches: Match,
    /// Who serves the stable arm.
    pub stable: ProviderId,
    /// The move, if there is one.
    pub canary: Option<Canary>,
    /// Where the user id is looked for: the first that is present.
    pub user: Vec<UserSource>,
    /// What happens to a request without a user id.
    pub anonymous: Anonymous,
    /// Put before the user id when hashing; empty: none.
    pub salt: String,
    /// Users whose arm is fixed.
    pub pins: BTreeMap<String, Arm>,
    /// How a tester chooses the arm.
    pub force: Option<Force>,
    /// Who else may answer when the chosen provider fails.
    pub fallback: Fallback,
    /// Whether stable is asked when the canary refuses a request that may be sound.
    pub fallback_4xx: bool,
    /// How long the first byte of a streamed canary answer may take while another provider can answer.
    pub give_up_after: Millis,
    /// How long the frames before an answer's first output are held back at most.
    pub hold: Millis,
    /// When the same provider is asked again.
    pub retry: Retry,
    /// Whether a streamed answer is passed on as it comes.
    pub stream_mode: StreamMode,
}

impl Rollout {
    /// Whether this is the provider that users are moved from: what one of them makes it do must move no other.
    #[must_use]
    pub fn moves_from(&self, provider: ProviderId) -> bool {
        self.canary.is_some() && self.stable == provider
    }

    /// Whether this is the provider that users are moved to.
    #[must_use]
    pub fn moves_to(&self, provider: ProviderId) -> bool {
        self.canary.as_ref().is_some_and(|canary| canary.provider == provider)
    }
}

/// Who else may answer a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// No user.
    Nobody,
    /// The provider of the other arm.
    OtherArm,
    /// These, in turn.
    List(Vec<ProviderId>),
}

/// Whether a streamed answer is passed on as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// As soon as there is output.
    Live,
    /// Once it is whole, so that a cut or a stall can still be recovered.
    Buffered,
}

/// The new provider and how users get there.
#[derive(Clone, Debug)]
pub struct Canary {
    /// Who serves the canary arm.
    pub provider: ProviderId,
    /// What the file asks for.
    pub percent: Intent,
    /// The schedule that `auto` follows.
    pub ramp: Ramp,
    /// What judges the canary.
    pub guard: Guard,
    /// What the guard does about a regression.
    pub on_regression: OnRegression,
    /// The share that an automatic rollback goes back to.
    pub rollback_to: Percent,
    /// When an automatic rollback is tried again by itself; `None`: never.
    pub try_again_after: Option<Millis>,
    /// A number higher than the one rolled back begins a new try.
    pub attempt: u32,
}

/// `percent:` as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// The ramp decides.
    Auto,
    /// A human decides.
    Pinned(Percent),
}

/// The schedule of promotions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// The stages after 0, ascending, the last one at most `max`: 10%, 25%, ...
    pub stages: Vec<Percent>,
    /// How long the first stage lasts at least.
    pub hold_start: Millis,
    /// How long each later stage lasts at least.
    pub every: Millis,
    /// Never above this, whatever asks for it.
    pub max: Percent,
    /// Where state cannot be written: when the first stage began.
    pub from: Option<UnixMillis>,
    /// When promotions may happen; `None`: always.
    pub hours: Option<Hours>,
}

/// A weekly time window in which promotions may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes after midnight, from (inclusive).
    pub from: u16,
    /// Minutes after midnight, to (exclusive); may lie before `from`: over midnight.
    pub to: u16,
    /// Minutes east of UTC.
    pub offset: i16,
}

/// Which requests a rollout takes; every part that is present must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Paths below the mount, without a leading slash: `chat/completions`.
    pub endpoints: Vec<String>,
    /// Pattern of the model's name.
    pub model: Option<Pattern>,
    /// Patterns of header values by lower-case header name.
    pub headers: BTreeMap<String, Pattern>,
    /// Pattern of the path below the mount, with its leading slash; replaces `endpoints` when present.
    pub path: Option<Pattern>,
}

/// A text in which `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub String);

/// Where a user id may be found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserSource {
    /// `header:x-user-id`, in lower case.
    Header(String),
    /// `cookie:uid`.
    Cookie(String),
    /// `query:user`.
    Query(String),
    /// `body:metadata.user_id`, taken apart at the dots.
    Body(Vec<String>),
}

/// What happens to a request without a user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Hashed by the first system and first user message as sent; stable where there are none.
    Conversation,
    /// Drawn anew for every request.
    Random,
    /// Always stable.
    Stable,
}

/// How a tester chooses the arm: this header, with this value.
#[derive(Clone, Debug)]
pub struct Force {
    /// In lower case; never forwarded.
    pub header: String,
    /// `TOKEN` or `TOKEN:canary` forces the canary, `TOKEN:stable` stable; anything else is ignored.
    pub token: Secret,
}

/// A flag that the application reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// True for exactly the users whom this rollout sends to the canary.
    pub follows: String,
}

/// A client of the proxy port.
#[derive(Clone, Debug)]
pub struct Client {
    /// For logs.
    pub name: String,
    /// Presented wherever an API key may stand; taken off before a provider sees the request.
    pub key: Secret,
}

/// A client of the admin port.
#[derive(Clone, Debug)]
pub struct Token {
    /// The actor in the history.
    pub name: String,
    /// Presented as `authorization: Bearer TOKEN`.
    pub token: Secret,
    /// What it allows.
    pub may: BTreeSet<Role>,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Status, history, configuration, metrics.
    Read,
    /// Flag evaluation.
    Flags,
    /// Rollback and pause: what makes things safer.
    Rollback,
    /// Every change.
    Change,
}

/// What a client may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A request's head, in bytes.
    pub header_bytes: u32,
    /// From the first byte of a request head (or of a connection) to its last.
    pub header_time: Millis,
    /// How long an idle connection is kept.
    pub idle: Millis,
    /// Open client connections; beyond it none is accepted until one closes.
    pub connections: u32,
    /// The largest JSON body that is read whole, in bytes.
    pub replay_body: u64,
    /// All bodies that are held at one time, in bytes.
    pub replay_memory: u64,
}
