//! What the admin API says, in its own shapes: stable names for programs, whatever the inside is called.
//!
//! Shares are numbers of percent (`7.5`), moments are RFC 3339, lengths of time are seconds. A field may be added,
//! none is renamed or removed; readers ignore what they do not know. Nothing here can hold a secret.

mod cause;
mod guard;
mod recent;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::event::{Event, Figure};
use crate::decide::file_error::FileError;
use crate::decide::rollout::state::Lock;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::{self, Percent};
use crate::describe::{self, incompatibility, stable_fault};
use crate::state::inbox::Receipt;
use crate::state::status::{
    ArmWindow, FallbackStatus, FlagsStatus, IncompatibilityStatus, ProviderStatus, RolloutStatus, Status,
};
pub use cause::CauseReply;
pub use guard::{Answers, ArmAnswers, AspectComparison, BothArms, Forecast, Guard, Rate, Users};
pub use recent::{Anonymous, Recent, RecentArm};

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
    /// The process.
    pub process: Process,
    /// flags.yaml.
    pub flags: Flags,
    /// Where state lasts.
    pub state: State,
    /// In the file's order; plain routes too.
    pub rollouts: Vec<Rollout>,
    /// In the file's order.
    #[serde(default)]
    pub providers: Vec<Provider>,
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

/// One rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Its name.
    pub name: String,
    /// The stable provider.
    pub stable: String,
    /// The canary; absent from a plain route.
    pub canary: Option<String>,
    /// Where it is, in a word: the `phase` label of the metrics.
    pub phase: String,
    /// Share of users on the canary now.
    pub percent: f64,
    /// What the file asks for: `auto`, or a share as the file writes it.
    pub intent: String,
    /// Why the share in force is what it is.
    pub reason: String,
    /// When this stage began.
    pub since: Timestamp,
    /// The next stage, if one is ahead.
    pub next: Option<Next>,
    /// What holds a promotion that is due otherwise; empty: nothing.
    pub waiting_for: String,
    /// The try of the rollout.
    pub attempt: u32,
    /// The human's rollback that lies over it.
    pub lock: Option<Locked>,
    /// Whether a human holds the ramp.
    pub paused: bool,
    /// Both arms as they are shown.
    pub window: Window,
    /// The traffic of the last minutes, whatever the share was; absent: an older process.
    #[serde(default)]
    pub recent: Option<Recent>,
    /// Requests that are at the providers now.
    #[serde(default)]
    pub in_flight: InFlight,
    /// Which evidence period this is.
    pub epoch: u64,
    /// Canary requests answered at this share.
    pub answered: u64,
    /// What the guard knows; absent from a plain route.
    #[serde(default)]
    pub guard: Option<Guard>,
    /// What the canary refuses although stable accepts it, what is met most often first.
    #[serde(default)]
    pub findings: Vec<Incompatibility>,
    /// Why requests failed, the commonest cause first: of each arm, at the last share at which any did while somebody
    /// was on the canary.
    #[serde(default)]
    pub seen: Vec<CauseReply>,
    /// How many of an arm's requests another provider than its own has answered since the start, by who did.
    #[serde(default)]
    pub fallbacks: Vec<Fallback>,
    /// Why users on stable are not served, where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_fault: Option<String>,
    /// Share of requests without a user id since the start, 0 to 1.
    pub anonymous_ratio: Option<f64>,
    /// What to do about them, in a sentence, where more than a fifth of the last minutes' requests have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_advice: Option<String>,
}

/// Requests of an arm that another provider than its own answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Whose: `stable` or `canary`.
    pub arm: String,
    /// Who answered them.
    pub provider: String,
    /// How many since the start.
    pub requests: u64,
}

/// A promotion to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Next {
    /// To which share.
    pub percent: f64,
    /// Not before.
    pub not_before: Timestamp,
}

/// A human's rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Locked {
    /// The share that it holds the rollout at.
    pub to: f64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why; empty: not said.
    pub reason: String,
}

