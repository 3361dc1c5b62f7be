//! What an edit of flags.yaml would do, as the API and `serin plan --json` say it.
//!
//! The sentences are those of [`describe::plan`]; nothing is decided here. Shares are numbers of percent. A field may be
//! added, none is renamed or removed.

use serde::{Deserialize, Serialize};

use crate::decide::file_error::FileError;
use crate::decide::plan::fits::Fit;
use crate::decide::plan::{
    BucketMove, Flow, PinnedMove, Plan, ProviderEdit, RequestClass, RolloutPlan, TakerPlan, UserMoves,
};
use crate::decide::policy::Intent;
use crate::describe;

/// The answer to `POST /api/v1/plan`, and the output of `serin plan --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanReply {
    /// Whether the file is valid. If not, only `errors` says something.
    pub valid: bool,
    pub errors: Vec<FileError>,
    /// What is accepted but should be mended.
    pub warnings: Vec<String>,
    /// Why a reload would refuse it, although it is valid.
    pub refused: Option<String>,
    /// Whether users, or the requests of a match, go to another provider.
    pub moves_users: bool,
    /// Everything that the edit does, a sentence for each fact; empty: nothing.
    pub sentences: Vec<String>,
    /// The rollouts that the edit touches.
    pub rollouts: Vec<PlannedRollout>,
    /// Providers whose requests are made in another way.
    pub providers: Vec<PlannedProvider>,
    /// Other edited keys.
    pub settings: Vec<String>,
    /// Edits that need a restart, a sentence for each.
    pub restart: Vec<String>,
    /// What part of the present traffic the limits of each canary let pass, by the file. No effect of the edit.
    #[serde(default)]
    pub fits: Vec<PlannedFit>,
}

/// What part of the traffic fits into a canary's limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedFit {
    pub canary: String,
    /// Whose traffic it is.
    pub rollouts: Vec<String>,
    /// What the limit counts: `requests` or `tokens`.
    pub unit: String,
    /// How many of them the limit lets pass in a minute, and how many are sent.
    pub allowed: u64,
    pub sent: u64,
    /// Who says so: `file` (`rate_limit`) or `headers` (of the provider's responses).
    pub source: String,
    pub percent: f64,
    pub sentence: String,
}

/// A rollout that the edit touches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRollout {
    /// Who takes its requests now.
    pub before: PlannedSide,
    /// Who would.
    pub after: PlannedSide,
    /// Which requests these are; empty: all that the rollout takes.
    pub requests: Vec<String>,
    /// The share of all users who go to another provider, in percent.
    pub moved_percent: f64,
    pub buckets: Vec<PlannedBuckets>,
    /// The same where every user gets another bucket.
    pub rehashed: Vec<PlannedFlow>,
    /// Pinned and excluded users.
    pub pinned: Vec<PlannedPins>,
    /// The share that was assumed to be in force, where it is not known.
    pub assumed_percent: Option<f64>,
    /// What begins anew: `rollout`, `known_rollout`, `evidence`, `attempt`, `lock_kept`.
    pub begins: Vec<String>,
    /// Why its canary could not be used, if that is new.
    pub blocked: Option<String>,
    /// Its edited keys.
    pub edited: Vec<String>,
}

/// Who takes requests, and the share in force there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedSide {
    /// `null`: no rollout.
    pub rollout: Option<String>,
    /// Its stable, or the provider of unmatched requests; `null`: they are refused.
    pub stable: Option<String>,
    pub canary: Option<String>,
    /// `null`: not known.
    pub percent: Option<f64>,
    /// What the file asks for: `auto`, or a share such as `10%`.
    pub intent: Option<String>,
    pub phase: Option<String>,
}

/// Users of these buckets go to another provider; `null`: their requests are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedBuckets {
    pub first: u16,
    pub last: u16,
    pub percent: f64,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// A share of all users goes to another provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedFlow {
    pub percent: f64,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// Pinned or excluded users go to another provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedPins {
    pub users: usize,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// A provider whose requests are made in another way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedProvider {
    pub name: String,
    /// The edited keys.
    pub edited: Vec<String>,
}

