//! A collector of traces on raw sockets: takes what is posted, and says what arrived.
//!
//! Decodes protobuf; that the messages are those of OpenTelemetry is shown with its own Python classes, by
//! tests/telemetry.

use prost::Message as _;
use serin::telemetry::otlp::proto::{ExportRequest, KeyValue, Span, Value};

use super::eventually::{SOON, eventually};
use super::scripted::Scripted;
use super::scripted::step::{Step, head, sized};

/// A running collector.
pub(crate) struct Collector(pub(crate) Scripted);

/// Answers with this status.
pub(crate) fn status(status: u16) -> Vec<Step> {
    vec![Step::Write(sized(&head(status, "content-type: application/x-protobuf\r\n"), b""))]
}

impl Collector {
    pub(crate) fn start() -> Collector {
        Collector(Scripted::start("collector", |_| status(200)))
    }

    /// The value of `otlp.endpoint`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.0.addr())
    }

    /// Everything that arrived.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let decode = |body: &[u8]| ExportRequest::decode(body).unwrap();
        let resources = self.0.requests().into_iter().flat_map(|seen| decode(&seen.body).resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// Waits for so many spans.
    #[track_caller]
    pub(crate) fn expect(&self, count: usize) -> Vec<Span> {
        eventually(&format!("{count} spans arrive"), SOON, || Some(self.spans()).filter(|spans| spans.len() >= count))
    }
}

/// An attribute of a span, as a text; empty: it has none.
pub(crate) fn attribute(span: &Span, key: &str) -> String {
    of(&span.attributes, key)
}

/// The same of a list.
pub(crate) fn of(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()?.value);
    match found {
        None => String::new(),
        Some(Value::Text(text)) => text,
        Some(Value::Switch(value)) => value.to_string(),
        Some(Value::Whole(value)) => value.to_string(),
        Some(Value::Number(value)) => value.to_string(),
        Some(Value::List(list)) => format!("{} values", list.values.len()),
    }
}

/// The names of its events, in order.
pub(crate) fn events(span: &Span) -> Vec<&str> {
    span.events.iter().map(|event| event.name.as_str()).collect()
}

/// An id as it stands in `traceparent`.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
