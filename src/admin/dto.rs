//! What the admin API says, in its own shapes: stable names for programs, whatever the inside is called.
//!
//! Shares are numbers of percent (`7.5`), moments are RFC 3339, lengths of time are seconds. A field may be added,
//! none is renamed or removed; readers ignore what they do not know. Nothing here can hold a secret.

mod cause;
mod comparison;
mod dry_run;
mod feedback;
mod flag;
mod guard;
mod history;
mod incident;
mod kept_state;
mod key;
mod limit;
mod notify;
mod plan;
mod recent;
mod rollback_ready;
mod rollout;
mod series;
mod websocket;

use serde::{Deserialize, Serialize};

use crate::decide::file_error::FileError;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::{Millis, Percent};
use crate::state::inbox::Receipt;
use crate::state::status::{FlagsStatus, ProviderStatus, Status, TlsStatus};
pub use cause::CauseReply;
pub use comparison::{
    BlockingReply, Both, ComparisonReply, Counts as ComparisonCounts, DefectReply, Funnel, Pairs as ComparedPairs,
    RehearsalReply,
};
pub use dry_run::{DryRunReply, DryRunRollout};
pub use feedback::{FeedbackReply, FeedbackResult};
pub use flag::{FlagReply, FlagsReply};
pub use guard::{
    Answers, ArmAnswers, AspectComparison, BothArms, Forecast, Guard, Rate, Users, VerdictCounts, Verdicts,
};
pub use history::{HistoryEntry, HistoryReply};
pub use incident::{ArmColumns, IncidentReply, IncidentSummary, IncidentsReply};
pub use kept_state::KeptState;
pub use key::ProviderKey;
pub use limit::{ClientLimit, LimitTurned, ProviderLimit};
pub use notify::{NotifyTarget, NotifyTest, NotifyTestReply};
pub use plan::{
    PlanReply, PlannedBuckets, PlannedFit, PlannedFlow, PlannedPins, PlannedProvider, PlannedRollout, PlannedSide,
};
pub use recent::{Anonymous, Recent, RecentArm};
pub use rollout::{Arm, ArmInFlight, Fallback, InFlight, Incompatibility, Locked, Next, Rollout, WaitingByAge, Window};
pub use series::{ArmSeries, SeriesReply};
pub use websocket::WebSocketSessions;

/// The process behind the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Serin's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Where the application connects.
    pub listen: String,
    /// Where it connects over TLS, if there is such a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_tls: Option<String>,
    /// Where operators connect.
    pub admin: String,
    /// The read-only port, if there is one.
    pub probe: Option<String>,
    /// Whether it is stopping.
    pub draining: bool,
}

/// `GET /api/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReply {
    pub process: Process,
    /// flags.yaml.
    pub flags: Flags,
    /// The certificate of the proxy port over TLS; absent: there is no such port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// Where state lasts.
    pub state: State,
    /// In the file's order; plain routes too.
    pub rollouts: Vec<Rollout>,
    /// In the file's order.
    #[serde(default)]
    pub providers: Vec<Provider>,
    /// Clients with a `rate_limit`; absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientLimit>,
    /// Targets of notifications, by name; absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<NotifyTarget>,
    /// Open WebSocket sessions; absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub websockets: Vec<WebSocketSessions>,
    /// What providers other than stable keep, those that keep something; absent: none does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_state: Vec<KeptState>,
}

/// flags.yaml, as it is and as it is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flags {
    /// The file's path.
    pub path: String,
    /// Accepted versions since the start.
    pub generation: u64,
    /// When the version in force was accepted.
    pub accepted_at: Timestamp,
    /// When the file on disk was last changed.
    pub modified_at: Option<Timestamp>,
    /// Why the file on disk is not in force; empty: it is.
    pub errors: Vec<FileError>,
    /// Versions refused since the start.
    pub failures: u64,
    /// Whether the version in force is the kept copy of an earlier run.
    pub from_last_good: bool,
    /// What is accepted but should be mended.
    pub warnings: Vec<String>,
}

/// The certificate that the proxy port over TLS shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The first moment at which it is valid.
    pub not_before: Timestamp,
    /// The last one.
    pub expires_at: Timestamp,
    /// Why it is shown instead of the one in the files; absent: it is the one in the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Where state lasts, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The directory.
    pub dir: String,
    /// Why nothing can be written.
    pub error: Option<String>,
    /// Why the locks in it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locks_error: Option<String>,
    /// Why it does not last, where that is known: `memory`, `container_layer` or `empty_dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    pub name: String,
    /// Where its breaker stands: `closed`, `half_open`, `open`, or `off`.
    pub breaker: String,
    /// Whether it is open since no connection could be made: then Serin tries one of its own, and no request does.
    #[serde(default)]
    pub unreachable: bool,
    /// Failures in a row that it has seen.
    pub failures: u32,
    /// While it is open: until when.
    pub open_until: Option<Timestamp>,
    /// Requests that went elsewhere because it was open, and did not come back.
    pub diverted: u64,
    /// Its own keys, in the order of the file.
    #[serde(default)]
    pub keys: Vec<ProviderKey>,
    /// Its `rate_limit`; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<ProviderLimit>,
}

