//! The answer to a change that was only tried: what it would do.
//!
//! The sentences are those of [`describe::dry_run`]; nothing is decided here. Invariant: one entry for each rollout that
//! the change is for, in the file's order.

use serde::{Deserialize, Serialize};

use crate::decide::rollout::dry_run::DryRun;
use crate::describe;

/// The answer to a change with `"dry_run": true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DryRunReply {
    /// What would happen, in sentences; a line for each rollout.
    pub would: String,
    /// The share in force; `null` unless the change is for exactly one rollout.
    pub from: Option<f64>,
    /// The share right after the change; likewise.
    pub to: Option<f64>,
    /// Each rollout that the change is for.
    pub rollouts: Vec<DryRunRollout>,
}

/// What a change would do to one rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DryRunRollout {
    pub name: String,
    /// What would happen, in sentences.
    pub would: String,
    /// The share in force.
    pub from: f64,
    /// The share right after the change.
    pub to: f64,
    /// The phase now, as in status.
    pub from_phase: String,
    /// The phase right after the change.
    pub to_phase: String,
    /// The first and the last bucket whose users go to the other arm; `null`: none.
    pub buckets: Option<(u16, u16)>,
    /// Pinned users who go to the other arm.
    pub pinned: usize,
    /// Requests of this rollout open on a canary, which stay there.
    pub open_on_canary: u64,
}

impl From<&DryRun> for DryRunRollout {
    fn from(run: &DryRun) -> DryRunRollout {
        DryRunRollout {
            name: run.rollout.clone(),
            would: describe::dry_run::sentence(run),
            from: run.from.percent.as_f64(),
            to: run.to.percent.as_f64(),
            from_phase: run.from.phase.as_str().to_owned(),
            to_phase: run.to.phase.as_str().to_owned(),
            buckets: run.buckets(),
            pinned: run.pinned,
            open_on_canary: run.open_on_canary,
        }
    }
}

impl From<&[DryRun]> for DryRunReply {
    fn from(runs: &[DryRun]) -> DryRunReply {
        let rollouts: Vec<DryRunRollout> = runs.iter().map(DryRunRollout::from).collect();
        let would = match &rollouts[..] {
            [] => describe::dry_run::nothing(),
            [one] => one.would.clone(),
            several => several.iter().map(|it| format!("{}: {}", it.name, it.would)).collect::<Vec<_>>().join("\n"),
        };
        let (from, to) = match &rollouts[..] {
            [one] => (Some(one.from), Some(one.to)),
            _ => (None, None),
        };
        DryRunReply { would, from, to, rollouts }
    }
}
