//! `serin status`: what is in force in every rollout, and why.
//!
//! Asks every sidecar that is found, and shows people those that answer even where another does not. Where nothing runs
//! it fails, and still tells the locks that the next start will obey. Only reads: watching a rollout changes nothing of
//! it.

use std::time::Duration;

use clap::Args;
use http::Method;

use super::api_call::{CallError, by_any};
use super::locate::{AdminEndpoint, LocateArgs, Located, one_of};
use super::output::{self, Style};
use super::{Exit, Failure, Outcome};
use crate::app::api::StatusReply;
use crate::app::offline;
use crate::clock;
use crate::decide::rollout::state::Lock;

mod view;

const PATIENCE: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(1);

/// Arguments of `serin status`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin status\n  serin status --watch\n  serin status --json | jq '.[].rollouts[] | {name, percent, phase}'"
)]
pub struct StatusArgs {
    /// Repeat every second, until interrupted.
    #[arg(long)]
    watch: bool,
    /// Print JSON: a list with one entry for each process.
    #[arg(long, conflicts_with = "watch")]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// Shows the status.
///
/// # Errors
/// Where nothing runs or nothing answers.
pub fn run(args: &StatusArgs) -> Outcome {
    loop {
        let targets = match args.reach.find()? {
            Located::Running(targets) => targets,
            nothing @ Located::Nothing { .. } => return Err(at_rest(nothing)),
        };
        if args.json {
            let replies =
                targets.iter().map(|target| get(target, PATIENCE)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
            output::print_json(&replies);
            return Ok(Exit::Done);
        }
        let style = Style::of_stdout();
        let mut text = String::new();
        let mut unanswered = Vec::new();
        for target in &targets {
            match get(target, PATIENCE) {
                Ok(reply) => text.push_str(&view::render(&reply, clock::unix(), style)),
                Err(error) => unanswered.push(error.to_string()),
            }
        }
        if !args.watch {
            output::print(&text);
            return if unanswered.is_empty() { Ok(Exit::Done) } else { Err(Failure::failed(unanswered.join("\n"))) };
        }
        for error in &unanswered {
            text.push_str(&format!("{}\n", style.red(error)));
        }
        output::new_screen();
        output::print(&text);
        std::thread::park_timeout(EVERY);
    }
}

pub(super) fn get(target: &AdminEndpoint, patience: Duration) -> Result<StatusReply, CallError> {
    by_any(&target.vias, &Method::GET, "/api/v1/status", None, patience)
}

fn failed(error: CallError) -> Failure {
    Failure::failed(error.to_string())
}

/// Nothing runs; what the next start will obey is told all the same.
fn at_rest(found: Located) -> Failure {
    let locks = match &found {
        Located::Nothing { state, .. } => offline::locks_in(state),
        Located::Running(_) => Vec::new(),
    };
    let mut failure = match one_of(found) {
        Err(failure) => failure,
        Ok(_) => Failure::failed("nothing is running here"),
    };
    for (rollout, Lock { to, actor, reason, .. }) in locks {
        let rollout = rollout.unwrap_or_else(|| "every rollout".to_owned());
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        failure.message.push_str(&format!("\nlocked for the next start: {rollout} at {to}, by {actor}{reason}"));
    }
    failure
}
