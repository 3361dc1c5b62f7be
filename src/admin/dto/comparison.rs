//! The copies of a rollout's requests, as the API says them.
//!
//! Counts, medians and sums; sentences are those of [`describe`](crate::describe). No text of a request or an answer is
//! in it. Invariant: a field that an older process does not send has a default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decide::comparison::difference::Aspect;
use crate::decide::comparison::funnel::Funnel as FunnelCounts;
use crate::decide::comparison::rehearsal::{Blocking, blocking as blocking_so_far};
use crate::decide::comparison::tally::Tally;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::PicoUsd;
use crate::decide::units::UnixMillis;
use crate::describe::comparison::{advice, defect, short, state};
use crate::state::status::{ComparisonStatus, RolloutStatus};

/// `GET /api/v1/rollouts/{name}/comparison`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonReply {
    pub rollout: String,
    pub stable: String,
    pub canary: String,
    /// `off`, `rehearsing`, `rehearsal_failed`, `comparing`, `taken_back` or `nothing_on_stable`.
    pub mode: String,
    /// The same in a sentence.
    pub sentence: String,
    /// Absent: the file asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<RehearsalReply>,
    /// Absent: the file asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Counts>,
    /// What copies cost today (UTC) in USD, as far as it is known.
    pub spent_today: f64,
    /// Whether the canary has `prices`, so that `max_cost` can be held.
    pub priced: bool,
}

/// The present round of a rehearsal, or the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RehearsalReply {
    /// Counts the rounds.
    pub round: u64,
    /// Copies that a round takes.
    pub requests: u32,
    /// How it ended; absent: it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What blocks the first step, or would if the round ended now.
    pub blocking: Vec<BlockingReply>,
    pub counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockingReply {
    pub sentence: String,
    /// The rule for flags.yaml, or what else to do; absent: no rule helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub funnel: Funnel,
    /// What was wrong with the canary's answers, most often first.
    pub defects: Vec<DefectReply>,
    /// Pairs that are alike and pairs that differ, by `status`, `finish`, `json`, `schema`, `tools`, `arguments`,
    /// `script` and `length`; an aspect that no pair had is absent.
    pub aspects: BTreeMap<String, Pairs>,
    /// Of the newest pairs; absent: there are too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_output_ms: Option<Both<u32>>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<Both<u32>>,
    /// Characters of the canary's texts for one of stable's; absent: there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_ratio: Option<f64>,
    /// Mean cost of a response in USD, over the pairs whose price and usage are known of both; absent: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Both<f64>>,
    /// What the copies cost in USD, as far as it is known.
    pub spent: f64,
    /// Copies whose cost is unknown.
    pub unpriced: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Both<T> {
    pub stable: T,
    pub canary: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs {
    pub alike: u64,
    pub different: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefectReply {
    /// `key`, `quota`, `parameter`, `model`, `context_length`, `endpoint`, `refused`, `malformed`, `server`,
    /// `unreachable`, `timed_out` or `broken_off`.
    pub kind: String,
    pub sentence: String,
    pub count: u64,
}

/// How many requests came to be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funnel {
    pub seen: u64,
    pub sampled: u64,
    /// By reason.
    pub skipped: BTreeMap<String, u64>,
    pub sent: u64,
    pub answered: u64,
    pub compared: u64,
}

impl ComparisonReply {
    /// `None`: the rollout has no canary, or the file asks for no copies.
    #[must_use]
    pub fn new(rollout: &RolloutStatus, now: UnixMillis) -> Option<ComparisonReply> {
        let status = rollout.comparison.as_deref()?;
        let ComparisonStatus { mode, rehearse, compare, is_priced, tolerated, record } = status;
        let canary = rollout.canary.clone().unwrap_or_default();
        let rehearsal = rehearse.map(|rehearse| {
            let (verdict, tally) = (record.rehearsal.verdict.as_ref(), &record.rehearsal.tally);
            let blocking = |found: &Blocking| BlockingReply {
                sentence: short(found),
                advice: advice(found, &canary, &rollout.name),
            };
            let found = verdict.map_or_else(|| blocking_so_far(tally, *tolerated), |verdict| verdict.blocking.clone());
            RehearsalReply {
                round: record.rehearsal.round,
                requests: rehearse.requests,
                passed: verdict.map(|verdict| verdict.blocking.is_empty()),
                ended_at: verdict.map(|verdict| Timestamp(verdict.at)),
                blocking: found.iter().map(blocking).collect(),
                counts: Counts::from(tally),
            }
        });
        Some(ComparisonReply {
            rollout: rollout.name.clone(),
            stable: rollout.stable.clone(),
            sentence: state(*mode, record.rehearsal.is_passed()).to_owned(),
            canary,
            mode: mode.as_str().to_owned(),
            rehearsal,
            comparison: compare.map(|_| Counts::from(&record.comparison)),
            spent_today: usd(record.spending.today(now)),
            priced: *is_priced,
        })
    }
}

impl From<&Tally> for Counts {
    #[expect(clippy::cast_precision_loss, reason = "figures for reading")]
    fn from(tally: &Tally) -> Counts {
        let medians = tally.medians();
        let both = |[stable, canary]: [u32; 2]| Both { stable, canary };
        let mut defects: Vec<DefectReply> = tally
            .defects
            .iter()
            .map(|(of, count)| DefectReply { kind: of.as_str().to_owned(), sentence: defect(of), count: *count })
            .collect();
        defects.sort_by_key(|defect| std::cmp::Reverse(defect.count));
        let pairs = |(aspect, [alike, different]): (&Aspect, &[u64; 2])| {
            (aspect.as_str().to_owned(), Pairs { alike: *alike, different: *different })
        };
        let [stable, canary] = tally.characters;
        let mean = |sum: u64| usd(PicoUsd(sum / tally.priced.max(1)));
        Counts {
            funnel: Funnel::from(&tally.funnel),
            defects,
            aspects: tally.aspects.iter().map(pairs).collect(),
            first_output_ms: medians.map(|medians| both(medians.first_output)),
            total_ms: medians.map(|medians| both(medians.total)),
            length_ratio: (stable > 0).then(|| canary as f64 / stable as f64),
            cost: (tally.priced > 0).then(|| Both { stable: mean(tally.cost[0]), canary: mean(tally.cost[1]) }),
            spent: usd(PicoUsd(tally.spent)),
            unpriced: tally.unpriced,
        }
    }
}

impl From<&FunnelCounts> for Funnel {
    fn from(counts: &FunnelCounts) -> Funnel {
        let FunnelCounts { seen, sampled, skipped, sent, answered, compared } = counts;
        Funnel {
            seen: *seen,
            sampled: *sampled,
            skipped: skipped.iter().map(|(why, count)| (why.as_str().to_owned(), *count)).collect(),
            sent: *sent,
            answered: *answered,
            compared: *compared,
        }
    }
}

/// A figure for reading; sums are made of whole pico-USD.
#[expect(clippy::cast_precision_loss, reason = "a figure for reading")]
fn usd(amount: PicoUsd) -> f64 {
    amount.0 as f64 / 1e12
}
