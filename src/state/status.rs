//! What is told of the process: one immutable report, published by control after every change and every tick.
//!
//! The surfaces (API, metrics, command line) read this and never look into control. Plain data; its wire form is
//! the admin API's own business.

mod comparison;
mod provider;

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::access_log::Dropped;
use super::ambiguous_closes::AmbiguousCloseReason;
use super::spans::SpanFate;
use super::state_ids::OwnerReport;
use crate::decide::cause::CauseCount;
use crate::decide::ephemeral::Ephemeral;
use crate::decide::file_error::FileError;
use crate::decide::finish_kind::FinishKind;
use crate::decide::guard::aspect::ASPECTS;
use crate::decide::guard::silent::SilentRun;
use crate::decide::guard::tick::EventSums;
use crate::decide::guard::waiting::AGES;
use crate::decide::incompatibility::Incompatibility;
use crate::decide::policy::NotifyFormat;
use crate::decide::rollback_ready::NotReady;
use crate::decide::rollout::state::{Lock, OverallPhase};
use crate::decide::stable_fault::StableFault;
use crate::decide::tls_failure::TlsFailure;
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};

use super::counters::Series;
pub use comparison::ComparisonStatus;
pub use provider::{BreakerStatus, ClientLimitStatus, KeyCondition, KeyStatus, LimitStatus, ProviderStatus};

/// Everything that the surfaces show.
#[derive(Clone, Debug)]
pub struct Status {
    /// flags.yaml.
    pub flags: FlagsStatus,
    /// Where state lasts, and whether it does.
    pub store: StoreStatus,
    /// By [`RolloutId`](crate::decide::units::RolloutId); plain routes too.
    pub rollouts: Vec<RolloutStatus>,
    /// By [`ProviderId`](crate::decide::units::ProviderId).
    pub providers: Vec<ProviderStatus>,
    /// Clients that have a limit, in the file's order.
    pub client_limits: Vec<ClientLimitStatus>,
    /// Every series there ever was since the start, for the metrics.
    pub series: Vec<Arc<Series>>,
    /// Events of requests that the guard did not get, since they came too fast.
    pub samples_lost: u64,
    /// Lines of the access log that were written, and dropped by reason.
    pub access_log: (u64, [u64; Dropped::ALL.len()]),
    /// Spans by what became of them.
    pub spans: [u64; SpanFate::ALL.len()],
    /// What providers other than stable keep, those that keep something.
    pub kept_state: Vec<OwnerReport>,
    /// Ids of it that had to go because others came, and those that were not written in time.
    pub state_ids_lost: [u64; 2],
    /// Clients that closed their side and could not be asked whether they have left, by why not.
    pub ambiguous_closes: [u64; AmbiguousCloseReason::ALL.len()],
    /// The proxy port over TLS; `None`: there is none.
    pub tls: Option<TlsStatus>,
    /// Targets of notifications, by name; those of earlier files too.
    pub notify: Vec<NotifyTargetStatus>,
    /// Whether the process is stopping.
    pub draining: bool,
}

/// The proxy port over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsStatus {
    /// The first moment at which the certificate that is shown is valid.
    pub not_before: UnixMillis,
    /// The last one.
    pub expires_at: UnixMillis,
    /// Why an earlier certificate is shown instead of the one in the files; `None`: it is not.
    pub problem: Option<String>,
    /// Connections that never became one, by why not.
    pub failures: [u64; TlsFailure::ALL.len()],
}

/// A target of notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyTargetStatus {
    pub name: String,
    /// `None`: the file in force does not have it.
    pub format: Option<NotifyFormat>,
    /// Notifications that wait.
    pub queued: u64,
    pub delivered: u64,
    /// Tries that failed and were followed by others.
    pub retried: u64,
    pub given_up: u64,
    /// Notifications that were never tried: too many waited, or the target left the file.
    pub dropped: u64,
    pub last_delivered: Option<UnixMillis>,
    /// Why the last try failed; `None`: it did not.
    pub last_error: Option<String>,
    /// Whether it said that it is gone.
    pub ended: bool,
}

/// flags.yaml, as it is and as it is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagsStatus {
    /// The file's path.
    pub path: String,
    /// The version in force, unexpanded, with every literal secret masked.
    pub shown: Arc<str>,
    /// Accepted versions since the start.
    pub generation: u64,
    /// When the version in force was accepted.
    pub accepted_at: UnixMillis,
    /// When the file on disk was last changed, as far as it is readable.
    pub modified: Option<UnixMillis>,
    /// Why the file on disk is not in force; empty: it is.
    pub errors: Vec<FileError>,
    /// Versions refused since the start.
    pub failures: u64,
    /// Whether the version in force is the kept copy of an earlier run.
    pub from_last_good: bool,
    /// What the file in force asks for and does not get (a fixed key was edited, a literal secret).
    pub warnings: Vec<String>,
}

