//! The entry of a request for the access log and its trace: begun when it is planned, completed from its record, and
//! given to the writer and to the exporter.
//!
//! Owns what a line says: never a user id, a key, a query or a byte of a body. Its status is what went to the client,
//! so a client that left before has none, whatever a provider had answered. Where the file asks for neither log nor
//! traces nothing is kept of a request; where it asks for a sample, chance chooses when the request comes. A head that
//! cannot be read as HTTP has no request, and no entry. Invariant: a request has at most one line and one entry for the
//! exporter, and never waits for either.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use http::{Method, Request, StatusCode, Uri, response};

use super::attempt_lines::{attempt_line, attempt_lines, in_ms, tokens};
use super::error::ProxyError;
use super::grpc::own_status;
use super::pieces::Pieces;
use super::{problem, spans};
use crate::clock;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{AccessLog, Policy};
use crate::decide::timestamp::Timestamp;
use crate::decide::units::Percent;
use crate::proxy::attempt::earlier_plans::{EarlierPlan, EarlierPlans};
use crate::proxy::attempt::request_record::RequestRecord;
use crate::proxy::copies::sample::PendingSample;
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::request_id::RequestId;
use crate::proxy::request::scope::Scope;
use crate::proxy::request::trace::Trace;
use crate::state::access_log::{LimitLine, LogLine, RequestLine};
use crate::wire::dialect::Dialect;
use crate::wire::grpc::GrpcCode;
use crate::wire::printable::printable_start;

/// The most characters of a path or a model that are written.
const LONGEST: usize = 200;

/// An entry that is not complete yet.
#[derive(Debug)]
pub(crate) struct PendingEntry {
    policy: Arc<Policy>,
    /// Whether the access log is to have it.
    logged: bool,
    /// Its trace, if that is recorded.
    trace: Option<Rc<Trace>>,
    dialect: Dialect,
    grpc: bool,
    /// The request, if it is to be copied.
    sample: Option<Box<PendingSample>>,
    line: RequestLine,
}

impl PendingEntry {
    /// For a request that is planned, if it is to have a line or spans, or is to be copied.
    pub(crate) fn of(
        core: &Core,
        policy: &Arc<Policy>,
        client_request: &ClientRequest<'_>,
        trace: Option<&Rc<Trace>>,
        sample: Option<Box<PendingSample>>,
    ) -> Option<Box<PendingEntry>> {
        let logged = policy.access_log.as_ref().is_some_and(|asked| is_chosen(asked, core));
        let trace = recorded(trace);
        if !logged && trace.is_none() && sample.is_none() {
            return None;
        }
        let request = client_request.request;
        let line = RequestLine {
            model: client_request.model().map(|model| printable_start(model, LONGEST)),
            stream: client_request.streaming,
            ..begun(request.id.get(), &request.parts.method, &request.parts.uri)
        };
        let (policy, dialect, grpc) = (Arc::clone(policy), request.dialect, request.grpc.is_some());
        Some(Box::new(PendingEntry { policy, logged, trace, dialect, grpc, sample, line }))
    }

    /// Its trace, if that is recorded.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// The client gets a response of Serin's own.
    pub(crate) fn answered_by_serin(&mut self, problem: &ProxyError) {
        self.line.status = Some(problem::status(problem, self.grpc).as_u16());
        self.line.error = Some(problem.label());
        self.line.grpc_status = self.grpc.then(|| own_status::code(problem).0);
    }

    /// The client of a call gets trailers of Serin's own.
    pub(crate) fn ended_by_serin(&mut self, code: GrpcCode) {
        self.line.grpc_status = Some(code.0);
    }

    /// The client gets an answer with this status.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.line.status = Some(status.as_u16());
    }

    /// An answer goes out, and this of it was held.
    pub(crate) fn keep_held(&mut self, head: &response::Parts, held: &mut Pieces) {
        if let Some(sample) = &mut self.sample {
            sample.answered(head, held.whole());
        }
    }

    /// A piece of the answer came and goes out.
    pub(crate) fn add_piece(&mut self, piece: &[u8]) {
        self.add_bytes(piece.len());
        if let Some(sample) = &mut self.sample {
            sample.add(piece);
        }
    }

    /// The request ends by a defect; where nothing has gone out, its client gets an error.
    pub(crate) fn note_defect(&mut self) {
        note_defect(&mut self.line);
    }

    /// A limit had no room.
    pub(crate) fn note_limit(&mut self, limit: LimitLine) {
        self.line.limited.push(limit);
    }

    /// So many bytes of an answer's body went to the client.
    pub(crate) fn add_bytes(&mut self, bytes: usize) {
        self.line.bytes += bytes as u64;
    }
}

/// A defect has one status, whatever the client's API.
fn note_defect(line: &mut RequestLine) {
    if line.status.is_none() {
        line.status = Some(problem::status(&ProxyError::Defect, false).as_u16());
        line.error = Some(ProxyError::Defect.label());
    }
}

fn is_chosen(asked: &AccessLog, core: &Core) -> bool {
    asked.sample == Percent::ALL || core.draw() < asked.sample.hundredths()
}

fn recorded(trace: Option<&Rc<Trace>>) -> Option<Rc<Trace>> {
    trace.filter(|trace| trace.context.is_sampled()).map(Rc::clone)
}

fn begun(id: RequestId, method: &Method, uri: &Uri) -> RequestLine {
    RequestLine {
        request_id: id.to_string(),
        method: printable_start(method.as_str(), LONGEST),
        path: printable_start(uri.path(), LONGEST),
        ..RequestLine::default()
    }
}

