//! One rollout, as the API says it: where it is, why, and what is counted of its arms.
//!
//! From the status that control publishes; nothing is decided here, and sentences are those of
//! [`describe`](crate::describe). Invariant: a field that an older process does not send has a default, so that a newer
//! command can read an older process.

use serde::{Deserialize, Serialize};

use super::cause::CauseReply;
use super::guard::Guard;
use super::recent::Recent;
use super::rollback_ready::RollbackReady;
use crate::decide::rollout::state::Lock;
use crate::decide::timestamp::Timestamp;
use crate::describe::{incompatibility, stable_fault};
use crate::state::status::{ArmWindow, FallbackStatus, IncompatibilityStatus, RolloutStatus};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
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
    /// The id of the report about its rollback, while that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
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
    /// Whether stable could take everybody back now; absent from a plain route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_ready: Option<RollbackReady>,
    /// Share of requests without a user id since the start, 0 to 1.
    pub anonymous_ratio: Option<f64>,
    /// What to do about them, in a sentence, where more than a fifth of the last minutes' requests have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_advice: Option<String>,
    /// Requests that every candidate failed and that were answered with the text of `last_resort`, since the start.
    #[serde(default)]
    pub last_resorts: u64,
    /// Tags that every provider which may see its requests has; absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// Whether requests are copied to the canary: the `mode` of `/comparison`; absent: the file asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<String>,
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
    pub stable: Arm,
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
    pub stable: ArmInFlight,
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

impl From<&RolloutStatus> for Rollout {
    fn from(rollout: &RolloutStatus) -> Rollout {
        let [stable, canary] = rollout.window;
        Rollout {
            name: rollout.name.clone(),
            stable: rollout.stable.clone(),
            canary: rollout.canary.clone(),
            phase: rollout.phase.as_str().to_owned(),
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
            incident: rollout.incident.clone(),
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
            rollback_ready: rollout.canary.is_some().then(|| RollbackReady::new(&rollout.not_ready)),
            anonymous_ratio: rollout.anonymous_ratio,
            anonymous_advice: rollout.anonymous_advice.clone(),
            last_resorts: rollout.last_resorts,
            require: rollout.require.clone(),
            copies: rollout.comparison.as_ref().map(|copies| copies.mode.as_str().to_owned()),
        }
    }
}

impl From<&FallbackStatus> for Fallback {
    fn from(status: &FallbackStatus) -> Fallback {
        Fallback { arm: status.arm.as_str().to_owned(), provider: status.provider.clone(), requests: status.requests }
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
