//! `serin simulate`: how the guard of a flags.yaml would do, on traffic that is stated or was recorded.
//!
//! Thousands of rollouts by the very code that decides in production, beside the rules that others use on the same
//! requests; or one recording, once. Asks nobody and changes nothing; the one thing that it writes is the page that
//! `--html` names. Invariant: the same arguments and the same file give the same output, on any number of cores.

mod answers;
mod args;
mod comparison_report;
mod detection_chart;
mod format;
mod inputs;
mod json;
mod outage;
mod page;
mod progress;
mod recorded;
mod report;
mod result_bars;
mod run_charts;
mod sentences;
mod specs;

#[cfg(test)]
mod tests;

use std::path::Path;

use super::output::{self, Style, one_line};
use super::{Exit, Failure, Outcome};
use crate::simulate::example_run::example_run;
use crate::simulate::rule_results::rule_results;
use crate::simulate::run::Runs;
pub use args::SimulateArgs;
use comparison_report::ComparisonReport;
use inputs::{SimulationInputs, TestedRollout};
use progress::Progress;

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
