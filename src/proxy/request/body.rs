//! The body of a request on its way to a provider.
//!
//! [`RequestBody`] is what an attempt sends, and what hyper polls. Reads no byte of it. For which side a body that
//! streams waits at present, its [`Upload`] says. Invariant: a body that streams is sent once; one that is held, or
//! recorded, can be sent as often as it is needed.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::headers;
use super::recording::RecordedBody;
use super::upload::{Upload, UploadError};

/// The largest piece of a held body that is handed to a connection at one time.
pub(crate) const PIECE: usize = 64 * 1024;

/// A request's body, in the form in which it can be sent.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    /// All of it, in memory.
    Whole(Bytes),
    /// As it comes from the client.
    Streaming(Incoming, Rc<Upload>),
    /// What was read of it before it proved too large to hold, then the rest as it comes.
    Prefixed(Bytes, Incoming, Rc<Upload>),
    /// All of it, in memory, with its trailers.
    Trailed(Bytes, Box<HeaderMap>),
    /// As it comes from the client of a call, and kept.
    Recorded(RecordedBody),
}

impl RequestBody {
    /// As it comes from the client.
    pub(crate) fn streaming(incoming: Incoming) -> RequestBody {
        RequestBody::Streaming(incoming, Rc::default())
    }

    /// What was read of it, then the rest as it comes.
    pub(super) fn prefixed(first: Bytes, rest: Incoming) -> RequestBody {
        RequestBody::Prefixed(first, rest, Rc::default())
    }

    /// For which side it waits, where it streams.
    pub(crate) fn upload(&self) -> Option<&Rc<Upload>> {
        match self {
            RequestBody::Empty | RequestBody::Whole(_) | RequestBody::Trailed(..) => None,
            RequestBody::Streaming(_, upload) | RequestBody::Prefixed(_, _, upload) => Some(upload),
            RequestBody::Recorded(body) => Some(body.upload()),
        }
    }

    /// Whether it can be sent again.
    pub(crate) fn is_held(&self) -> bool {
        self.upload().is_none()
    }

    /// The same with other bytes in its place.
    pub(super) fn with_whole(self, bytes: Bytes) -> RequestBody {
        match self {
            RequestBody::Trailed(_, trailers) => RequestBody::Trailed(bytes, trailers),
            _ => RequestBody::Whole(bytes),
        }
    }

    /// The same body once more; `None` where it streams.
    pub(crate) fn replay(&self) -> Option<RequestBody> {
        match self {
            RequestBody::Empty => Some(RequestBody::Empty),
            RequestBody::Whole(bytes) => Some(RequestBody::Whole(bytes.clone())),
            RequestBody::Trailed(bytes, trailers) => Some(RequestBody::Trailed(bytes.clone(), trailers.clone())),
            RequestBody::Streaming(..) | RequestBody::Prefixed(..) | RequestBody::Recorded(_) => None,
        }
    }
}

fn next_piece(bytes: &mut Bytes) -> Bytes {
    bytes.split_to(bytes.len().min(PIECE))
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let body = &mut *self;
        match body {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Whole(bytes) => {
                let piece = next_piece(bytes);
                Poll::Ready(if piece.is_empty() { None } else { Some(Ok(Frame::data(piece))) })
            }
            RequestBody::Trailed(bytes, trailers) => {
                let frame = if bytes.is_empty() {
                    let trailers = headers::trailing(std::mem::take(&mut **trailers), true);
                    *body = RequestBody::Empty;
                    Frame::trailers(trailers)
                } else {
                    Frame::data(next_piece(bytes))
                };
                Poll::Ready(Some(Ok(frame)))
            }
            RequestBody::Prefixed(first, _, upload) if !first.is_empty() => {
                upload.note(false);
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(first)))))
            }
            RequestBody::Streaming(incoming, upload) | RequestBody::Prefixed(_, incoming, upload) => {
                let mut polled = Pin::new(incoming).poll_frame(cx);
                upload.note(polled.is_pending());
                match &mut polled {
                    Poll::Ready(Some(Ok(frame))) => headers::strip_frame(frame, true),
                    Poll::Ready(Some(Err(_))) => upload.note_broken(),
                    Poll::Ready(None) | Poll::Pending => {}
                }
                polled.map(|frame| frame.map(|frame| frame.map_err(UploadError::Client)))
            }
            RequestBody::Recorded(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Whole(bytes) => bytes.is_empty(),
            RequestBody::Streaming(incoming, _) => incoming.is_end_stream(),
            RequestBody::Prefixed(first, rest, _) => first.is_empty() && rest.is_end_stream(),
            RequestBody::Trailed(..) => false,
            RequestBody::Recorded(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            RequestBody::Streaming(incoming, _) => incoming.size_hint(),
            RequestBody::Prefixed(first, rest, _) => {
                let known = |rest: u64| SizeHint::with_exact(rest.saturating_add(first.len() as u64));
                rest.size_hint().exact().map_or_else(SizeHint::new, known)
            }
            // Trailers need chunks, so no length is announced.
            RequestBody::Trailed(..) | RequestBody::Recorded(_) => SizeHint::new(),
        }
    }
}
