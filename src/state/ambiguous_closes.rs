//! Clients that close their side of a connection while they wait, and cannot be asked whether they read on.
//!
//! Such a client may have left, or have closed its sending side alone; on the wire both are the same. Serin takes it to
//! have left, and counts it here, so that operators can tell whether there are applications that lose answers by that.
//! Refuses to count what is known: a client that was asked, a reset, a request that never came whole though it was
//! waited for. Invariant: a connection is counted once at most.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a client could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmbiguousCloseReason {
    /// HTTP/1.0 knows no interim answers.
    Http10,
    /// The request's body is passed on as it comes, so that it is not known here whether all of it has come.
    Body,
    /// Within an answer there is no place for an interim one.
    Answer,
    /// An HTTP/2 connection ends as a whole, with all of its requests.
    Http2,
}

impl AmbiguousCloseReason {
    /// All of them, in the order of their cells.
    pub const ALL: [AmbiguousCloseReason; 4] = [
        AmbiguousCloseReason::Http10,
        AmbiguousCloseReason::Body,
        AmbiguousCloseReason::Answer,
        AmbiguousCloseReason::Http2,
    ];

    /// The label `reason` of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AmbiguousCloseReason::Http10 => "http10",
            AmbiguousCloseReason::Body => "body",
            AmbiguousCloseReason::Answer => "answer",
            AmbiguousCloseReason::Http2 => "http2",
        }
    }
}

/// How many there were since the start.
#[derive(Debug, Default)]
pub struct AmbiguousCloses([AtomicU64; AmbiguousCloseReason::ALL.len()]);

impl AmbiguousCloses {
    /// One more.
    pub fn count(&self, why: AmbiguousCloseReason) {
        self.0[why as usize].fetch_add(1, Relaxed);
    }

    /// So many, in the order of [`AmbiguousCloseReason::ALL`].
    #[must_use]
    pub fn counts(&self) -> [u64; AmbiguousCloseReason::ALL.len()] {
        std::array::from_fn(|cell| self.0[cell].load(Relaxed))
    }
}
