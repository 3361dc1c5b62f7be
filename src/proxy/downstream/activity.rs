//! What happens on one client connection.
//!
//! The socket and the requests write it; the connection's lifetime and the socket read it. No time is read here.
//! Refuses to decide anything about the connection. Invariant: `beat` rises whenever something happens that shows that
//! the client is alive or that a request began or ended.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use http::Version;

use super::request_stage::RequestStage;
use crate::state::ambiguous_closes::AmbiguousCloseReason;

/// What happens on a connection. One thread writes it; it is atomic because hyper requires its I/O to be `Send`.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Rises whenever one of the others changes.
    beat: AtomicU32,
    /// Requests in flight.
    open: AtomicU32,
    /// Whether a head is on its way in.
    in_head: AtomicBool,
    /// HTTP/2: whether a frame or a block of headers is half-way in.
    in_block: AtomicBool,
    /// Whether any byte ever came.
    has_bytes: AtomicBool,
    /// Whether the client does not take what is written to it.
    blocked: AtomicBool,
    /// Whether its place is wanted by others.
    leaving: AtomicBool,
    /// Whether a request waits for its body to be complete before it goes anywhere.
    awaits_body: AtomicBool,
    /// HTTP/1: how far the latest request has come.
    stage: RequestStage,
    /// Whether what follows is no HTTP any more.
    upgraded: AtomicBool,
    /// Whether a request was ever begun.
    used: AtomicBool,
    /// Whether the latest request was read to its end before it went anywhere.
    whole: AtomicBool,
    /// Whether the parser is done with it, well or not.
    over: AtomicBool,
}

