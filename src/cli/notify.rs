//! `serin notify`: the targets of notifications, and a test of them.
//!
//! Asks a running sidecar: the addresses and secrets are its own. Ends with 1 if a target did not accept the test, so
//! that it can stand in a script.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::json;

use super::api_call::by_any;
use super::locate::LocateArgs;
use super::output::{self, Style, moment, one_line};
use super::{Exit, Failure, Outcome};
use crate::app::api::{NotifyTarget, NotifyTest, NotifyTestReply, StatusReply};

/// A target has 15 s for its answer.
const PATIENCE: Duration = Duration::from_secs(22);

/// Arguments of `serin notify`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "Examples:\n  serin notify\n  serin notify --test\n  serin notify --test ops")]
pub struct NotifyArgs {
    /// Send a test to this target, or to all, and print what it answered.
    #[arg(long, value_name = "NAME", num_args = 0..=1)]
    test: Option<Option<String>>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// Shows or tests the targets.
///
/// # Errors
/// Where nothing answers, or a target did not accept the test.
pub fn run(args: &NotifyArgs) -> Outcome {
    let vias = args.reach.find_one()?.vias;
    let failed = |error: super::api_call::CallError| Failure::failed(error.to_string());
    let Some(name) = &args.test else {
        let status: StatusReply = by_any(&vias, &Method::GET, "/api/v1/status", None, PATIENCE).map_err(failed)?;
        if args.json {
            output::print_json(&status.notify);
        } else {
            output::print(&targets(&status.notify, Style::of_stdout()));
        }
        return Ok(Exit::Done);
    };
    let body = name.as_ref().map_or_else(|| json!({}), |name| json!({ "name": name }));
    let path = "/api/v1/notify/test";
    let reply: NotifyTestReply = by_any(&vias, &Method::POST, path, Some(&body), PATIENCE).map_err(failed)?;
    if args.json {
        output::print_json(&reply);
    } else {
        output::print(&results(&reply.results, Style::of_stdout()));
    }
    Ok(if reply.results.iter().all(|result| result.ok) { Exit::Done } else { Exit::Failed })
}

fn targets(targets: &[NotifyTarget], style: Style) -> String {
    if targets.is_empty() {
        return "flags.yaml has no `notify`: nothing is sent\n".to_owned();
    }
    let width = targets.iter().map(|target| target.name.len()).max().unwrap_or(0);
    targets.iter().fold(String::new(), |text, target| {
        let last = target.last_delivered_at.map_or_else(|| "never".to_owned(), moment);
        let counts = format!(
            "{} delivered, {} waiting, {} given up, {} dropped; last: {last}",
            target.delivered, target.queued, target.given_up, target.dropped
        );
        let error = match (&target.last_error, target.ended) {
            (_, true) => style.red("  ended: it answered 410, and gets nothing more until the next reload"),
            (Some(error), _) => style.yellow(&format!("  {}", one_line(error))),
            (None, _) => String::new(),
        };
        format!("{text}{:width$}  {:12}  {counts}{error}\n", target.name, target.format)
    })
}

fn results(results: &[NotifyTest], style: Style) -> String {
    if results.is_empty() {
        return "flags.yaml has no `notify`: nothing is sent\n".to_owned();
    }
    results.iter().fold(String::new(), |text, NotifyTest { target, ok, status, error }| {
        let word = if *ok { style.green("accepted") } else { style.red("failed") };
        let status = status.map_or_else(String::new, |status| format!(" ({status})"));
        let error = error.as_ref().map_or_else(String::new, |error| format!(": {}", one_line(error)));
        format!("{text}{target}: {word}{status}{error}\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_one_line() {
        let test = |target: &str, ok, status, error: Option<&str>| NotifyTest {
            target: target.to_owned(),
            ok,
            status,
            error: error.map(str::to_owned),
        };
        let all = [test("ops", true, Some(200), None), test("slack", false, Some(403), Some("invalid\ntoken"))];
        assert_eq!(results(&all, Style::PLAIN), "ops: accepted (200)\nslack: failed (403): invalid token\n");
        assert_eq!(results(&[], Style::PLAIN), "flags.yaml has no `notify`: nothing is sent\n");
    }
}