/// What the guard counts of both arms, over its window and at the present share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its length.
    pub seconds: f64,
    /// Since when there are counts in it: since the present share, or for its length; absent from a plain route.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// The stable arm.
    pub stable: Arm,
    /// The canary arm.
    pub canary: Arm,
}

/// One arm over the guard's window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Judged requests.
    pub requests: u64,
    /// Failures among them.
    pub failures: u64,
    /// Percent of failures; absent without requests.
    pub failure_percent: Option<f64>,
}

/// Requests that are at the providers of both arms now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// At stable.
    pub stable: ArmInFlight,
    /// At the canary.
    pub canary: ArmInFlight,
}

/// Requests that are at the provider of one arm now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmInFlight {
    /// All of them, whatever sent them there.
    pub requests: u64,
    /// Those that a bucket sent there and that have had no output yet, by how long ago they were sent.
    pub without_output: WaitingByAge,
}

/// How many have waited for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingByAge {
    /// Less than five seconds.
    pub below_5s: u32,
    /// Up to half a minute.
    pub below_30s: u32,
    /// Up to two minutes.
    pub below_2m: u32,
    /// Up to ten minutes.
    pub below_10m: u32,
    /// Longer.
    pub longer: u32,
}

impl ArmInFlight {
    fn new(requests: u64, [below_5s, below_30s, below_2m, below_10m, longer]: [u32; 5]) -> ArmInFlight {
        ArmInFlight { requests, without_output: WaitingByAge { below_5s, below_30s, below_2m, below_10m, longer } }
    }
}

/// Something that a canary refuses although stable accepts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incompatibility {
    /// What kind of thing: `parameter`, `model`, `context_length`, `endpoint` or `other`.
    pub kind: String,
    /// Its name; of `other` the error's code.
    pub name: String,
    /// What happened, in a sentence.
    pub sentence: String,
    /// What to write in flags.yaml; absent where no rule mends it.
    pub rule: Option<String>,
    /// What to do about it, in a sentence.
    pub advice: String,
    /// The status that the canary answered last.
    pub status: u16,
    /// How often, at least.
    pub count: u64,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its name.
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
}

/// `GET /api/v1/history`, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryReply {
    /// What happened.
    pub events: Vec<HistoryEntry>,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// Which rollout; absent: the file or the process.
    pub rollout: Option<String>,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// Why.
    pub reason: String,
    /// The share in force before.
    pub from: f64,
    /// The share in force after.
    pub to: f64,
    /// What it was decided by: counts and evidence as they are, rates in percent, lengths of time in seconds, and
    /// words.
    pub numbers: BTreeMap<String, Value>,
    /// Why the canary's requests failed, where that is what it was decided by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<CauseReply>,
    /// The version of flags.yaml in force.
    pub generation: u64,
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
    /// What else the operator should know.
    pub notes: Vec<String>,
}

