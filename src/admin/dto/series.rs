//! The series of a rollout, as the API says them: columns of the same length, one place a step.
//!
//! A place has null where there was no sample. Requests and failures are counts within the step and not rates; times are
//! milliseconds. Invariant: a column may be added, none is renamed or removed.

use serde::{Deserialize, Serialize};

use super::history::HistoryEntry;
use crate::decide::timestamp::Timestamp;

/// `GET /api/v1/rollouts/{name}/series`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesReply {
    pub rollout: String,
    /// The beginning of the first step.
    pub from: Timestamp,
    /// The end of the last.
    pub to: Timestamp,
    /// How long a step is: 1, 10 or 600.
    pub step_seconds: u64,
    /// Where each step begins, in milliseconds since 1970.
    pub at: Vec<u64>,
    /// Share of users on the canary at the end of each step.
    pub percent: Vec<Option<f64>>,
    /// What the file asked for then; null: auto.
    pub intent: Vec<Option<f64>>,
    /// The guard's evidence that the canary fails more often than stable; null: nothing was judged.
    pub evidence: Vec<Option<f64>>,
    /// The evidence at which the guard acts, as it is now.
    pub bound: Option<f64>,
    pub stable: ArmSeries,
    pub canary: ArmSeries,
    /// What happened to the rollout in that time, newest first.
    pub events: Vec<HistoryEntry>,
}

/// The columns of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmSeries {
    /// Requests that ended.
    pub requests: Vec<Option<u32>>,
    /// Those that the arm's own provider failed, whether or not another answered instead.
    pub failures: Vec<Option<u32>>,
    /// To the first byte of the answer's body.
    pub first_output_p50_ms: Vec<Option<f64>>,
    pub first_output_p95_ms: Vec<Option<f64>>,
    /// To the end of the answer.
    pub duration_p50_ms: Vec<Option<f64>>,
    pub duration_p95_ms: Vec<Option<f64>>,
    pub duration_p99_ms: Vec<Option<f64>>,
}
