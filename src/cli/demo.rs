//! `serin demo`: the first thing that a newcomer runs.
//!
//! Arguments in, the demo's own options out; the demo itself lives in [`crate::demo`]. It needs no key, no network
//! and no file, and it ends with Ctrl-C, or by itself with `--once`.

use std::path::PathBuf;

use crate::cli::{Exit, Failure, Outcome};
use crate::demo;

/// Two embedded providers, traffic and a sidecar in one process: watch a rollout climb, fail, roll back and recover.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Shorten every time and pause: over in a few seconds.
    #[arg(long)]
    pub fast: bool,
    /// End when the story is over: exit code 0, or 1 if it did not come to its end.
    #[arg(long)]
    pub once: bool,
    /// The proxy port; the admin port is the next one. 0: any two [default: 7171, or any two where it is taken].
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Keep the flags file and the state in this directory [default: a new one, removed at the end].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Runs the demo.
pub fn run(args: &DemoArgs) -> Outcome {
    let options = demo::Options { fast: args.fast, once: args.once, port: args.port, dir: args.dir.clone() };
    match demo::run(&options) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Failure { exit: Exit::Failed, message: error.to_string() }),
    }
}
