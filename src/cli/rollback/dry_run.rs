//! `serin rollback --dry-run`: what each process would do, asked over the admin API alone.
//!
//! Writes no lock and changes nothing, so that it can be tried at any time. Where nothing runs it says where the lock
//! would be written, and ends like the rollback itself.

use std::path::Path;

use serde_json::json;

use super::RollbackArgs;
use crate::app::api::DryRunReply;
use crate::cli::change::{post, tried};
use crate::cli::locate::AdminEndpoint;
use crate::cli::{Exit, Failure, Outcome, output};

/// Asks every process.
pub(super) fn run(args: &RollbackArgs, targets: &[AdminEndpoint]) -> Outcome {
    let body = json!({"to": args.to.to_string(), "reason": args.reason, "dry_run": true});
    let ask = |target: &AdminEndpoint| post(target, args.rollout.as_deref(), "rollback", &body);
    let replies = targets.iter().map(ask).collect::<Result<Vec<DryRunReply>, Failure>>()?;
    if args.json {
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

/// Where no process runs.
pub(super) fn at_rest(args: &RollbackArgs, state: &Path, found: &str) -> Outcome {
    Err(Failure::failed(format!(
        "{found}\na lock at {} would be written to {}, and the next start with this directory would use it; nothing was \
         changed",
        args.to,
        state.display()
    )))
}