/// A request ended that has an entry.
pub(crate) fn ended(scope: &Scope, record: &RequestRecord<'_>, entry: PendingEntry) {
    let PendingEntry { policy, logged, trace, dialect, grpc, sample, mut line } = entry;
    if let Some(sample) = sample {
        sample.ended(record);
    }
    let asked = policy.access_log.as_ref().filter(|_| logged);
    let asked = asked.filter(|asked| asked.only.takes(record.outcome, record.attempt_count()));
    if asked.is_none() && trace.is_none() {
        return;
    }
    let (plan, last) = (record.plan, record.attempts.last());
    line.rollout = scope.rollout().map(|rollout| rollout.name.clone());
    line.arm = plan.arm.map(|arm| arm.as_str());
    line.reason = Some(plan.reason.as_str());
    line.bucket = plan.bucket.map(|bucket| bucket.0);
    line.outcome = Some(record.outcome);
    if line.error.is_none() && line.status.is_some() {
        line.provider = Some(scope.name(record.by).to_owned());
    }
    if grpc && line.grpc_status.is_none() && line.status.is_some() {
        let by = record.attempts.iter().rev().find(|attempt| attempt.provider == record.by);
        line.grpc_status = by.and_then(|attempt| attempt.ending.grpc()).map(|end| end.code.0);
    }
    line.duration_ms = in_ms(record.took);
    line.first_output_ms = record.first_output().map(in_ms);
    line.tokens = last.and_then(|last| last.usage).map(tokens);
    if let Some(trace) = trace {
        let attempts = spans::attempts(record.earlier, Some((scope, record.attempts)), line.model.as_deref());
        spans::offer(&scope.core, &trace, &line, spans::operation(dialect), attempts);
    }
    if let Some(asked) = asked {
        line.attempts = attempt_lines(record.earlier);
        line.attempts.extend(record.attempts.iter().map(|attempt| attempt_line(scope, attempt)));
        offer(&scope.core, asked, line);
    }
}

/// A request that has no plan yet, if it may have an entry. The entry is made when the request is rejected, or when it
/// ends unanswered because its client left while its body was read, or because Serin ends.
#[derive(Debug)]
pub(crate) struct Unplanned<'a> {
    core: &'a Rc<Core>,
    /// Its trace, if that is recorded.
    trace: Option<Rc<Trace>>,
    /// Whether it has a plan by now, and so a [`PendingEntry`].
    planned: Cell<bool>,
    written: bool,
    id: Cell<RequestId>,
    method: Method,
    uri: Uri,
    arrived: Instant,
}

impl<'a> Unplanned<'a> {
    /// A request that came, if the file asks for lines, or its trace is recorded.
    pub(crate) fn of<B>(
        core: &'a Rc<Core>,
        in_use: &InUse,
        request: &Request<B>,
        (id, arrived): (RequestId, Instant),
        trace: Option<&Rc<Trace>>,
    ) -> Option<Unplanned<'a>> {
        let trace = recorded(trace);
        if in_use.snapshot.policy.access_log.is_none() && trace.is_none() {
            return None;
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let id = Cell::new(id);
        Some(Unplanned { core, trace, planned: Cell::new(false), written: false, id, method, uri, arrived })
    }

    /// Whether it has a plan by now.
    pub(crate) fn set_planned(&self, planned: bool) {
        self.planned.set(planned);
    }

    pub(crate) fn set_id(&self, id: RequestId) {
        self.id.set(id);
    }

    /// Serin answers it, after these attempts by plans that no longer stand.
    pub(crate) fn rejected(mut self, status: StatusCode, problem: &ProxyError, earlier: &EarlierPlans) {
        self.written = true;
        let (status, error) = (Some(status.as_u16()), Some(problem.label()));
        self.offer(RequestLine { status, error, ..self.line() }, earlier.plans());
    }

    fn line(&self) -> RequestLine {
        let duration_ms = in_ms(clock::instant().saturating_duration_since(self.arrived));
        RequestLine { duration_ms, ..begun(self.id.get(), &self.method, &self.uri) }
    }

    fn offer(&self, line: RequestLine, earlier: &[EarlierPlan]) {
        if let Some(trace) = &self.trace {
            spans::offer(self.core, trace, &line, None, spans::attempts(earlier, None, None));
        }
        let in_use = self.core.in_use();
        if let Some(asked) = &in_use.snapshot.policy.access_log
            && is_chosen(asked, self.core)
        {
            offer(self.core, asked, RequestLine { attempts: attempt_lines(earlier), ..line });
        }
    }
}

impl Drop for Unplanned<'_> {
    fn drop(&mut self) {
        if !self.written && !self.planned.get() {
            let outcome = if self.core.is_cutting() { Outcome::SerinError } else { Outcome::ClientGone };
            let mut line = RequestLine { outcome: Some(outcome), ..self.line() };
            if thread::panicking() {
                note_defect(&mut line);
            }
            self.offer(line, &[]);
        }
    }
}

fn offer(core: &Core, asked: &AccessLog, mut request: RequestLine) {
    if core.access_log.admits(asked.max_per_second, clock::now()) {
        request.time = Timestamp(clock::unix());
        core.access_log.offer(Box::new(LogLine { to: asked.to.clone(), max_bytes: asked.max_bytes, request }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_has_a_status_where_nothing_has_gone_out() {
        for (before, after) in [(None, (Some(500), Some("defect"))), (Some(200), (Some(200), None))] {
            let mut line = RequestLine { status: before, ..RequestLine::default() };
            note_defect(&mut line);
            assert_eq!((line.status, line.error), after);
        }
    }
}
