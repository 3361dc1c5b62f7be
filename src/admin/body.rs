//! The body of an answer: whole, or a stream of events.
//!
//! Owns how either becomes frames of HTTP. What is streamed, and when it ends, is [`super::sse`]'s. Invariant: a whole
//! body has its length in the head, and a stream has none.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::sse::EventStream;

/// What follows the head of an answer.
#[derive(Debug)]
pub(super) enum ReplyBody {
    /// All of it; `None` once it was handed on.
    Whole(Option<Bytes>),
    Stream(Box<EventStream>),
}

impl ReplyBody {
    pub(super) fn whole(bytes: Bytes) -> ReplyBody {
        ReplyBody::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, ReplyBody::Stream(_))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut *self {
            ReplyBody::Whole(bytes) => Poll::Ready(bytes.take()),
            ReplyBody::Stream(stream) => stream.poll_next(cx),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            ReplyBody::Stream(_) => SizeHint::default(),
        }
    }
}
