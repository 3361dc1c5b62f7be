//! The line of a request in the access log: begun when it is planned, made of its record, and given to the writer.
//!
//! Owns what a line says: never a user id, a key, a query or a byte of a body. Where the file asks for no log nothing is
//! kept of a request; where it asks for some of them, chance chooses when the request comes. Invariant: a request has one
//! line at most, and waits for nobody.

use std::rc::Rc;
use std::sync::Arc;

use http::{Method, StatusCode, Uri};

use super::core::Core;
use super::departure::Original;
use super::error::Problem;
use super::record::{AttemptRecord, Failure, Moment, RequestRecord};
use super::request_id::RequestId;
use super::scope::Scope;
use crate::clock;
use crate::decide::policy::{AccessLog, Policy};
use crate::decide::stamp::Stamp;
use crate::decide::units::Percent;
use crate::state::access_log::{AttemptLine, Line, RequestLine, Tokens};
use crate::wire::printable::printable_start;

/// The most characters of a path or a model that are written.
const LONGEST: usize = 200;

/// What is kept of a request that will have a line.
#[derive(Debug)]
pub(crate) struct Draft {
    policy: Arc<Policy>,
    line: RequestLine,
}

impl Draft {
    /// For a request that is planned, if it is to have a line.
    pub(crate) fn of(core: &Core, policy: &Arc<Policy>, original: &Original<'_>) -> Option<Box<Draft>> {
        let asked = policy.access_log.as_ref()?;
        if !is_chosen(asked, core) {
            return None;
        }
        let (visit, parts) = (&original.visit, original.parts);
        let line = RequestLine {
            model: original.model().map(|model| printable_start(model, LONGEST)),
            stream: original.streaming,
            ..begun(visit.id, &parts.method, &parts.uri)
        };
        Some(Box::new(Draft { policy: Arc::clone(policy), line }))
    }

    /// The client gets words of Serin's own.
    pub(crate) fn answered_by_serin(&mut self, problem: &Problem) {
        (self.line.status, self.line.error) = (Some(problem.status().as_u16()), Some(problem.label()));
    }

    /// The client gets an answer with this status.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.line.status = Some(status.as_u16());
    }

    /// So many bytes of an answer's body went to the client.
    pub(crate) fn passed(&mut self, bytes: usize) {
        self.line.bytes += bytes as u64;
    }
}

fn is_chosen(asked: &AccessLog, core: &Core) -> bool {
    asked.sample == Percent::ALL || core.draw() < asked.sample.hundredths()
}

fn begun(id: RequestId, method: &Method, uri: &Uri) -> RequestLine {
    RequestLine {
        request_id: id.to_string(),
        method: printable_start(method.as_str(), LONGEST),
        path: printable_start(uri.path(), LONGEST),
        ..RequestLine::default()
    }
}

/// A request ended that will have a line.
pub(crate) fn ended(scope: &Scope, record: &RequestRecord<'_>, draft: Draft) {
    let Draft { policy, mut line } = draft;
    let Some(asked) = &policy.access_log else { return };
    if !asked.only.takes(record.outcome, record.attempts.len()) {
        return;
    }
    let (plan, last) = (record.plan, record.attempts.last());
    line.rollout = plan.rollout.map(|id| scope.in_use.snapshot.policy.rollouts[usize::from(id.0)].name.clone());
    line.arm = plan.arm.map(|arm| arm.as_str());
    line.reason = Some(plan.reason.as_str());
    line.bucket = plan.bucket.map(|bucket| bucket.0);
    line.outcome = Some(record.outcome);
    if line.error.is_none() {
        line.provider = Some(scope.name(record.by).to_owned());
        line.status = line.status.or(last.and_then(|last| last.status));
    }
    line.duration_ms = record.took.as_secs_f64() * 1000.0;
    line.first_output_ms = last.and_then(|last| millis(last.times.first_output));
    line.tokens = last.and_then(|last| last.usage).map(|usage| Tokens {
        input: usage.input,
        cached: usage.cached,
        output: usage.output,
        reasoning: usage.reasoning,
    });
    line.attempts = record.attempts.iter().map(|attempt| attempt_line(scope, attempt)).collect();
    offer(&scope.core, asked, line);
}

/// A request was turned away before it was planned.
pub(crate) fn turned_away(core: &Rc<Core>, id: RequestId, method: &Method, uri: &Uri, problem: &Problem) {
    let in_use = core.in_use();
    if let Some(asked) = &in_use.snapshot.policy.access_log
        && is_chosen(asked, core)
    {
        let mut draft = Draft { policy: Arc::clone(&in_use.snapshot.policy), line: begun(id, method, uri) };
        draft.answered_by_serin(problem);
        offer(core, asked, draft.line);
    }
}

fn attempt_line(scope: &Scope, attempt: &AttemptRecord) -> AttemptLine {
    let failure = attempt.failure.as_deref();
    AttemptLine {
        provider: scope.name(attempt.provider).to_owned(),
        key: attempt.key,
        status: attempt.status,
        outcome: attempt.outcome,
        failed: failure.map(|failure| failure.cause.to_string()),
        cause: failure.map(|failure| failure.cause.clone()),
        request_id: failure.and_then(|Failure { request_id, .. }| request_id.as_deref().map(str::to_owned)),
        connected_ms: millis(attempt.times.connected),
        head_ms: millis(attempt.times.head),
        first_output_ms: millis(attempt.times.first_output),
        end_ms: millis(attempt.times.end),
    }
}

fn millis(moment: Moment) -> Option<f64> {
    moment.get().map(|after| after.as_secs_f64() * 1000.0)
}

fn offer(core: &Core, asked: &AccessLog, mut request: RequestLine) {
    if core.access_log.admits(asked.max_per_second, clock::now()) {
        request.time = Stamp(clock::unix());
        core.access_log.offer(Box::new(Line { to: asked.to.clone(), max_bytes: asked.max_bytes, request }));
    }
}
