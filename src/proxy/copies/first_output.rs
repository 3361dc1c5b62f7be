//! When the first output of stable's answer came, by what a copy's is measured.
//!
//! Reads the pieces of a sampled answer as they come, until there is output in them: an event that only opens a stream
//! is none. An answer that is one object has its output at its end. Invariant: the answers of both arms are measured by
//! the same rule.

use std::time::Instant;

use http::response::Parts;

use crate::clock;
use crate::proxy::response::observe::{ReadAs, ResponseObserver};

/// The first output of an answer that passes.
#[derive(Debug)]
pub(super) enum FirstOutput {
    /// None came so far.
    Awaited(Option<Box<ResponseObserver>>),
    At(Instant),
    /// It comes with the end.
    AtEnd,
}

impl FirstOutput {
    /// Of the answer with this head.
    pub(super) fn of(read_as: ReadAs, head: &Parts) -> FirstOutput {
        FirstOutput::Awaited(ResponseObserver::of(read_as, head.status, &head.headers))
    }

    /// A piece came.
    pub(super) fn came(&mut self, piece: &[u8]) {
        let FirstOutput::Awaited(observer) = self else { return };
        if piece.is_empty() {
            return;
        }
        // What cannot be read has it with its first piece.
        let seen = observer.as_mut().is_none_or(|observer| {
            observer.see(piece);
            observer.has_output()
        });
        if observer.as_ref().is_some_and(|observer| observer.is_object()) {
            *self = FirstOutput::AtEnd;
        } else if seen {
            *self = FirstOutput::At(clock::instant());
        }
    }

    /// Its moment, in an answer that ended at this one.
    pub(super) const fn moment(&self, end: Instant) -> Instant {
        if let FirstOutput::At(moment) = self { *moment } else { end }
    }
}
