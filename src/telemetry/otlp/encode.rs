//! From a request's entry to its spans in OTLP: one for the request, one for each attempt.
//!
//! Follows OpenTelemetry's conventions for HTTP servers and for clients of generative AI; what they have no name for
//! begins with `serin.`. Sends nothing. Invariant: whatever an entry holds, its spans end no earlier than they begin,
//! and each attempt's span is a child of its request's.

use std::time::Duration;

use super::attributes::{Attributes, provider_at};
use super::proto::{Event, Span, SpanKind, Status, StatusCode};
use crate::decide::outcome::Outcome;
use crate::decide::trace::SpanId;
use crate::state::spans::{AttemptSpan, RequestSpans};

/// The flags of a span besides those of its trace: whether it is known that its parent is elsewhere, and that it is.
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
/// The longest text of an attribute, in characters. Longer ones are cut.
const LONGEST: usize = 256;

/// The spans of a request, its own first.
pub(super) fn spans(request: &RequestSpans) -> impl Iterator<Item = Span> {
    let attempts = request.attempts.iter().map(|attempt| client_span(request, attempt));
    std::iter::once(server_span(request)).chain(attempts)
}

fn server_span(request: &RequestSpans) -> Span {
    let line = &request.line;
    let mut attributes = Attributes::default();
    attributes.text("http.request.method", method(&line.method).unwrap_or("_OTHER"));
    attributes.text("url.scheme", if request.tls { "https" } else { "http" });
    attributes.text("url.path", &*line.path);
    attributes.whole("http.response.status_code", line.status.map(u64::from));
    attributes.whole("http.response.body.size", (line.bytes > 0).then_some(line.bytes));
    attributes.text("gen_ai.operation.name", request.operation);
    attributes.text("gen_ai.request.model", line.model.as_deref());
    attributes.text("serin.request_id", &*line.request_id);
    attributes.text("serin.rollout", line.rollout.as_deref());
    attributes.text("serin.arm", line.arm);
    attributes.text("serin.reason", line.reason);
    attributes.text("serin.provider", line.provider.as_deref());
    attributes.text("serin.outcome", line.outcome.map(Outcome::as_str));
    attributes.text("serin.error", line.error);
    attributes.whole("serin.attempts", request.attempts.len() as u64);
    let failed = line.outcome.is_some_and(|outcome| outcome != Outcome::ClientError && is_failure(outcome))
        || line.status.is_some_and(|status| status >= 500);
    let kind = line.error.or_else(|| line.outcome.filter(|outcome| is_failure(*outcome)).map(Outcome::as_str));
    attributes.text("error.type", kind);
    let mut events = Vec::new();
    event(request, &mut events, "serin.first_output", line.first_output_ms);
    let parent = request.context.parent;
    Span {
        name: server_name(request),
        kind: SpanKind::Server.into(),
        end_time_unix_nano: at(request, line.duration_ms),
        events,
        attributes: attributes.0,
        status: status(failed, String::new()),
        flags: u32::from(request.context.flags) | if parent.is_some() { KNOWS_REMOTE | IS_REMOTE } else { 0 },
        ..span(request, request.context.span, parent, Duration::ZERO)
    }
}

