//! What flags.yaml means once it has been checked: the typed policy that every decision reads.
//!
//! Owns the shapes only. Nothing here parses text or resolves a secret reference (`flags` does), nothing here
//! changes while in force: a reload makes a new `Policy`. Invariant: every [`ProviderId`] in a policy is an
//! index into its `providers`, every name is unique, every share and duration is in range.

mod access_log;
mod canary;
mod copies;
mod flag;
pub(super) mod guard;
mod keys;
mod listen_tls;
mod notify;
mod otlp;
#[cfg(test)]
pub(crate) mod plain;
mod prices;
mod provider;
mod rate_limit;
mod retry;
mod rollout;
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::units::{Millis, ProviderId};
pub use access_log::{AccessLog, AccessLogOnly, AccessLogTo};
pub use canary::{Canary, Hours, Intent, Ramp};
pub use copies::{Compare, CopyLimits, Rehearse};
pub use flag::{
    Attributes, Comparison, Condition, Flag, FlagRule, FlagType, FlagValue, Scalar, Serve, Variant, VariantId,
};
pub use guard::{Answers, Counting, FeedbackRule, Guard, OnExcess, OnRegression, SlowRule};
pub use keys::{KeyOrder, KeyRules};
pub use listen_tls::{ListenTls, ServerCertificate};
pub use notify::{MOST_NOTIFY_TARGETS, NotifyEvent, NotifyFormat, NotifyTarget, NotifyUrl};
pub use otlp::Otlp;
pub use prices::{Price, Prices};
pub use provider::{Auth, BaseUrl, BreakerRule, Http2, PathPart, PathTemplate, Provider, Timeouts, Tls, Unmapped};
pub use rate_limit::{ClientLimit, RateLimit, WhenFull};
pub use retry::{Backoff, First, Retry};
pub use rollout::{Anonymous, Fallback, Force, Match, Pattern, Rollout, StreamMode, UserSource};
pub use secret::Secret;
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
    /// What the proxy port over TLS shows; `None`: there is none.
    pub listen_tls: Option<ListenTls>,
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
    /// Origins whose web pages may read flags; `None`: those on loopback, and with tokens every one.
    pub cors: Option<Vec<String>>,
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
    /// Who is notified of what.
    pub notify: Vec<NotifyTarget>,
    /// Where people reach the admin port, without a trailing slash; `None`: at its address.
    pub admin_url: Option<String>,
    /// Where traces go.
    pub otlp: Option<Otlp>,
}

impl Policy {
    /// The provider behind an id of this policy.
    #[must_use]
    pub fn provider(&self, id: ProviderId) -> &Arc<Provider> {
        &self.providers[usize::from(id.0)]
    }

    /// Whether the ids of split requests say what a verdict on them is charged to.
    #[must_use]
    pub fn seals_request_ids(&self) -> bool {
        let mut canaries = self.rollouts.iter().filter_map(|rollout| rollout.canary.as_ref());
        canaries.any(|canary| canary.guard.feedback.is_some())
    }

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
    /// Where it connects over TLS.
    pub listen_tls: Option<SocketAddr>,
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

/// A client of the proxy port.
#[derive(Clone, Debug)]
pub struct Client {
    /// For logs.
    pub name: String,
    /// Presented wherever an API key may stand; taken off before a provider sees the request.
    pub key: Secret,
    /// How much it may send; `None`: as much as it will.
    pub rate_limit: Option<ClientLimit>,
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
    /// Verdicts of the application.
    Feedback,
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
    /// Ids of what providers other than stable keep.
    pub state_ids: u32,
}
