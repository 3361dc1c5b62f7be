//! The attempt that is under way: how far it is, and what is known of it so far.
//!
//! Owns what its [`AttemptRecord`] will be made of. Counts and tells nothing. A request has one of these at a time, used
//! anew for each attempt. Invariant: a record is made only of an attempt that was dispatched, and then it is idle again.

use std::time::Instant;

use super::candidates::Candidate;
use super::record::{AttemptRecord, FailureReason, Times};
use crate::decide::cause::Cause;
use crate::decide::finished::Finished;
use crate::decide::outcome::{BodyEnd, Ending, Grounds, Outcome, classify};
use crate::proxy::response::observe::Summary;
use crate::state::provider::Ticket;

/// How far it is.
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
    /// Who is tried.
    pub(crate) candidate: Candidate,
    /// Whether it finds out for the breaker.
    pub(crate) probe: Option<Ticket>,
    /// How far it is.
    pub(crate) stage: AttemptStage,
    /// When it got how far.
    pub(crate) times: Times,
    /// What its answer says of itself.
    pub(crate) said: Option<Summary>,
    own_key: bool,
    /// Whether the provider could not be connected to, for nothing that the request is.
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
            said: None,
            own_key: false,
            unreached: false,
            failure: None,
        }
    }

    /// Who is tried next, and whether with a key of Serin's own.
    pub(crate) fn begin(&mut self, candidate: Candidate, own_key: bool) {
        (self.candidate, self.own_key, self.unreached) = (candidate, own_key, false);
        // Of a connection that was dialled once more nothing is left.
        self.failure = None;
        self.times = Times::since(self.times.arrived);
    }

    /// Why it will have failed, and by which id the provider knows it. The first word counts.
    pub(crate) fn because(&mut self, cause: Cause, request_id: Option<Box<str>>) {
        self.failure.get_or_insert_with(|| Box::new(FailureReason { cause, request_id }));
    }

    /// There was no connection, for nothing that the request is.
    pub(crate) const fn unreached(&mut self) {
        self.unreached = true;
    }

    /// What an ending of it means.
    pub(crate) const fn outcome_of(&self, ending: Ending) -> Outcome {
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
        let said = self.said.take();
        let status = match self.stage {
            AttemptStage::Answered { status, .. } => Some(status),
            _ => None,
        };
        self.stage = AttemptStage::Idle;
        AttemptRecord {
            provider: self.candidate.id,
            key: self.candidate.turn,
            status,
            ending,
            outcome: self.outcome_of(ending),
            failure: self.failure.take(),
            unreached: self.unreached,
            finished: said.filter(|said| said.generated).and_then(|said| Finished::of(ending, said.finish)),
            usage: said.and_then(|said| said.usage),
            times: Times { end: Some(end), ..self.times },
        }
    }
}

/// An answer with this status whose body ended so.
pub(crate) const fn answered(status: u16, body: BodyEnd) -> Ending {
    Ending::Answered { status, grounds: Grounds::Other, body }
}
