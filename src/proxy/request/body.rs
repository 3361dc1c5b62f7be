//! The body of a request on its way to a provider.
//!
//! [`RequestBody`] is what an attempt sends; [`Outgoing`] is the same as hyper polls it. [`Upload`] says for which side
//! a body that streams waits at present, so that the time limits of a provider do not count while its client is slow.
//! Invariant: a body that streams is sent once; one that is held can be sent as often as it is needed.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::headers;
use crate::clock;
use crate::decide::units::Millis;

/// The largest piece of a held body that is handed to a connection at one time.
pub(crate) const PIECE: usize = 64 * 1024;

/// A request's body, in the form in which it can be sent.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    /// All of it, in memory.
    Whole(Bytes),
    /// As it comes from the client.
    Streaming(Incoming),
    /// What was read of it before it proved too large to hold, then the rest as it comes.
    Prefixed(Bytes, Incoming),
    /// All of it, in memory, with its trailers.
    Trailed(Bytes, Box<HeaderMap>),
}

impl RequestBody {
    /// Whether it can be sent again.
    pub(crate) fn is_held(&self) -> bool {
        !matches!(self, RequestBody::Streaming(_) | RequestBody::Prefixed(..))
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
            RequestBody::Streaming(_) | RequestBody::Prefixed(..) => None,
        }
    }
}

/// For which side a body that streams waits. Shared with the wait for the head, on the same core.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    starved: Cell<bool>,
    broken: Cell<bool>,
    moved: Cell<Millis>,
    waiting: RefCell<Option<Waker>>,
}

impl Upload {
    /// Whether the provider has taken all there is, and the client has to send more.
    pub(crate) fn is_starved(&self) -> bool {
        self.starved.get()
    }

    /// Whether the client broke the body off.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// When the provider last took a piece.
    pub(crate) fn moved(&self) -> Millis {
        self.moved.get()
    }

    /// Wakes this task when there is something for the provider again.
    pub(crate) fn wake_when_fed(&self, cx: &Context<'_>) {
        *self.waiting.borrow_mut() = Some(cx.waker().clone());
    }

    fn note(&self, starved: bool) {
        if starved {
            self.starved.set(true);
        } else {
            self.moved.set(clock::now());
            if self.starved.replace(false)
                && let Some(waker) = self.waiting.borrow_mut().take()
            {
                waker.wake();
            }
        }
    }
}

/// A request body as hyper sends it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    body: RequestBody,
    upload: Option<Rc<Upload>>,
}

impl Outgoing {
    /// With an [`Upload`] to watch where the body streams.
    pub(crate) fn new(body: RequestBody) -> (Outgoing, Option<Rc<Upload>>) {
        let upload = match &body {
            RequestBody::Empty | RequestBody::Whole(_) | RequestBody::Trailed(..) => None,
            RequestBody::Streaming(_) | RequestBody::Prefixed(..) => Some(Rc::new(Upload::default())),
        };
        (Outgoing { body, upload: upload.clone() }, upload)
    }

    /// The body of a message that hyper gave back unsent.
    pub(crate) fn into_inner(self) -> RequestBody {
        self.body
    }
}

fn next_piece(bytes: &mut Bytes) -> Bytes {
    bytes.split_to(bytes.len().min(PIECE))
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let outgoing = &mut *self;
        match &mut outgoing.body {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Whole(bytes) => {
                let piece = next_piece(bytes);
                Poll::Ready(if piece.is_empty() { None } else { Some(Ok(Frame::data(piece))) })
            }
            RequestBody::Trailed(bytes, trailers) => {
                let frame = if bytes.is_empty() {
                    let trailers = headers::trailing(std::mem::take(&mut **trailers), true);
                    outgoing.body = RequestBody::Empty;
                    Frame::trailers(trailers)
                } else {
                    Frame::data(next_piece(bytes))
                };
                Poll::Ready(Some(Ok(frame)))
            }
            RequestBody::Prefixed(first, _) if !first.is_empty() => {
                if let Some(upload) = &outgoing.upload {
                    upload.note(false);
                }
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(first)))))
            }
            RequestBody::Streaming(incoming) | RequestBody::Prefixed(_, incoming) => {
                let polled = Pin::new(incoming).poll_frame(cx);
                if let Some(upload) = &outgoing.upload {
                    upload.note(polled.is_pending());
                    if matches!(polled, Poll::Ready(Some(Err(_)))) {
                        upload.broken.set(true);
                    }
                }
                polled.map(|frame| frame.map(|frame| frame.map(|frame| headers::passing_frame(frame, true))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            RequestBody::Empty => true,
            RequestBody::Whole(bytes) => bytes.is_empty(),
            RequestBody::Streaming(incoming) => incoming.is_end_stream(),
            RequestBody::Prefixed(first, rest) => first.is_empty() && rest.is_end_stream(),
            RequestBody::Trailed(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            RequestBody::Streaming(incoming) => incoming.size_hint(),
            RequestBody::Prefixed(first, rest) => {
                let known = |rest: u64| SizeHint::with_exact(rest.saturating_add(first.len() as u64));
                rest.size_hint().exact().map_or_else(SizeHint::new, known)
            }
            // Trailers need chunks, so no length is announced.
            RequestBody::Trailed(..) => SizeHint::new(),
        }
    }
}
