//! `serin status`: what is in force in every rollout, and why.
//!
//! Asks every sidecar that is found, and shows people those that answer even where another does not. Where nothing runs
//! it fails, and still tells the locks that the next start will obey. Only reads: watching a rollout changes nothing of
//! it.

use std::time::Duration;

use clap::Args;

use super::api_call::CallError;
use super::locate::{LocateArgs, Located};
use super::output::{self, Style};
use super::{Exit, Failure, Outcome};
use crate::clock;

mod ask;
mod frame;
mod terminal;
mod view;
mod watch;

use ask::at_rest;
pub(super) use ask::get;

const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `serin status`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin status\n  serin status --watch\n  serin status --watch --json\n  serin status --json | jq '.[].rollouts[] | {name, percent, phase}'"
)]
pub struct StatusArgs {
    /// Show a live screen until interrupted; if the output is no terminal, a block of text each second.
    #[arg(long)]
    watch: bool,
    /// Print JSON: a list with one entry for each process. With --watch: a line for each change of a process.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// Shows the status.
///
/// # Errors
/// Where nothing runs or nothing answers.
pub fn run(args: &StatusArgs) -> Outcome {
    if args.watch {
        return watch::run(&args.reach, args.json);
    }
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
    let mut text = String::new();
    let mut unanswered = Vec::new();
    for target in &targets {
        match get(target, PATIENCE) {
            Ok(reply) => text.push_str(&view::render(&reply, clock::unix(), Style::of_stdout())),
            Err(error) => unanswered.push(error.to_string()),
        }
    }
    output::print(&text);
    if unanswered.is_empty() { Ok(Exit::Done) } else { Err(Failure::failed(unanswered.join("\n"))) }
}

fn failed(error: CallError) -> Failure {
    Failure::failed(error.to_string())
}
