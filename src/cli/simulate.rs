//! `serin simulate`: how the guard of a flags.yaml would do, on traffic that is stated or was recorded.
//!
//! Thousands of rollouts by the very code that decides in production, beside the rules that others use on the same
//! requests; or one recording, once. Asks nobody and changes nothing; the one thing that it writes is the page that
//! `--html` names. Invariant: the same arguments and the same file give the same output, on any number of cores.

mod answers;
mod bars;
mod chart;
mod curves;
mod format;
mod inputs;
mod json;
mod page;
mod progress;
mod recorded;
mod report;
mod run_chart;
mod sentences;

#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{self, Style, one_line};
use super::{Exit, Failure, Outcome};
use crate::decide::units::{Millis, Percent};
use crate::flags::read_length;
use crate::simulate::example_run::example_run;
use crate::simulate::rule_results::rule_results;
use crate::simulate::run::Runs;
use answers::AnswersArgs;
use inputs::{SimulationInputs, StatedOutage, TestedRollout};
use progress::Progress;
use report::ComparisonReport;

/// Arguments of `serin simulate`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct SimulateArgs {
    /// The file with the rollout; no secret is needed [default: flags.yaml, or a rollout with every default if there is
    /// no file].
    #[arg(long, value_name = "FILE", env = "SERIN_FLAGS")]
    flags: Option<PathBuf>,
    /// The rollout, if several have a canary.
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,
    /// Requests a second, of all users together.
    #[arg(long, value_name = "N", default_value = "50", value_parser = per_second)]
    rps: f64,
    /// Failure rate of stable.
    #[arg(long, value_name = "RATE", default_value = "0.4%")]
    stable_errors: Percent,
    /// Failure rate of the canary, from --fault-at on [default: stable's, a healthy canary].
    #[arg(long, value_name = "RATE")]
    canary_errors: Option<Percent>,
    /// When the canary starts to fail; before that it is like stable [default: 1h].
    #[arg(long, value_name = "DURATION", value_parser = read_length)]
    fault_at: Option<Millis>,
    /// An outage: both providers fail this share for a time, such as 30%:10m@2h; can be repeated.
    #[arg(long, value_name = "RATE:DURATION@START", value_parser = inputs::spell)]
    outage: Vec<StatedOutage>,
    /// Number of users, with unequal traffic [default: none, every request counts separately].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    users: Option<u32>,
    /// One user on the canary sends a request a second, and all of them fail (with 2,000 other users, or --users).
    #[arg(long)]
    failing_user: bool,
    /// The canary accepts requests and never answers them, or this share of them, from --fault-at on.
    #[arg(long, value_name = "RATE", num_args = 0..=1, default_missing_value = "100%", conflicts_with = "canary_errors")]
    canary_silent: Option<Percent>,
    #[command(flatten)]
    answers: AnswersArgs,
    /// When stable goes down for the rest of the simulation.
    #[arg(long, value_name = "DURATION", value_parser = read_length)]
    stable_dies_at: Option<Millis>,
    /// Keep this share of users on the canary, in place of the file's percent and ramp.
    #[arg(long, value_name = "PERCENT")]
    percent: Option<Percent>,
    /// Number of rollouts [default: 1000; 100 if the canary is healthy, since each takes its whole ramp].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: Option<u32>,
    /// Duration of each rollout [default: 6h after a fault; else the ramp's length and a tenth more, or 1d].
    #[arg(long = "for", value_name = "DURATION", value_parser = read_length)]
    watched: Option<Millis>,
    /// Seed of the random numbers. The same seed gives the same rollouts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Number of threads [default: one for each core].
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Replay this recording instead, a line of JSON for each tick, as `serin history ROLLOUT --trace` prints it.
    #[arg(long, value_name = "FILE", conflicts_with_all = STATED.into_iter().chain(answers::STATED))]
    trace: Option<PathBuf>,
    /// Print the result as JSON, with all inputs.
    #[arg(long)]
    json: bool,
    /// Also write the result as an HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// No progress bar. By default there is one on terminals.
    #[arg(long)]
    quiet: bool,
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

/// Simulates.
///
/// # Errors
/// A file or arguments that do not hold, and a page that cannot be written.
pub fn run(args: &SimulateArgs) -> Outcome {
    let subject = inputs::subject(args)?;
    for note in &subject.notes {
        eprintln!("serin: {}", one_line(note));
    }
    output::print(&examine(args, subject, Style::of_stdout())?);
    Ok(Exit::Done)
}

/// What to print; writes the page on the way.
fn examine(args: &SimulateArgs, subject: TestedRollout, style: Style) -> Result<String, Failure> {
    if let Some(file) = &args.trace {
        let replayed = recorded::replay(file, &subject)?;
        if let Some(html) = &args.html {
            write(html, &page::of_recording(&replayed))?;
        }
        return Ok(if args.json { lines(&json::of_recording(&replayed)) } else { recorded::text(&replayed, style) });
    }
    let question = SimulationInputs::new(args, subject)?;
    if let Some(html) = &args.html {
        // A place that cannot be written is told now, and not after minutes of work.
        write(html, "")?;
    }
    let report = answer(&question, args);
    if let Some(html) = &args.html {
        let typical = u64::try_from(report.serin().typical).unwrap_or_default();
        let picture = example_run(&question.comparison(), question.seed.wrapping_add(typical));
        write(html, &page::of_report(&report, &picture))?;
    }
    Ok(if args.json { lines(&json::of_report(&report)) } else { report::text(&report, style) })
}

fn answer(question: &SimulationInputs, args: &SimulateArgs) -> ComparisonReport {
    let runs = Runs::new(question.runs, question.seed);
    let runs = Runs { threads: args.threads.unwrap_or(runs.threads), ..runs };
    let progress = Progress::on_terminal(question.runs, args.quiet);
    let results = rule_results(&question.comparison(), &runs, |done| progress.report(done));
    progress.end();
    ComparisonReport { question: question.clone(), results }
}

fn lines(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}
