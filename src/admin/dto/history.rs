//! The history, as the API says it: each event in words, and the numbers that it was decided by.
//!
//! The words are those of [`describe`]; nothing is decided here. Invariant: a number is told as it was
//! kept, a whole one without a decimal point.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cause::CauseReply;
use crate::decide::event::{Event, Figure, Reason};
use crate::decide::plan::RolloutPlan;
use crate::decide::timestamp::Timestamp;
use crate::decide::units;
use crate::describe;

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
    /// Of a reload: the edited keys of each rollout. Absent in entries of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<BTreeMap<String, Vec<String>>>,
}

impl From<Event> for HistoryEntry {
    fn from(event: Event) -> HistoryEntry {
        let reason = describe::event::reason(&event);
        let numbers = describe::numbers::numbers(&event.reason).into_iter();
        let causes = event.decision().map_or(&[][..], |decision| &decision.causes);
        let causes = causes.iter().map(|cause| CauseReply::of(units::Arm::Canary, cause)).collect();
        let edited = edited(&event.reason);
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
            edited,
        }
    }
}

fn edited(reason: &Reason) -> Option<BTreeMap<String, Vec<String>>> {
    let Reason::Accepted { plan: Some(plan), .. } = reason else { return None };
    let of = |rollout: &RolloutPlan| Some((rollout.after.rollout.clone()?, rollout.edited.clone()));
    Some(plan.rollouts.iter().filter_map(of).collect())
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
