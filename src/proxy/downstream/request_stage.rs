//! How far the latest request of an HTTP/1 connection has come.
//!
//! It says whether a client that closes its side can be asked whether it still reads
//! ([`half_close`](super::half_close)), and if not, why. HTTP/1.0 has no interim answers, within an answer there is no
//! place for one, and a body that is passed on as it comes may not be complete. Written by the requests and the socket
//! of the connection. Invariant: a request costs two stores.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use http::Version;

use crate::state::ambiguous_closes::AmbiguousCloseReason;

/// It arrives, or its body is passed on as it comes.
const ARRIVES: u8 = 0;
/// It has come whole, and nothing of its answer has gone out.
const AWAITS_ANSWER: u8 = 1;
/// The same, of a client that knows no interim answers.
const AWAITS_ANSWER_HTTP10: u8 = 2;
/// Something of its answer has gone out.
const IS_ANSWERED: u8 = 3;

/// How far it is. One thread writes it; it is atomic because hyper requires its I/O to be `Send`.
#[derive(Debug, Default)]
pub(super) struct RequestStage(AtomicU8);

impl RequestStage {
    pub(super) fn arrives(&self) {
        self.0.store(ARRIVES, Relaxed);
    }

    pub(super) fn is_whole(&self, version: Version) {
        match version {
            Version::HTTP_11 => self.0.store(AWAITS_ANSWER, Relaxed),
            Version::HTTP_10 => self.0.store(AWAITS_ANSWER_HTTP10, Relaxed),
            _ => {}
        }
    }

    pub(super) fn is_answered(&self) {
        self.0.store(IS_ANSWERED, Relaxed);
    }

    /// Whether its client can be asked.
    pub(super) fn awaits_answer(&self) -> bool {
        self.0.load(Relaxed) == AWAITS_ANSWER
    }

    /// Why it cannot be asked, if so. A client that ends while the rest of its body is read (`awaits_body`) has left.
    pub(super) fn ambiguous_close(&self, awaits_body: bool) -> Option<AmbiguousCloseReason> {
        match self.0.load(Relaxed) {
            _ if awaits_body => None,
            ARRIVES => Some(AmbiguousCloseReason::Body),
            AWAITS_ANSWER_HTTP10 => Some(AmbiguousCloseReason::Http10),
            IS_ANSWERED => Some(AmbiguousCloseReason::Answer),
            // It was asked, and has left.
            _ => None,
        }
    }
}
