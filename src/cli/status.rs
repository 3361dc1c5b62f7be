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
use crate::app::api::StatusReply;
use crate::clock;

mod ask;
mod frame;
mod narrow;
mod terminal;
mod view;
mod watch;

use ask::at_rest;
pub(super) use ask::get;

const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `serin status`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin status\n  serin status --watch\n  serin status --watch --json\n  serin status --provider holysheep\n  serin status --json | jq '.[].rollouts[] | {name, percent, phase}'"
)]
pub struct StatusArgs {
    /// Show a live screen until interrupted; if the output is no terminal, a block of text each second.
    #[arg(long)]
    watch: bool,
    /// Print JSON: a list with one entry for each process. With --watch: a line for each change of a process.
    #[arg(long)]
    json: bool,
    /// Show only this provider, and the rollouts that move to it or from it.
    #[arg(long, value_name = "NAME", conflicts_with = "watch")]
    provider: Option<String>,
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
    let answers = targets.iter().map(|target| get(target, PATIENCE));
    if args.json {
        let mut replies = answers.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        args.narrow(&mut replies)?;
        output::print_json(&replies);
        return Ok(Exit::Done);
    }
    let (mut replies, mut unanswered) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(reply) => replies.push(reply),
            Err(error) => unanswered.push(error.to_string()),
        }
    }
    args.narrow(&mut replies)?;
    let shown = replies.iter().map(|reply| view::render(reply, clock::unix(), Style::of_stdout()));
    output::print(&shown.collect::<String>());
    if unanswered.is_empty() { Ok(Exit::Done) } else { Err(Failure::failed(unanswered.join("\n"))) }
}

impl StatusArgs {
    fn narrow(&self, replies: &mut Vec<StatusReply>) -> Result<(), Failure> {
        self.provider.as_deref().map_or(Ok(()), |provider| narrow::narrow(replies, provider))
    }
}

fn failed(error: CallError) -> Failure {
    Failure::failed(error.to_string())
}
