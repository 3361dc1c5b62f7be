//! `serin check`: what a flags.yaml says, and what is wrong with it, without anything running.
//!
//! Reads with the same code as a running sidecar, so that a file which is good here is taken there. Writes nothing, and
//! asks no provider by itself: `--probe` goes through what the caller gives, and [`probe`] says what came back.

use std::cell::OnceCell;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::app::{ProbeResults, ProbeScope};
use crate::clock;
use crate::decide::certificate::warning;
use crate::decide::policy::{Intent, Policy};
use crate::decide::units::Percent;
use crate::decide::unusable_stable;
use crate::describe::{certificate, retirement};
use crate::flags::compile::Compiled;
use crate::flags::{Environment, FlagsError, read, render};

use super::progress::Progress;
use super::schema::print;
use super::{Exit, Failure, Outcome};
use forecast::AssumedTraffic;
use probe::Probed;

mod endpoints;
mod fits;
mod forecast;
mod github;
mod prices;
mod probe;
mod probe_line;
mod summary;
#[cfg(test)]
mod tests;

/// Arguments of `serin check`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  serin check\n  serin check --no-secrets flags.yaml\n  serin check --probe --rps 50 flags.yaml\n  serin check --probe --provider holysheep --prices prices.json\n  serin check --no-secrets --format github flags.yaml\n\n\
    An invalid file prints every error and ends with exit code 64. A valid one prints warnings, notes about keys that \
    look like limits and are none, and how long the guard would take to detect a fault. --probe sends no request that \
    costs anything. It tries each key by itself, looks for each model that the file names, and shows the certificate, \
    the time to connect and to answer, and limits and balance where the provider tells them. It fails if stable has none \
    of its endpoints, if no key of a provider is accepted (a stable that gets the application's own key is not probed \
    with one), if a provider does not know a model that the file asks it for, or if a provider redirects or its response \
    is not of its API."
)]
pub struct CheckArgs {
    /// The file to check.
    #[arg(default_value = "flags.yaml", env = "SERIN_FLAGS")]
    pub file: PathBuf,
    /// Ask every provider: each key, each model, TLS, latency, limits, and whether canaries have stable's endpoints.
    #[arg(long, conflicts_with = "no_secrets")]
    pub probe: bool,
    /// Ask only this provider. Can be given several times. A rollout is compared only if both of its arms are asked.
    #[arg(long, value_name = "NAME", requires = "probe")]
    pub provider: Vec<String>,
    /// Compare the models of both arms by this price list, in the form of LiteLLM's.
    #[arg(long, value_name = "FILE", requires = "probe")]
    pub prices: Option<PathBuf>,
    /// Do not resolve references to variables and files, for a machine without the secrets.
    #[arg(long)]
    pub no_secrets: bool,
    /// Requests a second of each rollout, for the time to detect a fault and for what fits into the limits of a canary.
    /// Without it: 1, 10 and 100 for the first, and the traffic of the sidecar that runs with this file for the other.
    #[arg(long, value_name = "N", value_parser = per_second)]
    pub rps: Option<f64>,
    /// Failure rate of stable, for the time to detect a fault.
    #[arg(long, value_name = "RATE", default_value = "0.4%")]
    pub stable_errors: Percent,
    /// The output: for people, as annotations of GitHub Actions, or as JSON.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Github,
    Json,
}

impl CheckArgs {
    fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

fn per_second(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number| (0.001..=1e6).contains(number))
        .ok_or_else(|| "write a number of requests a second from 0.001 to 1000000".to_owned())
}

/// Checks the file. With `--probe` the providers of a good one are asked through `probe`, which is told of a progress.
pub fn run(args: &CheckArgs, probe: impl Fn(&Policy, &ProbeScope, &dyn Fn(usize, usize)) -> ProbeResults) -> Outcome {
    let environment = if args.no_secrets { Environment::without_secrets() } else { Environment::process() };
    let (text, outcome) = examine(args, &environment, |policy, scope| {
        let bar = OnceCell::new();
        let shown = |done, all| bar.get_or_init(|| Progress::on_terminal(all, "steps", false)).report(done);
        let results = probe(policy, scope, &shown);
        if let Some(bar) = bar.get() {
            bar.end();
        }
        results
    });
    print(&text)?;
    outcome
}

