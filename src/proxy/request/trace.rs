//! A request's trace: whether it has one, and what providers are told of it.
//!
//! Reads `traceparent` and `tracestate` when the request comes, and writes them for each attempt, so that a provider's
//! spans are children of the attempt's. Where the file asks for no traces nothing is read and both headers pass as they
//! came; so they do where the client's own trace is not recorded. Sends nothing. Invariant: what a request was found to
//! be when it came holds for all of its attempts.

use std::rc::Rc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::clock;
use crate::decide::policy::Otlp;
use crate::decide::trace::{SpanId, TraceContext, TraceParent, state};
use crate::proxy::attempt::record::BegunSpan;
use crate::proxy::core::{Core, InUse};
use crate::proxy::downstream::client_connection::ClientConnection;
use crate::proxy::downstream::listener::ProxyPort;
use crate::state::exemplars::Exemplar;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// One request's trace.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) context: TraceContext,
    /// Its `tracestate`, where it is to be recorded.
    pub(crate) state: Option<String>,
    /// Whether it came over TLS.
    pub(crate) tls: bool,
    /// When the request arrived, since the Unix epoch.
    pub(crate) arrived: Duration,
}

impl Trace {
    /// Of a request that came with these headers by this connection; `None`: the file asks for no traces.
    pub(super) fn begin(connection: &ClientConnection, in_use: &InUse, headers: &HeaderMap) -> Option<Rc<Trace>> {
        in_use.snapshot.policy.otlp.as_ref().map(|otlp| Trace::read(connection, otlp, headers))
    }

    #[cold]
    fn read(connection: &ClientConnection, otlp: &Otlp, headers: &HeaderMap) -> Rc<Trace> {
        let core = &connection.core;
        let mut parents = headers.get_all(TRACEPARENT).iter();
        // Two of them are as good as none.
        let came = match (parents.next(), parents.next()) {
            (Some(parent), None) => TraceParent::read(parent.as_bytes()),
            _ => None,
        };
        let context = TraceContext::of(came, (core.new_trace(), core.new_span()), otlp.sample, core.draw());
        let states = || headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes);
        let state = if context.is_sampled() && context.parent.is_some() { state(states()) } else { None };
        let tls = connection.port == ProxyPort::Tls;
        Rc::new(Trace { context, state, tls, arrived: clock::wall() })
    }

    /// An attempt begins; `None`: it is not recorded.
    pub(crate) fn begin_attempt(&self, core: &Core) -> Option<BegunSpan> {
        self.context.is_sampled().then(|| BegunSpan { id: core.new_span(), began: clock::instant() })
    }

    /// Tells a provider of the attempt's span, where the headers do not pass as they came.
    pub(crate) fn write(&self, attempt: Option<SpanId>, headers: &mut HeaderMap) {
        if attempt.is_none() && self.context.parent.is_some() {
            return;
        }
        if self.context.parent.is_none() {
            // What came with a malformed `traceparent` belongs to no trace.
            headers.remove(TRACESTATE);
        }
        let parent = self.context.from_span(attempt.unwrap_or(self.context.span));
        if let Ok(value) = HeaderValue::try_from(parent.write()) {
            headers.insert(TRACEPARENT, value);
        }
    }

    /// A request of this trace that took so long.
    pub(crate) fn exemplar(&self, took: Duration, at: Duration) -> Exemplar {
        Exemplar { trace: self.context.trace, span: self.context.span, took, at }
    }
}