impl Activity {
    pub(super) fn beat_once(&self) {
        self.beat.store(self.beat.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// The connection is a new one, or the first byte of a head came.
    pub(super) fn head_begins(&self) {
        if !self.in_head.load(Relaxed) {
            self.in_head.store(true, Relaxed);
            self.beat_once();
        }
    }

    /// It is HTTP/2, where heads are frames. The first of them is waited for.
    pub(super) fn set_http2(&self) {
        self.in_head.store(false, Relaxed);
        self.in_block.store(true, Relaxed);
        self.beat_once();
    }

    pub(super) fn first_bytes_came(&self) {
        self.has_bytes.store(true, Relaxed);
    }

    /// It speaks TLS from now on, and no byte within it came yet. Its first head has a time of its own.
    pub(super) fn handshake_ends(&self) {
        self.has_bytes.store(false, Relaxed);
        self.beat_once();
    }

    /// The parser is done with it.
    pub(super) fn is_over(&self) {
        self.over.store(true, Relaxed);
    }

    /// Whether it is closed from outside of the parser, between requests.
    pub(super) fn is_closed_while_idle(&self) -> bool {
        !self.over.load(Relaxed) && !self.is_serving()
    }

    /// Whether the connection is to make room, and may: nothing is under way on it.
    pub(crate) fn leaves(&self) -> bool {
        self.leaving.load(Relaxed) && self.is_spare()
    }

    /// It stays after all.
    pub(crate) fn stays(&self) {
        self.leaving.store(false, Relaxed);
    }

    /// Whether it is between requests, or no byte came yet. Half a head is a request to come.
    pub(super) fn is_spare(&self) -> bool {
        let in_head = self.in_head.load(Relaxed) && self.has_bytes.load(Relaxed);
        let busy = self.open.load(Relaxed) > 0 || self.blocked.load(Relaxed);
        !busy && !in_head && !self.in_block.load(Relaxed)
    }

    /// HTTP/1: whether a request was answered, all of the answer was taken, and nothing of the next one came. A body
    /// that was passed on as it came may have been answered before its end, so that the rest of it is still to come.
    pub(super) fn is_between_requests(&self) -> bool {
        self.whole.load(Relaxed) && !self.in_head.load(Relaxed) && self.is_spare()
    }

    /// A request waits for its whole body, or does no longer.
    pub(crate) fn awaits_body(&self, waits: bool) {
        self.awaits_body.store(waits, Relaxed);
    }

    /// The latest request has no body.
    pub(crate) fn request_has_no_body(&self) {
        self.whole.store(true, Relaxed);
    }

    /// A request has come whole, and waits for its answer.
    pub(crate) fn request_is_whole(&self, version: Version) {
        self.whole.store(true, Relaxed);
        self.stage.is_whole(version);
    }

    /// What follows is no HTTP: either side may close while the other goes on.
    pub(crate) fn is_upgraded(&self) {
        self.upgraded.store(true, Relaxed);
    }

    /// Its client has closed its side. Returns why it cannot be asked whether it still reads, if so.
    pub(super) fn ambiguous_close(&self, http2: bool) -> Option<AmbiguousCloseReason> {
        if !self.is_serving() || self.upgraded.load(Relaxed) {
            return None;
        }
        let awaits_body = self.is_awaiting_body();
        if http2 {
            (!awaits_body).then_some(AmbiguousCloseReason::Http2)
        } else {
            self.stage.ambiguous_close(awaits_body)
        }
    }

    /// Rises with everything that happens.
    pub(super) fn beat(&self) -> u32 {
        self.beat.load(Relaxed)
    }

    /// Whether a request is being served.
    pub(super) fn is_serving(&self) -> bool {
        self.open.load(Relaxed) > 0
    }

    /// Whether a request waits for its whole body.
    pub(super) fn is_awaiting_body(&self) -> bool {
        self.awaits_body.load(Relaxed)
    }

    /// Whether a request came whole and nothing of its answer was written.
    pub(super) fn is_awaiting_answer(&self) -> bool {
        self.stage.awaits_answer()
    }

    /// Whether a head, or a frame of HTTP/2, is half-way in.
    pub(super) fn is_half_way(&self) -> bool {
        self.in_head.load(Relaxed) || self.in_block.load(Relaxed)
    }

    /// Whether a head of HTTP/1 is half-way in.
    pub(super) fn is_in_head(&self) -> bool {
        self.in_head.load(Relaxed)
    }

    /// Whether a request was ever begun.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// Its place is wanted by others.
    pub(super) fn ask_to_leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// Whether it was asked to leave, and has not refused.
    pub(super) fn is_asked_to_leave(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// Bytes were written to the client; `answers`: those of an answer; `blocked`: it does not take them.
    pub(super) fn note_write(&self, answers: bool, blocked: bool) {
        if answers {
            self.stage.is_answered();
        }
        self.blocked.store(blocked, Relaxed);
    }

    /// Bytes came from an HTTP/1 client.
    pub(super) fn note_read(&self) {
        if self.open.load(Relaxed) == 0 {
            self.head_begins();
        } else if self.awaits_body.load(Relaxed) {
            self.beat_once();
        }
    }

    /// Bytes came from an HTTP/2 client: whether they `completed` something, and whether something is half-way in now.
    pub(super) fn note_frames(&self, completed: bool, half_way: bool) {
        let before = self.in_block.load(Relaxed);
        self.in_block.store(half_way, Relaxed);
        if self.awaits_body.load(Relaxed) || (half_way && (completed || !before)) || (before && !half_way) {
            self.beat_once();
        }
    }

    /// A request is being served.
    pub(super) fn request_begins(&self) {
        self.in_head.store(false, Relaxed);
        self.stage.arrives();
        self.whole.store(false, Relaxed);
        self.used.store(true, Relaxed);
        self.open.store(self.open.load(Relaxed).wrapping_add(1), Relaxed);
        self.beat_once();
    }

    /// Its answer is out.
    pub(super) fn request_ends(&self) {
        self.open.store(self.open.load(Relaxed).wrapping_sub(1), Relaxed);
        self.beat_once();
    }
}