impl PlanReply {
    /// Of a file with errors.
    #[must_use]
    pub fn invalid(errors: Vec<FileError>) -> PlanReply {
        PlanReply { errors, ..PlanReply::default() }
    }

    /// Of a valid file.
    #[must_use]
    pub fn new(plan: &Plan, warnings: Vec<String>) -> PlanReply {
        let provider = |edit: &ProviderEdit| PlannedProvider { name: edit.provider.clone(), edited: edit.keys.clone() };
        PlanReply {
            valid: true,
            errors: Vec::new(),
            warnings,
            refused: plan.refused.as_ref().map(describe::plan::refusal),
            moves_users: plan.moves_anybody(),
            sentences: describe::plan::lines(plan),
            rollouts: plan.rollouts.iter().map(PlannedRollout::from).collect(),
            providers: plan.providers.iter().map(provider).collect(),
            settings: plan.settings.clone(),
            restart: plan.restart.iter().map(describe::warning::sentence).collect(),
            fits: plan.fits.iter().map(PlannedFit::from).collect(),
        }
    }
}

impl From<&Fit> for PlannedFit {
    fn from(fit: &Fit) -> PlannedFit {
        let Fit { canary, rollouts, limit: (unit, limit), sent, part } = fit.clone();
        PlannedFit {
            canary,
            rollouts,
            unit: unit.as_str().to_owned(),
            allowed: limit.most,
            sent,
            source: limit.source.as_str().to_owned(),
            percent: hundredths(part),
            sentence: describe::rollback_ready::fit(fit),
        }
    }
}

impl From<&RolloutPlan> for PlannedRollout {
    fn from(plan: &RolloutPlan) -> PlannedRollout {
        let UserMoves { buckets, rehashed, pinned } = &plan.users;
        let word = |begins| serde_json::to_value(begins).ok().and_then(|word| word.as_str().map(str::to_owned));
        PlannedRollout {
            before: PlannedSide::from(&plan.before),
            after: PlannedSide::from(&plan.after),
            requests: plan.requests.iter().map(request).collect(),
            moved_percent: hundredths(plan.users.share()),
            buckets: buckets.iter().map(PlannedBuckets::from).collect(),
            rehashed: rehashed.iter().map(PlannedFlow::from).collect(),
            pinned: pinned.iter().map(PlannedPins::from).collect(),
            assumed_percent: plan.assumed.map(crate::decide::units::Percent::as_f64),
            begins: plan.begins.iter().filter_map(word).collect(),
            blocked: plan.blocked.as_ref().map(|by| describe::in_force::blocked(by.as_blocked())),
            edited: plan.edited.clone(),
        }
    }
}

/// In percent, to two decimals.
fn hundredths(share: f64) -> f64 {
    (share * 10_000.0).round() / 100.0
}

fn request(class: &RequestClass) -> String {
    describe::plan::request(class)
}

impl From<&TakerPlan> for PlannedSide {
    fn from(side: &TakerPlan) -> PlannedSide {
        PlannedSide {
            rollout: side.rollout.clone(),
            stable: side.stable.clone(),
            canary: side.canary.clone(),
            percent: side.percent.map(crate::decide::units::Percent::as_f64),
            intent: side.intent.map(|intent| match intent {
                Intent::Auto => "auto".to_owned(),
                Intent::Pinned(percent) => percent.to_string(),
            }),
            phase: side.phase.map(|phase| phase.as_str().to_owned()),
        }
    }
}

impl From<&BucketMove> for PlannedBuckets {
    fn from(range: &BucketMove) -> PlannedBuckets {
        let BucketMove { first, last, from, to } = range.clone();
        PlannedBuckets { first, last, percent: range.share().as_f64(), from, to }
    }
}

impl From<&Flow> for PlannedFlow {
    fn from(flow: &Flow) -> PlannedFlow {
        PlannedFlow { percent: hundredths(flow.share), from: flow.from.clone(), to: flow.to.clone() }
    }
}

impl From<&PinnedMove> for PlannedPins {
    fn from(moved: &PinnedMove) -> PlannedPins {
        PlannedPins { users: moved.users, from: moved.from.clone(), to: moved.to.clone() }
    }
}
