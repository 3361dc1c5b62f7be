//! `--dry-run` of a change: what each process would do, asked over the admin API alone.
//!
//! Writes no lock and changes nothing, so that it can be tried at any time. Where nothing runs it says where a lock
//! would be written, and ends like the rollback itself.

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::api_call::by_any;
use super::locate::AdminEndpoint;
use super::output::one_line;
use super::{Exit, Failure, Outcome, output};
use crate::app::api::DryRunReply;
use crate::decide::units::Percent;

const PATIENCE: Duration = Duration::from_secs(12);

/// Asks one process and shows its answer.
pub(super) fn of_one(target: &AdminEndpoint, path: &str, body: &Value, json: bool) -> Outcome {
    let reply = ask(target, path, body)?;
    if json {
        output::print_json(&reply);
    } else {
        output::print(&tried(&reply));
    }
    Ok(Exit::Done)
}

/// Asks every process. JSON is a list with one entry for each.
pub(super) fn of_all(targets: &[AdminEndpoint], path: &str, body: &Value, json: bool) -> Outcome {
    let replies = targets.iter().map(|target| ask(target, path, body)).collect::<Result<Vec<_>, _>>()?;
    if json {
        output::print_json(&replies);
        return Ok(Exit::Done);
    }
    let several = replies.len() > 1;
    for (target, reply) in targets.iter().zip(&replies) {
        let name = if several { format!("{}\n", target.name) } else { String::new() };
        output::print(&(name + &tried(reply)));
    }
    Ok(Exit::Done)
}

fn ask(target: &AdminEndpoint, path: &str, body: &Value) -> Result<DryRunReply, Failure> {
    let mut body = body.clone();
    body["dry_run"] = Value::Bool(true);
    by_any(&target.vias, &Method::POST, path, Some(&body), PATIENCE).map_err(|error| Failure::failed(error.to_string()))
}

/// A paragraph for each rollout.
fn tried(reply: &DryRunReply) -> String {
    reply.would.lines().map(|line| format!("{}\n", one_line(line))).collect::<String>() + "Nothing was changed.\n"
}

/// Where no process runs: the lock that a rollback would write.
pub(super) fn at_rest(to: Percent, state: &Path, found: &str) -> Outcome {
    Err(Failure::failed(format!(
        "{found}\na lock at {to} would be written to {}, and the next start with this directory would use it; nothing was \
         changed",
        state.display()
    )))
}
