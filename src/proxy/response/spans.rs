//! The spans of a request, made of its records and of its line in the access log.
//!
//! Owns what is told of an attempt beside its line: where it went, the model as that provider knows it, tokens and
//! finish. Holds what the line holds, hence no user id, no key, no query and no byte of a body; and no bucket, since
//! spans leave the machine. Invariant: a request has one entry for the exporter, however many attempts it had.

use std::time::Duration;

use super::attempt_lines::{attempt_line, tokens};
use crate::proxy::attempt::earlier_plans::EarlierPlan;
use crate::proxy::attempt::record::AttemptRecord;
use crate::proxy::core::Core;
use crate::proxy::request::scope::Scope;
use crate::proxy::request::trace::Trace;
use crate::state::access_log::RequestLine;
use crate::state::spans::{AttemptSpan, RequestSpans};
use crate::wire::dialect::Dialect;

/// What a request asks of a model, in the words of OpenTelemetry's conventions.
pub(super) fn operation(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::ChatCompletions | Dialect::Responses | Dialect::Messages => Some("chat"),
        Dialect::Completions => Some("text_completion"),
        Dialect::Embeddings => Some("embeddings"),
        Dialect::Plain => None,
    }
}

/// The attempts of a request: those of earlier plans, and those of the last.
pub(super) fn attempts(
    earlier: &[EarlierPlan],
    last: Option<(&Scope, &[AttemptRecord])>,
    model: Option<&str>,
) -> Vec<AttemptSpan> {
    let plans = earlier.iter().map(|plan| (&plan.scope, &*plan.attempts)).chain(last);
    plans.flat_map(|(scope, records)| records.iter().filter_map(move |record| attempt(scope, record, model))).collect()
}

fn attempt(scope: &Scope, record: &AttemptRecord, model: Option<&str>) -> Option<AttemptSpan> {
    let span = record.span?;
    let provider = scope.in_use.snapshot.policy.provider(record.provider);
    let known_as = |model: &str| provider.models.get(model).cloned().unwrap_or_else(|| model.to_owned());
    Some(AttemptSpan {
        span: span.id,
        began: record.times.after(Some(span.began)).unwrap_or(Duration::ZERO),
        line: attempt_line(scope, record),
        host: provider.base_url.host.clone(),
        port: provider.base_url.port,
        model: model.map(known_as),
        finish: record.finished.map(|finish| finish.as_str()),
        tokens: record.usage.map(tokens),
    })
}

/// Gives the spans of a request to the exporter.
pub(super) fn offer(
    core: &Core,
    trace: &Trace,
    line: &RequestLine,
    operation: Option<&'static str>,
    attempts: Vec<AttemptSpan>,
) {
    let line = RequestLine { attempts: Vec::new(), bucket: None, ..line.clone() };
    let Trace { context, state, tls, arrived } = trace;
    let (context, state) = (*context, state.clone());
    let spans = RequestSpans { context, state, tls: *tls, arrived: *arrived, operation, line, attempts };
    core.spans.offer(core.id, Box::new(spans));
}
