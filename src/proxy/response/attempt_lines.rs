//! An attempt as it is written: in the access log, and in a trace.
//!
//! Turns records into lines, with times as milliseconds since the request's arrival. Decides nothing about what is
//! written. Invariant: a line holds no user id, no key, no query and no byte of a body.

use std::time::Duration;

use crate::proxy::attempt::earlier_plans::EarlierPlan;
use crate::proxy::attempt::record::{AttemptRecord, FailureReason};
use crate::proxy::request::scope::Scope;
use crate::state::access_log::{AttemptLine, Tokens};
use crate::wire::usage::Usage;

pub(super) fn attempt_lines(earlier: &[EarlierPlan]) -> Vec<AttemptLine> {
    let of = |plan: &EarlierPlan| -> Vec<AttemptLine> {
        plan.attempts.iter().map(|attempt| attempt_line(&plan.scope, attempt)).collect()
    };
    earlier.iter().flat_map(of).collect()
}

pub(super) fn attempt_line(scope: &Scope, attempt: &AttemptRecord) -> AttemptLine {
    let (failure, times) = (attempt.failure.as_deref(), &attempt.times);
    let millis = |moment| times.after(moment).map(in_ms);
    AttemptLine {
        provider: scope.name(attempt.provider).to_owned(),
        key: attempt.key,
        status: attempt.status,
        grpc_status: attempt.ending.grpc().map(|end| end.code.0),
        outcome: attempt.outcome,
        failed: failure.map(|failure| failure.cause.to_string()),
        cause: failure.map(|failure| failure.cause.clone()),
        request_id: failure.and_then(|FailureReason { request_id, .. }| request_id.as_deref().map(str::to_owned)),
        connected_ms: millis(times.connected),
        head_ms: millis(times.head),
        first_output_ms: millis(times.first_output),
        end_ms: millis(times.end),
    }
}

/// What an answer took, as it is written.
pub(super) fn tokens(usage: Usage) -> Tokens {
    Tokens { input: usage.input, cached: usage.cached, output: usage.output, reasoning: usage.reasoning }
}

pub(super) fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
