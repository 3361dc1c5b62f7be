//! A client that closes its side of the connection while it waits for an answer: whether it has left, or still reads.
//!
//! Both begin with the same FIN. A client that has closed the whole connection answers further bytes with a reset; one
//! that has closed its sending side alone (`shutdown(SHUT_WR)`) reads them. So it is sent an interim answer, which
//! HTTP/1.1 allows at any time before the final one (RFC 9110, 15.2). A proxy between may read the first one in the
//! client's place, and resets at the next: hence it is sent repeatedly. Whether a client can be asked is known to
//! [`request_stage`](super::request_stage). Invariant: a reset is noticed within [`LONGEST`].

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::time::{Sleep, sleep};

use super::client_stream::ClientStream;
use crate::clock;

/// An interim answer. The parser writes the same to a client that waits for it with its body.
pub(super) const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// A reset comes after a way to the client and back.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(250);
/// Pauses of that length between one interim answer and the next.
const PAUSES: u32 = 12;

/// A client that was asked.
#[derive(Debug)]
pub(super) struct HalfClose {
    next_look: Pin<Box<Sleep>>,
    pause: Duration,
    pauses: u32,
}

impl HalfClose {
    /// Asks the client; `None`: it has left. Nothing was written for this request, so that there is room.
    pub(super) fn ask(stream: &mut impl ClientStream, context: &mut Context<'_>) -> Option<HalfClose> {
        let asked = stream.is_sent(INTERIM, context);
        asked.then(|| HalfClose { next_look: Box::pin(sleep(SHORTEST)), pause: SHORTEST, pauses: 0 })
    }

    /// Whether it has left. Wakes the task when it is to be asked again. `awaits`: nothing of its answer has gone out.
    pub(super) fn has_left(&mut self, stream: &mut impl ClientStream, awaits: bool, context: &mut Context<'_>) -> bool {
        loop {
            // A reset shows here, and is no news to the runtime once the FIN was read.
            if !matches!(SockRef::from(stream.tcp()).take_error(), Ok(None)) {
                return true;
            }
            if self.next_look.as_mut().poll(context) == Poll::Pending {
                return false;
            }
            self.pause = (2 * self.pause).min(LONGEST);
            self.pauses += u32::from(self.pause == LONGEST);
            if self.pauses >= PAUSES {
                self.pauses = 0;
                if awaits && !stream.is_sent(INTERIM, context) {
                    return true;
                }
            }
            self.next_look.as_mut().reset((clock::instant() + self.pause).into());
        }
    }
}