/// Where state lasts, and whether it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The directory.
    pub dir: String,
    /// Why nothing can be written; `None`: all is well.
    pub error: Option<String>,
    /// Why the locks in it cannot be read.
    pub locks_unread: Option<String>,
    /// Why it does not last, where that is known.
    pub ephemeral: Option<Ephemeral>,
}

#[derive(Clone, Debug)]
pub struct RolloutStatus {
    pub name: String,
    /// The stable provider's name.
    pub stable: String,
    /// The canary's name; `None`: a plain route.
    pub canary: Option<String>,
    /// The one word for where it is.
    pub phase: OverallPhase,
    /// The share of users on the canary now.
    pub percent: Percent,
    /// What the file asks for; `None`: auto.
    pub intent: Option<Percent>,
    /// Why the share in force is what it is, in a sentence.
    pub reason: String,
    /// When this stage began.
    pub since: UnixMillis,
    /// The next stage and when it may come at the earliest; `None`: none is ahead.
    pub next: Option<NextStage>,
    /// What holds a promotion that is due otherwise; empty: nothing.
    pub waiting_for: String,
    /// The try of the rollout.
    pub attempt: u32,
    /// The human's rollback that overrides it.
    pub lock: Option<Lock>,
    /// The id of the report about its rollback, while that holds it.
    pub incident: Option<String>,
    /// Whether a human holds the ramp.
    pub paused: bool,
    /// Each arm over the guard's window, stable first.
    pub window: [ArmWindow; 2],
    /// The window's length.
    pub window_length: Millis,
    /// When what is in it began: with the present share, or a window's length ago.
    pub window_since: UnixMillis,
    /// The traffic of the last minutes, whatever the share was.
    pub recent: RecentStatus,
    /// Requests at each arm's provider now, stable's first.
    pub in_flight: [u64; 2],
    /// Those of them that have had no output: for less than each of [`AGES`], and for longer.
    pub waiting: [[u32; AGES.len() + 1]; 2],
    /// Which evidence period this is.
    pub epoch: u64,
    /// Canary requests sent and answered at this share.
    pub answered: u64,
    /// How many of them a promotion needs.
    pub needed: u64,
    /// The guard's numbers; `None`: of a plain route.
    pub guard: Option<GuardStatus>,
    /// What the canary refuses although stable accepts it, what is met most often first.
    pub findings: Vec<IncompatibilityStatus>,
    /// Why attempts at stable and at the canary failed, most often first; of the last share at which some did.
    pub causes: [Vec<CauseCount>; 2],
    /// Who answered in the place of an arm's own provider since the start.
    pub fallbacks: Vec<FallbackStatus>,
    /// Why users on stable are not served; `None`: they are, as far as is known, or there are none.
    pub stable_fault: Option<StableFault>,
    /// Why stable could not take everybody back; empty: it could.
    pub not_ready: Arc<[NotReady]>,
    /// Share of requests without a user id since the start, in 0..=1; `None`: no requests yet.
    pub anonymous_ratio: Option<f64>,
    /// What to do where many of the last minutes' requests have none, in a sentence.
    pub anonymous_advice: Option<String>,
    /// Requests that every candidate failed and that were answered with its text since the start.
    pub last_resorts: u64,
    /// Tags that every provider of it has.
    pub require: Vec<String>,
    /// What is known of copies to the canary; `None`: the file asks for none.
    pub comparison: Option<Arc<ComparisonStatus>>,
}

#[cfg(test)]
impl RolloutStatus {
    /// `chat`, from `openai` to `holysheep`, in the first stage of its ramp; a test changes what it is about.
    pub(crate) fn sample() -> RolloutStatus {
        RolloutStatus {
            name: "chat".to_owned(),
            stable: "openai".to_owned(),
            canary: Some("holysheep".to_owned()),
            phase: OverallPhase::Ramping,
            percent: Percent::from_hundredths(1000).unwrap(),
            intent: None,
            reason: "stage 1 of 7 of the ramp".to_owned(),
            since: UnixMillis(0),
            next: None,
            waiting_for: String::new(),
            attempt: 1,
            lock: None,
            incident: None,
            paused: false,
            window: [ArmWindow::default(); 2],
            window_length: Millis(1000),
            window_since: UnixMillis(0),
            recent: RecentStatus::default(),
            in_flight: [0; 2],
            waiting: [[0; AGES.len() + 1]; 2],
            epoch: 1,
            answered: 3,
            needed: 100,
            guard: None,
            findings: Vec::new(),
            causes: [Vec::new(), Vec::new()],
            fallbacks: Vec::new(),
            stable_fault: None,
            not_ready: Arc::default(),
            anonymous_ratio: None,
            anonymous_advice: None,
            last_resorts: 0,
            require: Vec::new(),
            comparison: None,
        }
    }
}

