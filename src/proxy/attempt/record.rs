//! What is known of an attempt, and of a request, once it has ended.
//!
//! Each is made once, where the attempt or the request ends, and read by whoever counts, judges or logs
//! ([`sinks`](super::sinks)). Owns the shapes and nothing else: no record is changed after it was made. Holds no
//! body, no key and no user id. Invariant: an attempt that was dispatched has one record, and so has a request that began.

use std::time::{Duration, Instant};

use crate::decide::cause::Cause;
use crate::decide::finished::Finished;
use crate::decide::outcome::{Ending, Outcome};
use crate::decide::units::ProviderId;
use crate::wire::usage::Usage;

/// An attempt that ended.
#[derive(Debug)]
pub(crate) struct AttemptRecord {
    /// Who was asked.
    pub(crate) provider: ProviderId,
    /// With which of its keys.
    pub(crate) key: usize,
    /// The status of its answer.
    pub(crate) status: Option<u16>,
    /// How it ended.
    pub(crate) ending: Ending,
    /// What that amounts to.
    pub(crate) outcome: Outcome,
    /// Why it failed, if it did.
    pub(crate) failure: Option<Box<FailureReason>>,
    /// Whether no connection could be made, for nothing that the request is.
    pub(crate) unreached: bool,
    /// What kind of answer it was.
    pub(crate) finished: Option<Finished>,
    /// What the answer took.
    pub(crate) usage: Option<Usage>,
    /// When it got how far.
    pub(crate) times: Times,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct FailureReason {
    /// The cause.
    pub(crate) cause: Cause,
    /// By which id the provider knows the request.
    pub(crate) request_id: Option<Box<str>>,
}

/// When an attempt got how far. Lengths of time are made of these where somebody asks, since nobody does for most requests.
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