/// What to print, and how it ended.
fn examine(
    args: &CheckArgs,
    environment: &Environment,
    ask: impl Fn(&Policy, &ProbeScope) -> ProbeResults,
) -> (String, Outcome) {
    let file = args.file.display().to_string();
    let read = read(&args.file, environment).result.and_then(|compiled| match unserved(&compiled) {
        errors if errors.is_empty() => Ok(compiled),
        errors => Err(errors),
    });
    match read {
        Err(errors) => refused(&file, &errors, args.format()),
        Ok(mut compiled) => {
            let now = clock::unix();
            compiled.warnings.extend(retirement::of_file(&compiled.policy, now));
            let tls = compiled.policy.listen_tls.as_ref();
            compiled.warnings.extend(tls.and_then(|tls| warning(tls, now)).as_ref().map(certificate::sentence));
            let probed = if args.probe {
                match Probed::ask(&args.provider, args.prices.as_deref(), (&file, &compiled.policy), ask) {
                    Ok(probed) => probed,
                    Err(failure) => return (String::new(), Err(failure)),
                }
            } else {
                Probed::nothing(&compiled.policy)
            };
            let exit = if probed.fails() { Exit::Failed } else { Exit::Done };
            let mut notes = notes(&compiled);
            let fitting = fits::of_file(&args.file, &compiled.policy, args.rps);
            notes.extend(fits::lines(&fitting));
            let assumed = AssumedTraffic::new(args.rps, args.stable_errors);
            let text = match args.format() {
                Format::Json => {
                    let mut reply = accepted_json(&file, &compiled, &notes, &probed, &assumed);
                    reply["fits"] = fits::json(&fitting);
                    line(&reply)
                }
                Format::Text => {
                    let seen = forecast::lines(&compiled.policy, &assumed);
                    accepted_text(&file, &compiled, &notes, [seen, probed.lines()], args.no_secrets)
                }
                Format::Github => github::accepted(&file, &compiled, &notes, [probed.failures(), probed.warnings()]),
            };
            (text, Ok(exit))
        }
    }
}

fn refused(file: &str, errors: &[FlagsError], format: Format) -> (String, Outcome) {
    match format {
        Format::Json => return (line(&errors_json(file, errors)), Ok(Exit::Usage)),
        Format::Github => return (github::errors(file, errors), Ok(Exit::Usage)),
        Format::Text => {}
    }
    let message = render(errors, file).trim_end().to_owned();
    (String::new(), Err(Failure { exit: Exit::Usage, message }))
}

/// Users of stable whom nobody would serve. What is known of rollouts that `auto` has moved is in no file.
fn unserved(compiled: &Compiled) -> Vec<FlagsError> {
    let found = unusable_stable::unusable_stables(&compiled.policy, unusable_stable::is_pinned_to_canary);
    let lines = found.iter().map(|found| {
        let mut error = compiled.error_of(found);
        let rollout = found.rollout.as_ref().and_then(|name| compiled.policy.rollout(name));
        let canary = rollout.and_then(|rollout| rollout.canary.as_ref());
        if let Some(canary) = canary.filter(|canary| canary.percent == Intent::Auto) {
            let canary = &compiled.policy.provider(canary.provider).name;
            error.remedy.push_str(&format!(
                "; this command reads no state: if `auto` has already moved all users to `{canary}`, a start accepts \
                 the file as it is, and `percent: 100%` makes that explicit"
            ));
        }
        error
    });
    lines.collect()
}

/// What is right and still should be known.
fn notes(compiled: &Compiled) -> Vec<String> {
    let mut notes = compiled.notes.clone();
    let auto = compiled
        .policy
        .rollouts
        .iter()
        .filter(|rollout| rollout.canary.as_ref().is_some_and(|canary| canary.percent == Intent::Auto));
    let names: Vec<&str> = auto.map(|rollout| rollout.name.as_str()).collect();
    if !names.is_empty() {
        notes.push(format!(
            "`percent: auto` ({}) is for one process: several replicas would each run their own ramp, so pin the \
             percent in the shared file",
            names.join(", ")
        ));
    }
    notes
}

fn accepted_text(
    file: &str,
    compiled: &Compiled,
    notes: &[String],
    [seen, probed]: [Vec<String>; 2],
    masked: bool,
) -> String {
    let warning_count = match compiled.warnings.len() {
        0 => String::new(),
        1 => ", with a warning below".to_owned(),
        many => format!(", with {many} warnings below"),
    };
    let mut text = format!("{file}: valid{warning_count}\n\n{}", summary::text(&compiled.policy, masked));
    let mut paragraph = |lines: Vec<String>| {
        if !lines.is_empty() {
            text.push('\n');
            text.extend(lines.into_iter().map(|line| line + "\n"));
        }
    };
    paragraph(seen);
    paragraph(compiled.warnings.iter().map(|warning| format!("warning: {warning}")).collect());
    paragraph(notes.iter().map(|note| format!("note: {note}")).collect());
    paragraph(probed);
    text
}

fn line(value: &Value) -> String {
    format!("{value:#}\n")
}

fn errors_json(file: &str, errors: &[FlagsError]) -> Value {
    let errors: Vec<Value> = errors
        .iter()
        .map(|error| {
            json!({
                "line": error.line,
                "column": error.column,
                "path": error.path,
                "problem": error.problem,
                "remedy": error.remedy,
            })
        })
        .collect();
    json!({"file": file, "good": false, "errors": errors})
}

fn accepted_json(
    file: &str,
    compiled: &Compiled,
    notes: &[String],
    probed: &Probed<'_>,
    assumed: &AssumedTraffic,
) -> Value {
    json!({
        "file": file,
        "good": true,
        "errors": [],
        "warnings": compiled.warnings,
        "notes": notes,
        "summary": summary::json(&compiled.policy),
        "detection": forecast::json(&compiled.policy, assumed),
        "probe": probed.providers_json(),
        "endpoints": probed.endpoints_json(),
        "prices": probed.prices_json(),
    })
}
