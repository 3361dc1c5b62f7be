//! What is known of an attempt once it has ended.
//!
//! Made once, where the attempt ends, and read where attempts are counted, judged and logged ([`sinks`](super::sinks)).
//! Holds no body, no key and no user id. Invariant: an attempt that was dispatched has one record, and no record is
//! changed after it was handed on.

use std::time::{Duration, Instant};

use crate::decide::cause::Cause;
use crate::decide::finish_kind::FinishKind;
use crate::decide::outcome::{Ending, Outcome};
use crate::decide::trace::SpanId;
use crate::decide::units::ProviderId;
use crate::wire::usage::Usage;

/// An attempt that ended.
#[derive(Debug)]
pub(crate) struct AttemptRecord {
    pub(crate) provider: ProviderId,
    /// The position of its key, from 1 on; 0: none of Serin's.
    pub(crate) key: usize,
    pub(crate) status: Option<u16>,
    pub(crate) ending: Ending,
    pub(crate) outcome: Outcome,
    /// Why it failed, if it did.
    pub(crate) failure: Option<Box<FailureReason>>,
    /// Whether the provider is unreachable, whatever the request is.
    pub(super) unreached: bool,
    /// Which kind of answer it was.
    pub(crate) finished: Option<FinishKind>,
    /// The tokens of the answer.
    pub(crate) usage: Option<Usage>,
    pub(crate) times: Times,
    /// Its span, if its request is traced.
    pub(crate) span: Option<BegunSpan>,
}

/// The span of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BegunSpan {
    pub(crate) id: SpanId,
    pub(crate) began: Instant,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct FailureReason {
    pub(crate) cause: Cause,
    /// The provider's id of the request.
    pub(crate) request_id: Option<Box<str>>,
}

/// When an attempt reached which stage. Durations are computed only where they are needed, which is rare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// The request arrived.
    pub(crate) arrived: Instant,
    /// There was a connection, and the request went out.
    pub(crate) connected: Option<Instant>,
    /// The head of the answer came.
    pub(crate) head: Option<Instant>,
    /// The first part of its body went to the client.
    pub(crate) first_output: Option<Instant>,
    /// It was over.
    pub(crate) end: Option<Instant>,
}

impl Times {
    /// Nothing has happened since the request arrived.
    pub(crate) const fn since(arrived: Instant) -> Times {
        Times { arrived, connected: None, head: None, first_output: None, end: None }
    }

    /// How long after the arrival; `None`: it never came.
    pub(crate) fn after(&self, moment: Option<Instant>) -> Option<Duration> {
        moment.map(|moment| moment.saturating_duration_since(self.arrived))
    }
}
