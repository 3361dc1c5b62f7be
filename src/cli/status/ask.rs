//! The status of one sidecar, asked over its admin API; and what is said where none runs.
//!
//! Used by every command that has to know what is in force. Only reads, and decides nothing: a command that shows the
//! status asks here and makes its own text of it. Invariant: an answer comes in bounded time, or an error.

use std::time::Duration;

use http::Method;

use crate::app::api::StatusReply;
use crate::app::offline;
use crate::cli::Failure;
use crate::cli::api_call::{CallError, by_any};
use crate::cli::locate::{AdminEndpoint, Located, one_of};
use crate::decide::rollout::state::Lock;

pub(in crate::cli) fn get(target: &AdminEndpoint, patience: Duration) -> Result<StatusReply, CallError> {
    by_any(&target.vias, &Method::GET, "/api/v1/status", None, patience)
}

/// Nothing runs; what the next start will obey is told all the same.
pub(super) fn at_rest(found: Located) -> Failure {
    let locks = match &found {
        Located::Nothing { state, .. } => offline::locks_in(state),
        Located::Running(_) => Vec::new(),
    };
    let mut failure = match one_of(found) {
        Err(failure) => failure,
        Ok(_) => Failure::failed("nothing is running here"),
    };
    for (rollout, Lock { to, actor, reason, .. }) in locks {
        let rollout = rollout.unwrap_or_else(|| "every rollout".to_owned());
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        failure.message.push_str(&format!("\nlocked for the next start: {rollout} at {to}, by {actor}{reason}"));
    }
    failure
}
