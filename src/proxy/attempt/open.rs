//! The attempt that is under way: its stage, and what is known of it so far.
//!
//! Owns what its [`AttemptRecord`] will be made of. Counts nothing. A request has one of these at a time, used anew for
//! each attempt. Invariant: a record is made only of an attempt that was dispatched, and then it is idle again.

use std::time::Instant;

use super::candidates::Candidate;
use super::permit::Permit;
use super::record::{AttemptRecord, BegunSpan, FailureReason, Times};
use crate::decide::cause::Cause;
use crate::decide::finish_kind::FinishKind;
use crate::decide::outcome::{BodyEnd, Ending, ErrorClass, Outcome, classify};
use crate::proxy::response::observe::Summary;
use crate::state::provider::ProbeToken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptStage {
    /// No attempt is under way.
    Idle,
    /// Sent, no head of an answer yet.
    Dispatched,
    /// A head with this status came; `begun`: and some of its body.
    Answered { status: u16, begun: bool },
    /// The request is accounted for, or never to be.
    Over,
}

/// The attempt under way.
#[derive(Debug)]
pub(crate) struct OpenAttempt {
    pub(crate) candidate: Candidate,
    /// The breaker's ticket, if this attempt is its probe.
    pub(crate) probe: Option<ProbeToken>,
    pub(crate) stage: AttemptStage,
    pub(crate) times: Times,
    /// What its answer says about itself.
    pub(crate) summary: Option<Summary>,
    /// Its span, if its request is traced.
    pub(crate) span: Option<BegunSpan>,
    /// What it holds of its provider's limit, if that has one.
    pub(super) permit: Option<Permit>,
    own_key: bool,
    /// Whether the provider is unreachable, whatever the request is.
    unreached: bool,
    failure: Option<Box<FailureReason>>,
}

impl OpenAttempt {
    /// None yet, at this provider, of a request that arrived then.
    pub(crate) fn at(candidate: Candidate, arrived: Instant) -> OpenAttempt {
        OpenAttempt {
            candidate,
            probe: None,
            stage: AttemptStage::Idle,
            times: Times::since(arrived),
            summary: None,
            span: None,
            permit: None,
            own_key: false,
            unreached: false,
            failure: None,
        }
    }

    pub(crate) fn begin(&mut self, candidate: Candidate, own_key: bool, span: Option<BegunSpan>) {
        (self.candidate, self.own_key, self.unreached, self.span) = (candidate, own_key, false, span);
        // What failed before a connection was dialled again is not its cause.
        self.failure = None;
        self.permit = None;
        self.times = Times::since(self.times.arrived);
    }

    /// Notes why it fails, and the provider's id of the request. The first cause counts.
    pub(crate) fn note_cause(&mut self, cause: Cause, request_id: Option<Box<str>>) {
        self.failure.get_or_insert_with(|| Box::new(FailureReason { cause, request_id }));
    }

    /// Notes that the provider is unreachable, whatever the request is.
    pub(super) const fn note_unreachable(&mut self) {
        self.unreached = true;
    }

    /// What an ending of it means.
    pub(super) const fn outcome_of(&self, ending: Ending) -> Outcome {
        classify(ending, self.own_key)
    }

    /// What an end of its answer's body is; `None`: there is no answer.
    pub(crate) const fn ending_of(&self, body: BodyEnd) -> Option<Ending> {
        match self.stage {
            AttemptStage::Answered { status, .. } => Some(answered(status, body)),
            _ => None,
        }
    }

    /// What an end of an answer's body means.
    pub(crate) const fn outcome_of_body(&self, body: BodyEnd) -> Outcome {
        match self.ending_of(body) {
            Some(ending) => self.outcome_of(ending),
            None => self.outcome_of(answered(200, body)),
        }
    }

    /// It ended, at this moment of the request.
    pub(crate) fn record(&mut self, ending: Ending, end: Instant) -> AttemptRecord {
        let summary = self.summary.take();
        let status = match self.stage {
            AttemptStage::Answered { status, .. } => Some(status),
            _ => None,
        };
        self.stage = AttemptStage::Idle;
        let outcome = self.outcome_of(ending);
        if let Some(permit) = self.permit.take() {
            permit.over(outcome, summary.and_then(|summary| summary.usage));
        }
        AttemptRecord {
            provider: self.candidate.id,
            key: self.candidate.key,
            status,
            ending,
            outcome,
            failure: self.failure.take(),
            unreached: self.unreached,
            finished: summary
                .filter(|summary| summary.generated)
                .and_then(|summary| FinishKind::of(ending, summary.finish)),
            usage: summary.and_then(|summary| summary.usage),
            times: Times { end: Some(end), ..self.times },
            span: self.span.take(),
        }
    }
}

/// An answer with this status whose body ended so.
pub(crate) const fn answered(status: u16, body: BodyEnd) -> Ending {
    Ending::Answered { status, grounds: ErrorClass::Other, body }
}
