//! `serin why`: why a rollout is at the share where it is.
//!
//! Puts together what a running sidecar says anyway, in its status and its history: the decision that led here with
//! every number it was reached by, what is watched now, what is waited for, and how long faults would take to be seen.
//! Where the history cannot be read, the rest is still said. Only reads.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde::Serialize;

use super::api_call::by_any;
use super::locate::{AdminEndpoint, LocateArgs};
use super::output::{self, Style};
use super::rollback::segment;
use super::{Exit, Failure, Outcome};
use crate::app::api::{HistoryEntry, HistoryReply, Rollout, StatusReply};
use crate::clock;
use crate::decide::event::Action;

mod numbers;
mod view;

const PATIENCE: Duration = Duration::from_secs(12);
/// A decision is looked for among so many of a rollout's newest events.
const LOOKED_AT: u32 = 200;
/// So many of those before it are told at most.
const MOST_BEFORE: usize = 4;

/// Arguments of `serin why`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin why\n  serin why chat\n  serin why chat --json | jq '.rollouts[0].decision.numbers'"
)]
pub struct WhyArgs {
    /// Only this rollout; without a name, all of them.
    rollout: Option<String>,
    /// Print JSON: an object with a list of `rollouts`, each as in `serin status --json`, with its `decision`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// A rollout, and how it came to be where it is.
#[derive(Debug, Serialize)]
struct RolloutAnswer {
    #[serde(flatten)]
    rollout: Rollout,
    /// The last decision about it; absent: none is known.
    decision: Option<HistoryEntry>,
    /// Where that was reached without numbers: what came before it, newest first, back to the last one that was.
    before: Vec<HistoryEntry>,
    /// Why the history could not be read; absent: it was.
    history_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct WhyAnswers {
    rollouts: Vec<RolloutAnswer>,
}

/// Says why.
///
/// # Errors
/// Where nothing answers, and where there is no such rollout.
pub fn run(args: &WhyArgs) -> Outcome {
    let target = args.reach.find_one()?;
    let status: StatusReply = by_any(&target.vias, &Method::GET, "/api/v1/status", None, PATIENCE)
        .map_err(|error| Failure::failed(error.to_string()))?;
    let answers = WhyAnswers {
        rollouts: asked_for(status.rollouts, args.rollout.as_deref())?
            .into_iter()
            .map(|rollout| answer(&target, rollout))
            .collect(),
    };
    if args.json {
        output::print_json(&answers);
    } else {
        output::print(&view::render(&answers.rollouts, clock::unix(), Style::of_stdout()));
    }
    Ok(Exit::Done)
}

fn asked_for(rollouts: Vec<Rollout>, name: Option<&str>) -> Result<Vec<Rollout>, Failure> {
    let Some(name) = name else { return Ok(rollouts) };
    let known: Vec<String> = rollouts.iter().map(|rollout| rollout.name.clone()).collect();
    let found: Vec<Rollout> = rollouts.into_iter().filter(|rollout| rollout.name == name).collect();
    if found.is_empty() {
        return Err(Failure::failed(format!("there is no rollout named `{name}`; there are: {}", known.join(", "))));
    }
    Ok(found)
}

fn answer(target: &AdminEndpoint, rollout: Rollout) -> RolloutAnswer {
    if rollout.canary.is_none() {
        return RolloutAnswer { rollout, decision: None, before: Vec::new(), history_error: None };
    }
    let path = format!("/api/v1/history?limit={LOOKED_AT}&rollout={}", segment(&rollout.name));
    match by_any::<HistoryReply>(&target.vias, &Method::GET, &path, None, PATIENCE) {
        Ok(history) => decided(rollout, history.events),
        Err(error) => {
            RolloutAnswer { rollout, decision: None, before: Vec::new(), history_error: Some(error.to_string()) }
        }
    }
}

/// From the newest event on.
fn decided(rollout: Rollout, events: Vec<HistoryEntry>) -> RolloutAnswer {
    let mut events = events.into_iter().filter(|event| !Action::from(event.action.clone()).decides_nothing());
    let decision = events.next();
    let mut before = Vec::new();
    let mut has_numbers = decision.as_ref().is_none_or(|decision| !decision.numbers.is_empty());
    while let Some(event) = events.next().filter(|_| !has_numbers && before.len() < MOST_BEFORE) {
        has_numbers = !event.numbers.is_empty();
        before.push(event);
    }
    RolloutAnswer { rollout, decision, before, history_error: None }
}