/// One rollout after a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name.
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
    pub fn new(process: Process, status: &Status) -> StatusReply {
        StatusReply {
            process,
            flags: Flags::from(&status.flags),
            state: State {
                dir: status.store.dir.clone(),
                error: status.store.error.clone(),
                locks_error: status.store.locks_unread.clone(),
                ephemeral: status.store.ephemeral.map(|kind| kind.as_str().to_owned()),
            },
            rollouts: status.rollouts.iter().map(Rollout::from).collect(),
            providers: status.providers.iter().map(Provider::from).collect(),
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

impl From<&RolloutStatus> for Rollout {
    fn from(rollout: &RolloutStatus) -> Rollout {
        let [stable, canary] = rollout.window;
        Rollout {
            name: rollout.name.clone(),
            stable: rollout.stable.clone(),
            canary: rollout.canary.clone(),
            phase: rollout.standing.as_str().to_owned(),
            percent: rollout.percent.as_f64(),
            intent: rollout.intent.map_or_else(|| "auto".to_owned(), |percent| percent.to_string()),
            reason: rollout.reason.clone(),
            since: Timestamp(rollout.since),
            next: rollout
                .next
                .map(|next| Next { percent: next.percent.as_f64(), not_before: Timestamp(next.not_before) }),
            waiting_for: rollout.waiting_for.clone(),
            attempt: rollout.attempt,
            lock: rollout.lock.as_ref().map(Locked::from),
            paused: rollout.paused,
            window: Window {
                seconds: rollout.window_length.duration().as_secs_f64(),
                since: rollout.canary.is_some().then_some(Timestamp(rollout.window_since)),
                stable: stable.into(),
                canary: canary.into(),
            },
            recent: Some(Recent::new(rollout)),
            in_flight: InFlight {
                stable: ArmInFlight::new(rollout.in_flight[0], rollout.waiting[0]),
                canary: ArmInFlight::new(rollout.in_flight[1], rollout.waiting[1]),
            },
            epoch: rollout.epoch,
            answered: rollout.answered,
            guard: rollout.guard.as_ref().map(|guard| Guard::new(guard, rollout.answered, rollout.needed)),
            findings: rollout.findings.iter().map(|known| Incompatibility::new(known, rollout)).collect(),
            seen: CauseReply::of_both(&rollout.causes),
            fallbacks: rollout.fallbacks.iter().map(Fallback::from).collect(),
            stable_fault: rollout.stable_fault.as_ref().map(stable_fault::sentence),
            anonymous_ratio: rollout.anonymous_ratio,
            anonymous_advice: rollout.anonymous_advice.clone(),
        }
    }
}

impl From<&FallbackStatus> for Fallback {
    fn from(told: &FallbackStatus) -> Fallback {
        Fallback { arm: told.arm.as_str().to_owned(), provider: told.provider.clone(), requests: told.requests }
    }
}

impl Incompatibility {
    fn new(known: &IncompatibilityStatus, rollout: &RolloutStatus) -> Incompatibility {
        let RolloutStatus { name, stable, canary, .. } = rollout;
        let (finding, canary) = (&known.finding, canary.as_deref().unwrap_or_default());
        Incompatibility {
            kind: known.finding.kind().to_owned(),
            name: known.finding.name().to_owned(),
            sentence: incompatibility::sentence(finding, canary, stable),
            rule: incompatibility::rule(finding, canary, name),
            advice: incompatibility::advice(finding, canary, name),
            status: known.status,
            count: known.count,
            first_at: Timestamp(known.first),
            last_at: Timestamp(known.last),
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
        }
    }
}

impl From<&Lock> for Locked {
    fn from(lock: &Lock) -> Locked {
        Locked { to: lock.to.as_f64(), at: Timestamp(lock.at), actor: lock.actor.clone(), reason: lock.reason.clone() }
    }
}

impl From<ArmWindow> for Arm {
    #[expect(clippy::cast_precision_loss, reason = "a rate for reading; decisions are made on integers elsewhere")]
    fn from(arm: ArmWindow) -> Arm {
        let failure_percent = (arm.requests > 0).then(|| arm.failures as f64 * 100.0 / arm.requests as f64);
        Arm { requests: arm.requests, failures: arm.failures, failure_percent }
    }
}

impl From<Event> for HistoryEntry {
    fn from(event: Event) -> HistoryEntry {
        let reason = describe::event::reason(&event);
        let numbers = describe::numbers::numbers(&event.reason).into_iter();
        let causes = event.decision().map_or(&[][..], |decision| &decision.causes);
        let causes = causes.iter().map(|cause| CauseReply::of(units::Arm::Canary, cause)).collect();
        HistoryEntry {
            at: Timestamp(event.at),
            rollout: event.rollout,
            actor: event.actor.into(),
            action: event.action.into(),
            reason,
            from: event.from.as_f64(),
            to: event.to.as_f64(),
            causes,
            numbers: numbers.map(|(name, figure)| (name, value(figure))).collect(),
            generation: event.generation,
        }
    }
}

/// Whole numbers without a point, as a program that counts expects them.
fn value(figure: Figure) -> Value {
    match figure {
        Figure::Nothing => Value::Null,
        Figure::Text(text) => text.into(),
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        Figure::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => (number as i64).into(),
        Figure::Number(number) => number.into(),
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
            notes: receipt.notes,
        }
    }
}