/// `GET /api/v1/config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigReply {
    /// The file's path.
    pub path: String,
    /// Which accepted version this is.
    pub generation: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The version in force, references not resolved and literal secrets masked.
    pub text: String,
}

/// The answer to a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeReply {
    /// The rollouts it touched.
    pub rollouts: Vec<Changed>,
    /// Whether every core decides by it already.
    pub in_force: bool,
    /// Whether it survives a crash.
    pub durable: bool,
    /// Why it does not.
    pub durability_error: Option<String>,
    /// Requests of these rollouts still open on a canary.
    pub open_on_canary: u64,
    /// WebSocket sessions among them.
    #[serde(default)]
    pub websockets_on_canary: u64,
    /// Requests on a canary that were ended, since the rollback was a hard one.
    #[serde(default)]
    pub ended_on_canary: u64,
    /// What else the operator should know.
    pub notes: Vec<String>,
}

/// One rollout after a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    pub name: String,
    /// The share in force now.
    pub percent: f64,
}

/// Every error of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl StatusReply {
    /// From the report in force.
    #[must_use]
    pub fn new(process: Process, status: &Status, now: Millis) -> StatusReply {
        StatusReply {
            process,
            flags: Flags::from(&status.flags),
            certificate: status.tls.as_ref().map(Certificate::from),
            state: State {
                dir: status.store.dir.clone(),
                error: status.store.error.clone(),
                locks_error: status.store.locks_unread.clone(),
                ephemeral: status.store.ephemeral.map(|kind| kind.as_str().to_owned()),
            },
            rollouts: status.rollouts.iter().map(Rollout::from).collect(),
            providers: status.providers.iter().map(Provider::from).collect(),
            clients: status.client_limits.iter().map(ClientLimit::from).collect(),
            notify: status.notify.iter().filter_map(NotifyTarget::of).collect(),
            websockets: WebSocketSessions::all(&status.series, now),
            kept_state: status.kept_state.iter().map(KeptState::from).collect(),
        }
    }
}

impl From<&TlsStatus> for Certificate {
    fn from(tls: &TlsStatus) -> Certificate {
        Certificate {
            not_before: Timestamp(tls.not_before),
            expires_at: Timestamp(tls.expires_at),
            problem: tls.problem.clone(),
        }
    }
}

impl From<&FlagsStatus> for Flags {
    fn from(flags: &FlagsStatus) -> Flags {
        Flags {
            path: flags.path.clone(),
            generation: flags.generation,
            accepted_at: Timestamp(flags.accepted_at),
            modified_at: flags.modified.map(Timestamp),
            errors: flags.errors.clone(),
            failures: flags.failures,
            from_last_good: flags.from_last_good,
            warnings: flags.warnings.clone(),
        }
    }
}

impl From<&ProviderStatus> for Provider {
    fn from(provider: &ProviderStatus) -> Provider {
        let breaker = provider.breaker;
        Provider {
            name: provider.name.clone(),
            breaker: breaker.map_or("off", |breaker| breaker.state.as_str()).to_owned(),
            unreachable: breaker.is_some_and(|breaker| breaker.unreachable),
            failures: breaker.map_or(0, |breaker| breaker.failures),
            open_until: breaker.and_then(|breaker| breaker.open_until).map(Timestamp),
            diverted: provider.diverted,
            keys: provider.keys.iter().map(ProviderKey::from).collect(),
            rate_limit: provider.limit.as_ref().map(ProviderLimit::from),
        }
    }
}

impl From<Receipt> for ChangeReply {
    fn from(receipt: Receipt) -> ChangeReply {
        let changed = |(name, percent): (String, Percent)| Changed { name, percent: percent.as_f64() };
        ChangeReply {
            rollouts: receipt.rollouts.into_iter().map(changed).collect(),
            in_force: receipt.seen_by_all_cores,
            durable: receipt.durable.is_ok(),
            durability_error: receipt.durable.err(),
            open_on_canary: receipt.open_on_canary,
            websockets_on_canary: receipt.websockets_on_canary,
            ended_on_canary: 0,
            notes: receipt.notes,
        }
    }
}