fn client_span(request: &RequestSpans, attempt: &AttemptSpan) -> Span {
    let line = &attempt.line;
    let mut attributes = Attributes::default();
    attributes.text("gen_ai.operation.name", request.operation);
    attributes.text("gen_ai.provider.name", provider_at(&attempt.host).unwrap_or(&line.provider));
    attributes.text("gen_ai.request.model", attempt.model.as_deref().map(start));
    if request.line.stream && request.operation.is_some() {
        attributes.switch("gen_ai.request.stream", true);
        let first = line.first_output_ms.zip(line.connected_ms).map(|(first, sent)| first - sent);
        attributes.seconds("gen_ai.response.time_to_first_chunk", first);
    }
    attributes.list("gen_ai.response.finish_reasons", attempt.finish);
    if let Some(tokens) = attempt.tokens {
        attributes.whole("gen_ai.usage.input_tokens", tokens.input);
        attributes.whole("gen_ai.usage.output_tokens", tokens.output);
        attributes.whole("gen_ai.usage.cache_read.input_tokens", (tokens.cached > 0).then_some(tokens.cached));
        attributes.whole("gen_ai.usage.reasoning.output_tokens", (tokens.reasoning > 0).then_some(tokens.reasoning));
    }
    attributes.text("server.address", &*attempt.host);
    attributes.whole("server.port", u64::from(attempt.port));
    attributes.whole("http.response.status_code", line.status.map(u64::from));
    attributes.text("serin.rollout", request.line.rollout.as_deref());
    attributes.text("serin.arm", request.line.arm);
    attributes.text("serin.provider", &*line.provider);
    attributes.text("serin.outcome", line.outcome.as_str());
    attributes.text("serin.cause", line.failed.as_deref().map(start));
    attributes.text("serin.provider_request_id", line.request_id.as_deref().map(start));
    let failed = is_failure(line.outcome);
    attributes.text("error.type", failed.then(|| line.outcome.as_str()));
    let mut events = Vec::new();
    event(request, &mut events, "serin.sent", line.connected_ms);
    event(request, &mut events, "serin.response_head", line.head_ms);
    event(request, &mut events, "serin.first_output", line.first_output_ms);
    let begin = attempt.began;
    let end = at(request, line.end_ms.unwrap_or(request.line.duration_ms));
    let span = span(request, attempt.span, Some(request.context.span), begin);
    let message = line.failed.as_deref().map(start).unwrap_or_default();
    Span {
        name: client_name(request, attempt),
        kind: SpanKind::Client.into(),
        end_time_unix_nano: end.max(span.start_time_unix_nano),
        events,
        attributes: attributes.0,
        status: status(failed, message.to_owned()),
        flags: u32::from(request.context.flags) | KNOWS_REMOTE,
        ..span
    }
}

/// What all spans of a request have.
fn span(request: &RequestSpans, id: SpanId, parent: Option<SpanId>, begin: Duration) -> Span {
    Span {
        trace_id: request.context.trace.to_bytes().to_vec(),
        span_id: id.to_bytes().to_vec(),
        trace_state: request.state.clone().unwrap_or_default(),
        parent_span_id: parent.map(|parent| parent.to_bytes().to_vec()).unwrap_or_default(),
        start_time_unix_nano: nanos(request.arrived + begin),
        ..Span::default()
    }
}

/// Of few words, as names of spans should be: no path that a client chose.
fn server_name(request: &RequestSpans) -> String {
    let method = method(&request.line.method).unwrap_or("HTTP");
    match request.operation {
        Some(_) => format!("{method} {}", request.line.path),
        None => method.to_owned(),
    }
}

fn client_name(request: &RequestSpans, attempt: &AttemptSpan) -> String {
    match (request.operation, attempt.model.as_deref()) {
        (Some(operation), Some(model)) => format!("{operation} {}", start(model)),
        (Some(operation), None) => operation.to_owned(),
        (None, _) => method(&request.line.method).unwrap_or("HTTP").to_owned(),
    }
}

/// One of the known methods; any other may be whatever a client writes.
fn method(method: &str) -> Option<&str> {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    known.contains(&method).then_some(method)
}

fn event(request: &RequestSpans, events: &mut Vec<Event>, name: &str, millis: Option<f64>) {
    if let Some(millis) = millis {
        events.push(Event { time_unix_nano: at(request, millis), name: name.to_owned() });
    }
}

fn status(failed: bool, message: String) -> Option<Status> {
    failed.then(|| Status { message, code: StatusCode::Error.into() })
}

/// Whether an attempt with this outcome brought no answer. A client that left says nothing about its provider.
fn is_failure(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Ok | Outcome::Empty | Outcome::ClientGone)
}

/// A moment of a request, by the milliseconds since its arrival.
fn at(request: &RequestSpans, millis: f64) -> u64 {
    nanos(request.arrived + Duration::try_from_secs_f64(millis / 1000.0).unwrap_or_default())
}

fn nanos(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
}

fn start(text: &str) -> &str {
    text.char_indices().nth(LONGEST).map_or(text, |(end, _)| &text[..end])
}