/// Requests of an arm that another provider than its own answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackStatus {
    /// Whose requests.
    pub arm: Arm,
    /// Who answered them.
    pub provider: String,
    /// How many.
    pub requests: u64,
}

/// The guard's numbers of a canary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardStatus {
    /// In the order of [`Aspect::ALL`](crate::decide::guard::aspect::Aspect::ALL).
    pub aspects: [AspectStatus; ASPECTS],
    /// The evidence at which the canary is taken back for its failures, slow answers or refusals.
    pub bound: f64,
    /// Tries of this attempt that were begun again without a human.
    pub retries: u32,
    /// Whether stable is in an incident: then the step's time stands still.
    pub incident: bool,
    /// Verdicts of the application since the start, good and bad ones, by arm.
    pub verdicts: [[u64; 2]; 2],
    /// The canary's failures in a row.
    pub failures_in_a_row: f64,
    /// Users behind the failures of stable and canary at this share.
    pub users: [u32; 2],
    /// What was seen at this share, incidents of stable left out.
    pub step: EventSums,
    /// How much of the present step's time, or of the confirmation's, was watched.
    pub watched: Millis,
    /// How much is left of it; `None`: it has no end.
    pub left: Option<Millis>,
    /// Requests a second lately, both arms together.
    pub per_second: f64,
    /// Stable's failure rate lately, 0 to 1.
    pub stable_rate: f64,
    /// No share is raised while the canary's failure rate may be above it, or above twice stable's if that is higher.
    pub max_error_rate: Percent,
    /// Above which time to the first output an answer is slow; `None`: it is not looked at, or not known yet.
    pub slow_above: Option<Millis>,
    /// How answers ended lately, stable first.
    pub answers: [AnswersStatus; 2],
    /// Above which mean time between two outputs a stream is slow; `None`: not known yet.
    pub pace_above: Option<Millis>,
    /// The canary's requests without output, as far as they are compared with stable's.
    pub silence: SilentRun,
    /// How long faults would take to be seen at this traffic.
    pub forecast: Vec<ForecastStatus>,
    /// How long a canary that accepts requests and never answers would; `None`: too long.
    pub silent_after: Option<Millis>,
}

/// How an arm's answers ended lately.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AnswersStatus {
    /// Parts of 1, by [`FinishKind`]; `None`: there were none.
    pub shares: Option<[f64; FinishKind::ALL.len()]>,
    /// The mean time between two outputs of a stream, in milliseconds; `None`: there was no stream.
    pub gap_millis: Option<f64>,
}

/// What was compared in one aspect.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AspectStatus {
    /// Whether it is looked at.
    pub watched: bool,
    /// How many times likelier what was seen is if the canary is worse than tolerated.
    pub evidence: f64,
    /// At how much of it something is done.
    pub bound: f64,
    /// Whether the canary's rate is above the floor.
    pub above_floor: bool,
    /// What was seen since the canary last looked well in it.
    pub doubt: EventSums,
}

/// How long a fault would take to be seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForecastStatus {
    /// The canary's failure rate, 0 to 1.
    pub rate: f64,
    /// How long; `None`: more than two weeks, or never.
    pub after: Option<Millis>,
}

/// A promotion to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextStage {
    /// To which share.
    pub percent: Percent,
    pub not_before: UnixMillis,
}

/// One arm over the guard's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArmWindow {
    /// Judged requests.
    pub requests: u64,
    /// Failures among them.
    pub failures: u64,
}

/// The traffic of the last minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentStatus {
    /// How long they are: five minutes, and up to ten seconds more, or less soon after the start.
    pub length: Millis,
    /// Stable's, then the canary's.
    pub arms: [ArmRecent; 2],
    /// Requests that were sent to any provider.
    pub sent: u64,
    /// Those of them without a user id.
    pub anonymous: u64,
}

/// The traffic of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArmRecent {
    /// Requests that came to their end.
    pub requests: u64,
    /// Those that failed, whichever provider was tried last.
    pub failed: u64,
    /// Those that were refused as the client's error.
    pub refused: u64,
    /// Those that another provider answered in the place of the arm's own.
    pub elsewhere: u64,
    /// Requests of the arm that are at any provider now.
    pub in_flight: u64,
}

/// Something that a canary refuses although stable accepts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncompatibilityStatus {
    pub finding: Incompatibility,
    /// The status that the canary answered last.
    pub status: u16,
    /// How often, at least: when there are very many, not every one is counted.
    pub count: u64,
    /// When first.
    pub first: UnixMillis,
    /// When last.
    pub last: UnixMillis,
}

/// The report in force.
pub type StatusCell = ArcSwap<Status>;
