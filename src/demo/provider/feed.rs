//! A response body that comes in pieces, at its own pace, and ends as it is told to.
//!
//! A body and not a task: when the client leaves, hyper drops it and nothing goes on behind. The first piece is
//! ready at once; the pause lies between pieces.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Sleep;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// After its last piece.
    Complete,
    /// The connection breaks after its last piece.
    Cut,
    /// Nothing more comes, and it does not end.
    Stall,
}

/// Pieces with pauses between them.
pub(super) struct Feed {
    pieces: std::vec::IntoIter<Bytes>,
    gap: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    end: End,
    flushed: bool,
}

impl Feed {
    pub(super) fn new(pieces: Vec<Bytes>, gap: Duration, end: End) -> Feed {
        Feed { pieces: pieces.into_iter(), gap, pause: None, end, flushed: false }
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        match (self.pieces.next(), self.end) {
            (Some(piece), _) => {
                if !self.gap.is_zero() {
                    self.pause = Some(Box::pin(tokio::time::sleep(self.gap)));
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            (None, End::Complete) => Poll::Ready(None),
            // What was said before leaves first: hyper writes out when the body has nothing for it.
            (None, End::Cut) if !self.flushed => {
                self.flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (None, End::Cut) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            // hyper goes on watching the connection, and drops the body when the client leaves.
            (None, End::Stall) => Poll::Pending,
        }
    }
}
