//! The request body on its way to a provider and the answer body on its way back.
//!
//! [`RequestBody`] is what the exchange hands over; [`Outgoing`] is the same under hyper's eyes, and tells the head's
//! clock whose turn it is. [`AnswerBody`] carries the answer's frames on untouched, gives the connection back to its
//! pool at the end and never before, and runs the provider's clocks only while somebody polls it and nothing is there:
//! a slow client does not poll, so it cannot run them down. Dropped before its end, it closes the HTTP/1.1 connection
//! or resets the HTTP/2 stream.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::clock;
use crate::decide::outcome::BodyEnd;
use crate::decide::units::Millis;
use crate::proxy::request::headers;
use crate::proxy::upstream::lease::ResponseSource;

/// The largest piece of a held body that is handed to a connection at one time.
pub(crate) const PIECE: usize = 64 * 1024;

/// What a request carries.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// Nothing.
    Empty,
    /// All of it, in memory: can be sent again.
    Whole(Bytes),
    /// As it comes from the client: can be sent once.
    Streaming(Incoming),
    /// What was read of it before it proved too large to hold, then the rest as it comes: can be sent once.
    Prefixed(Bytes, Incoming),
    /// All of it, in memory, with the trailers that ended it: can be sent again.
    Trailed(Bytes, Box<HeaderMap>),
}

impl RequestBody {
    /// Whether it can be sent again.
    pub(crate) fn is_held(&self) -> bool {
        !matches!(self, RequestBody::Streaming(_) | RequestBody::Prefixed(..))
    }

    /// The same with other bytes in its place.
    pub(crate) fn with_whole(self, bytes: Bytes) -> RequestBody {
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

/// Whose turn it is while a request streams through: shared with the wait for the head, on the same core.
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

    /// Whether the client broke off.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// When the provider last took a piece.
    pub(crate) fn moved(&self) -> Millis {
        self.moved.get()
    }

    /// Wakes this task when it is the provider's turn again.
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

/// A frame, with trailers that hold nothing but what may be one.
fn fit_to_pass(frame: Frame<Bytes>, to_provider: bool) -> Frame<Bytes> {
    if frame.is_data() {
        return frame;
    }
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(headers::trailing(trailers, to_provider)),
        Err(frame) => frame,
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
                polled.map(|frame| frame.map(|frame| frame.map(|frame| fit_to_pass(frame, true))))
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
            // Trailers need chunks, so the length is not told.
            RequestBody::Trailed(..) => SizeHint::new(),
        }
    }
}

/// How an answer's body ended, other than well.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// Before its announced end.
    Early(hyper::Error),
    /// Its first output did not come in time.
    NoOutput(Millis),
    /// It fell silent.
    Silent(Millis),
    /// It ended as announced, and in the middle of what it said.
    Cut,
}

impl BodyError {
    /// In the vocabulary of outcomes.
    pub(crate) fn end(&self) -> BodyEnd {
        match self {
            BodyError::Early(_) | BodyError::Cut => BodyEnd::Early,
            BodyError::NoOutput(_) => BodyEnd::NoOutput,
            BodyError::Silent(_) => BodyEnd::Silent,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Early(_) => f.write_str("the provider's response ended before its announced end"),
            BodyError::Cut => f.write_str("the provider's response ended in the middle of its content"),
            BodyError::NoOutput(limit) => write!(f, "the provider sent no output within {limit}"),
            BodyError::Silent(limit) => write!(f, "the provider's response stalled for {limit}"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Early(error) => Some(error),
            BodyError::NoOutput(_) | BodyError::Silent(_) | BodyError::Cut => None,
        }
    }
}

/// The limits that hold for an answer's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyClocks {
    /// To the first output.
    pub(crate) first_output: Millis,
    /// Between two pieces.
    pub(crate) idle: Millis,
}

/// An answer's body. After a `101` it is empty and holds the connection's place until it is dropped.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    incoming: Incoming,
    line: ResponseSource,
    clocks: BodyClocks,
    stage: RunningClock,
    upgraded: bool,
}

/// Which of the clocks runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunningClock {
    /// To the first piece.
    First,
    /// To the first output, which somebody who understands the pieces will tell of.
    Output,
    /// Between two pieces.
    Between,
}

impl AnswerBody {
    /// `line` is what the answer came by.
    pub(crate) fn new(incoming: Incoming, line: ResponseSource, clocks: BodyClocks, upgraded: bool) -> AnswerBody {
        let mut body = AnswerBody { incoming, line, clocks, stage: RunningClock::First, upgraded };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// The first of its limits holds until [`AnswerBody::output_seen`], however many pieces come before.
    pub(crate) fn await_output(&mut self) {
        if self.stage == RunningClock::First {
            self.stage = RunningClock::Output;
        }
    }

    /// There was output in what came.
    pub(crate) fn output_seen(&mut self) {
        if self.stage == RunningClock::Output {
            self.stage = RunningClock::Between;
            if let Some(alarm) = self.line.alarm() {
                alarm.lift();
            }
        }
    }

    fn finish(&mut self) {
        if !self.upgraded {
            self.line.done();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = &mut *self;
        match body.line.take(&mut body.incoming, cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if body.stage == RunningClock::First {
                    body.stage = RunningClock::Between;
                }
                if body.stage == RunningClock::Between
                    && let Some(alarm) = body.line.alarm()
                {
                    alarm.lift();
                }
                if body.incoming.is_end_stream() {
                    body.finish();
                }
                Poll::Ready(Some(Ok(fit_to_pass(frame, false))))
            }
            Poll::Ready(None) => {
                body.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                body.line.cut();
                Poll::Ready(Some(Err(BodyError::Early(error))))
            }
            Poll::Pending => {
                let Some(alarm) = body.line.alarm() else { return Poll::Ready(None) };
                let between = body.stage == RunningClock::Between;
                let limit = if between { body.clocks.idle } else { body.clocks.first_output };
                if !alarm.is_set() {
                    alarm.set(limit.duration());
                }
                if alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                body.line.cut();
                let error = if between { BodyError::Silent(limit) } else { BodyError::NoOutput(limit) };
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
