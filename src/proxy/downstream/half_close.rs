//! A client that closes its side of the connection while it waits for an answer: whether it has left, or reads on.
//!
//! On the wire both begin with the same FIN. What is sent to a client that has closed the whole connection is answered by
//! a reset; one that has closed its sending side alone (`shutdown(SHUT_WR)`) takes it. So it is sent an interim answer,
//! which HTTP/1.1 lets a server send at any time before the final one and has clients read over (RFC 9110, 15.2); those
//! that do not, close the whole connection. A proxy between may take it in the client's place, and resets at the next one:
//! hence it is sent again and again. Refuses to ask where that cannot be: of HTTP/1.0 clients, once an answer has begun,
//! while the request is not whole, or where its body was passed on as it came; [`Stage`] tells which it is. Invariant: a
//! reset is noticed within [`LONGEST`].

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Version;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::clock;
use crate::state::ambiguous_closes::Unasked;

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// A reset comes after a way to the client and back.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(250);
/// Pauses of that length between one interim answer and the next.
const PAUSES: u32 = 12;

/// It is on its way in, as far as is known; its body may be passed on as it comes.
const ARRIVES: u8 = 0;
/// It has come whole, and nothing of its answer has gone out.
const AWAITS_ANSWER: u8 = 1;
/// The same, of a client that knows no interim answers.
const AWAITS_ANSWER_HTTP10: u8 = 2;
/// Something of its answer has gone out.
const IS_ANSWERED: u8 = 3;

/// How far the latest request of an HTTP/1 connection has come, by which its client can be asked or not. One thread
/// writes it; it is atomic because hyper wants its I/O to be `Send`.
#[derive(Debug, Default)]
pub(crate) struct Stage(AtomicU8);

impl Stage {
    pub(crate) fn arrives(&self) {
        self.0.store(ARRIVES, Relaxed);
    }

    pub(crate) fn is_whole(&self, version: Version) {
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

    /// Why it cannot, if so. What is waited for (`awaits_body`) does not come any more; there is nothing to ask then.
    pub(crate) fn unasked(&self, awaits_body: bool) -> Option<Unasked> {
        match self.0.load(Relaxed) {
            ARRIVES if awaits_body => None,
            ARRIVES => Some(Unasked::Body),
            AWAITS_ANSWER_HTTP10 => Some(Unasked::Http10),
            IS_ANSWERED => Some(Unasked::Answer),
            // It was asked, and is gone.
            _ => None,
        }
    }
}

/// A client that was asked.
#[derive(Debug)]
pub(super) struct HalfClose {
    next_look: Pin<Box<Sleep>>,
    pause: Duration,
    pauses: u32,
}

impl HalfClose {
    /// Asks the client; `None`: it has left.
    pub(crate) fn ask(stream: &TcpStream) -> Option<HalfClose> {
        let asked = is_sent(stream);
        asked.then(|| HalfClose { next_look: Box::pin(sleep(SHORTEST)), pause: SHORTEST, pauses: 0 })
    }

    /// Whether it has left. Wakes the task when it is to be asked again. `awaits`: nothing of its answer has gone out.
    pub(super) fn has_left(&mut self, stream: &TcpStream, awaits: bool, context: &mut Context<'_>) -> bool {
        loop {
            // A reset shows here, and is no news to the runtime once the FIN was read.
            if !matches!(SockRef::from(stream).take_error(), Ok(None)) {
                return true;
            }
            if self.next_look.as_mut().poll(context) == Poll::Pending {
                return false;
            }
            self.pause = (2 * self.pause).min(LONGEST);
            self.pauses += u32::from(self.pause == LONGEST);
            if self.pauses >= PAUSES {
                self.pauses = 0;
                if awaits && !is_sent(stream) {
                    return true;
                }
            }
            self.next_look.as_mut().reset((clock::instant() + self.pause).into());
        }
    }
}

/// Sends an interim answer. Nothing else was written for this request, so that there is room.
fn is_sent(stream: &TcpStream) -> bool {
    stream.try_write(INTERIM).is_ok_and(|written| written == INTERIM.len())
}
