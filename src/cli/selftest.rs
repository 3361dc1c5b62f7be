//! `serin selftest`: whether Serin keeps its promises on this machine, and whether a deployment answers.
//!
//! Arguments in, a scoreboard out. The faults, the sidecar and the judgement are [`crate::demo::selftest`]'s; what a
//! running deployment is asked is in [`deployment`]. Invariant: a key that was given is never printed.

use clap::Args;
use http::HeaderValue;

use deployment::Deployment;

use super::progress::Progress;
use super::{Exit, Failure, Outcome, output};
use crate::decide::policy::Secret;
use crate::demo::selftest;
use crate::flags::read_base_url;

mod deployment;
mod diagnosis;
mod requests;
mod scoreboard;

/// Steps of the bar: the selftest tells parts of a whole.
const STEPS: usize = 100;

/// Arguments of `serin selftest`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Without --url Serin starts a sidecar and providers of its own on the loopback, for less than a minute. Every way in which a \
    provider can fail is tried, and each answer is recovered, honest or wrong. It needs no key, no network and no file.\n\n\
    Exit codes: 0 nothing is wrong, 1 something is, 64 bad usage.\n\n\
    Examples:\n  serin selftest\n  serin selftest --json\n  serin selftest --url http://127.0.0.1:7171\n  \
    serin selftest --url https://serin.example.com/v1 --model gpt-4o-mini"
)]
pub struct SelftestArgs {
    /// Test this running deployment: its health, its models, a chat, a stream and their latency, with at most five
    /// small requests. Without a path: /v1.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// With --url: the key for the requests. It is never printed, but other users of this machine may see it in the list of
    /// processes: better to set the variable.
    #[arg(long, value_name = "KEY", env = "SERIN_SELFTEST_KEY", hide_env_values = true, value_parser = secret)]
    key: Option<Secret>,
    /// The model for the chat and the stream [default: a small one of the list of models].
    #[arg(long, value_name = "MODEL", requires = "url")]
    model: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Takes every value: an error of the command line would print it.
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// Runs the selftest, or asks the deployment.
///
/// # Errors
/// Where nothing could be tested.
pub fn run(args: &SelftestArgs) -> Outcome {
    match &args.url {
        Some(url) => {
            // Not by clap, which would print a password in it.
            let mut base = read_base_url(url).map_err(|why| Failure::usage(format!("--url: {why}")))?;
            if base.path.is_empty() {
                "/v1".clone_into(&mut base.path);
            }
            let key = args.key.as_ref().filter(|key| !key.reveal().is_empty());
            if key.is_some_and(|key| HeaderValue::from_str(key.reveal()).is_err()) {
                return Err(Failure::usage("the key has a character that no header can have: check --key"));
            }
            deployment::run(&Deployment { base, key: key.cloned(), model: args.model.clone() }, args.json)
        }
        None => of_this_machine(args.json),
    }
}

fn of_this_machine(json: bool) -> Outcome {
    let progress = Progress::on_terminal(STEPS, "percent", false);
    let report = selftest::run(|part| progress.report(percent(part)));
    progress.end();
    let report = report.map_err(|error| Failure::failed(error.to_string()))?;
    if json {
        output::print_json(&scoreboard::json(&report));
    } else {
        output::print(&scoreboard::text(&report));
    }
    Ok(if scoreboard::is_well(&report) { Exit::Done } else { Exit::Failed })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a hundred")]
fn percent(part: f64) -> usize {
    (part.clamp(0.0, 1.0) * STEPS as f64) as usize
}
