//! The arguments of `serin simulate`, with their help texts.
//!
//! Owns the list, and the reading of the values that no other command has. What they come to together is
//! [`inputs`](super::inputs)'. Invariant: what states how traffic is has no place beside a recording.

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;

use super::answers::{self, AnswersArgs};
use super::outage::{self, StatedOutage};
use crate::decide::units::{Millis, Percent};
use crate::flags::read_length;

/// Arguments of `serin simulate`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct SimulateArgs {
    /// The file with the rollout; no secret is needed [default: flags.yaml, or a rollout with every default if there is
    /// no file].
    #[arg(long, value_name = "FILE", env = "SERIN_FLAGS")]
    pub(super) flags: Option<PathBuf>,
    /// The rollout, if several have a canary.
    #[arg(long, value_name = "NAME")]
    pub(super) rollout: Option<String>,
    /// Requests a second, of all users together.
    #[arg(long, value_name = "N", default_value = "50", value_parser = per_second)]
    pub(super) rps: f64,
    /// Failure rate of stable.
    #[arg(long, value_name = "RATE", default_value = "0.4%")]
    pub(super) stable_errors: Percent,
    /// Failure rate of the canary, from --fault-at on [default: stable's, a healthy canary].
    #[arg(long, value_name = "RATE")]
    pub(super) canary_errors: Option<Percent>,
    /// When the canary starts to fail; before that it is like stable [default: 1h].
    #[arg(long, value_name = "DURATION", value_parser = read_length)]
    pub(super) fault_at: Option<Millis>,
    /// An outage: both providers fail this share for a time, such as 30%:10m@2h; can be repeated.
    #[arg(long, value_name = "RATE:DURATION@START", value_parser = outage::spell)]
    pub(super) outage: Vec<StatedOutage>,
    /// Number of users, with unequal traffic [default: none, every request counts separately].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) users: Option<u32>,
    /// One user on the canary sends a request a second, and all of them fail (with 2,000 other users, or --users).
    #[arg(long)]
    pub(super) failing_user: bool,
    /// The canary accepts requests and never answers them, or this share of them, from --fault-at on.
    #[arg(long, value_name = "RATE", num_args = 0..=1, default_missing_value = "100%", conflicts_with = "canary_errors")]
    pub(super) canary_silent: Option<Percent>,
    #[command(flatten)]
    pub(super) answers: AnswersArgs,
    /// When stable goes down for the rest of the simulation.
    #[arg(long, value_name = "DURATION", value_parser = read_length)]
    pub(super) stable_dies_at: Option<Millis>,
    /// Keep this share of users on the canary, in place of the file's percent and ramp.
    #[arg(long, value_name = "PERCENT")]
    pub(super) percent: Option<Percent>,
    /// Number of rollouts [default: 1000; 100 if the canary is healthy, since each takes its whole ramp].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) runs: Option<u32>,
    /// Duration of each rollout [default: 6h after a fault; else the ramp's length and a tenth more, or 1d].
    #[arg(long = "for", value_name = "DURATION", value_parser = read_length)]
    pub(super) watched: Option<Millis>,
    /// Seed of the random numbers. The same seed gives the same rollouts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Number of threads [default: one for each core].
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZero<usize>>,
    /// Replay this recording instead, a line of JSON for each tick, as `serin history ROLLOUT --trace` prints it.
    #[arg(long, value_name = "FILE", conflicts_with_all = STATED.into_iter().chain(answers::STATED))]
    pub(super) trace: Option<PathBuf>,
    /// Print the result as JSON, with all inputs.
    #[arg(long)]
    pub(super) json: bool,
    /// Also write the result as an HTML page.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// No progress bar. By default there is one on terminals.
    #[arg(long)]
    pub(super) quiet: bool,
}

/// What says how traffic is, and has no place beside a recording.
const STATED: [&str; 14] = [
    "rps",
    "stable_errors",
    "canary_errors",
    "fault_at",
    "outage",
    "users",
    "failing_user",
    "canary_silent",
    "stable_dies_at",
    "percent",
    "runs",
    "watched",
    "seed",
    "threads",
];

const EXAMPLES: &str = "\
Examples:
  serin simulate --canary-errors 20%              how soon is a bad canary rolled back?
  serin simulate --canary-errors 2% --rps 5       and with little traffic?
  serin simulate                                  does a healthy one reach the end of its ramp?
  serin simulate --outage 30%:10m@2h --percent 25%
                                                  is it rolled back for an outage of both?
  serin simulate --failing-user --percent 10%     or for the failures of one user?
  serin simulate --canary-length 30%              or for responses that are cut, with a status of success?
  serin simulate --canary-bad 15% --stable-bad 10% --percent 25%
                                                  or for verdicts of the application on its responses?
  serin simulate --canary-errors 20% --html guard.html
  serin simulate --trace chat.jsonl               what would this file have decided on that day?

Rates and durations are written as in flags.yaml (5%, 0.25%; 90s, 30m, 1h30m, 7d).

A canary that fails more often than the file tolerates (tolerated_ratio, ignore_below) must be rolled back. A rollback
of any other canary, or of this one before --fault-at, counts as wrong.";

fn per_second(text: &str) -> Result<f64, String> {
    const REMEDY: &str = "write a number of requests a second from 0.001 to 1000000, such as `50` or `0.5`";
    match text.parse::<f64>() {
        Ok(number) if (0.001..=1e6).contains(&number) => Ok(number),
        Ok(_) => Err(format!("`{text}` is out of range; {REMEDY}")),
        Err(_) => Err(format!("`{text}` is not a number; {REMEDY}")),
    }
}
