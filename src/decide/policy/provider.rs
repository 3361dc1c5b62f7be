//! A configured upstream: where it is, how a request is presented to it, and how long Serin waits for it.
//!
//! Shapes only. Secret references are resolved by `flags`, and connections are made by the data plane. Invariant: a
//! provider that cannot be used says why in `unusable`; all other values are in range.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use super::keys::KeyRules;
use super::prices::Prices;
use super::rate_limit::RateLimit;
use super::secret::Secret;
use crate::decide::units::{Millis, UnixMillis};
use crate::wire::body::FieldRules;
use crate::wire::dialect::DoneMarker;

/// A configured upstream.
#[derive(Clone, Debug)]
pub struct Provider {
    /// As the file names it; also its label in metrics.
    pub name: String,
    /// What replaces the mount.
    pub base_url: BaseUrl,
    /// Serin's own keys; empty: the client's credentials pass through (to a stable provider only).
    pub api_keys: Vec<Secret>,
    /// Which of them is asked, and for how long one rests.
    pub keys: KeyRules,
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
    /// How much is sent here; `None`: as much as comes.
    pub rate_limit: Option<RateLimit>,
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
    /// Models that it takes away, by its own names, and the first moment without them.
    pub retires: BTreeMap<String, UnixMillis>,
    /// After which silence of a WebSocket it is pinged; `None`: never.
    pub ping_every: Option<Millis>,
    /// What its tokens cost, by its own names for models.
    pub prices: Prices,
    /// What the file says of it: where it is, what it promises.
    pub tags: BTreeSet<String>,
    /// Whether requests here carry what strangers must not spend: a key, whatever it is written as, or a certificate.
    pub holds_keys: bool,
    /// Why no request may be sent to it (an unset key, an unreadable certificate). Blocks a rollout whose canary it is.
    pub unusable: Option<String>,
}

impl Provider {
    /// Whether HTTP/2 may come about, as far as the file says.
    #[must_use]
    pub const fn may_use_http2(&self) -> bool {
        match self.http2 {
            Http2::Never => false,
            Http2::Auto => self.base_url.https,
            Http2::PriorKnowledge => true,
        }
    }

    /// Whether a request of Serin's own has nothing by which it could know who asks.
    #[must_use]
    pub fn shows_nothing(&self) -> bool {
        (self.api_keys.is_empty() || self.auth == Auth::None) && !self.holds_keys
    }

    /// Whether its `api_keys` are what it is asked with: `auth` may send none, and `set_headers` may send something
    /// else in their place.
    #[must_use]
    pub fn sends_api_keys(&self) -> bool {
        let name = match &self.auth {
            Auth::None => return false,
            Auth::Query(_) => return !self.api_keys.is_empty(),
            Auth::Bearer => "authorization",
            Auth::Header(name) => name,
        };
        !self.api_keys.is_empty() && !self.set_headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name))
    }
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
