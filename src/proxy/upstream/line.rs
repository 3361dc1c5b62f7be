//! What a request goes out by: an HTTP/1.1 connection of its own, or a stream of a shared HTTP/2 connection.
//!
//! A [`Lease`] is a line not yet used; dropped, its connection goes back to the pool. Sending consumes it; from then on
//! the line belongs to the answer, and only an answer that ended well gives it back. Invariant: a connection in the pool
//! has nothing outstanding in either direction.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;

use super::alarm::Alarm;
use super::http2::{self, Stream};
use super::pool::{Pool, Turn};
use super::wire::Pulse;
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::body::{AnswerBody, BodyClocks, Outgoing, RequestBody, Upload};

/// An open HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) sender: SendRequest<Outgoing>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) alarm: Alarm,
    /// Whether it has lain in the pool: then the provider may have closed it unseen.
    pub(super) pooled: bool,
    /// Whether a request has gone out on it.
    pub(super) served: bool,
}

impl Conn {
    /// Whether nothing is outstanding on it. One that was never used has not been asked yet.
    pub(super) fn is_usable(&self) -> bool {
        self.sender.is_ready() || (!self.served && !self.sender.is_closed())
    }
}

/// A connection out of the pool. Dropped while reusable, it goes back.
#[derive(Debug)]
pub(crate) struct Held {
    conn: Option<Conn>,
    reusable: bool,
    keep: Duration,
    // After the connection, so that whoever waits for this turn finds it in the pool.
    turn: Turn,
}

impl Held {
    pub(super) fn new(conn: Conn, turn: Turn) -> Held {
        Held { conn: Some(conn), reusable: true, keep: super::pool::KEEP_IDLE, turn }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(mut conn) = self.conn.take()
            && self.reusable
        {
            conn.alarm.lift();
            self.turn.pool().put_back(conn, self.keep);
        }
    }
}

/// What an answer comes by.
#[derive(Debug)]
pub(crate) enum Line {
    /// A connection of its own.
    Http1(Held),
    /// A stream of a shared one.
    Http2(Stream),
    /// Nothing any more.
    Done,
}

impl Line {
    /// The answer is complete.
    pub(crate) fn done(&mut self) {
        if let Line::Http1(mut held) = std::mem::replace(self, Line::Done) {
            // Not so while the request is still going out: the answer came early.
            held.reusable = held.conn.as_ref().is_some_and(|conn| conn.sender.is_ready());
        }
    }

    /// The answer will not be completed.
    pub(crate) fn cut(&mut self) {
        *self = Line::Done;
    }

    /// The clock for this line; `None` once it is done or cut.
    pub(crate) fn alarm(&mut self) -> Option<&mut Alarm> {
        match self {
            Line::Http1(held) => held.conn.as_mut().map(|conn| &mut conn.alarm),
            Line::Http2(stream) => Some(&mut stream.alarm),
            Line::Done => None,
        }
    }
}

/// How long the provider may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// From the request's last byte to the head.
    pub(crate) head: Millis,
    /// For the body.
    pub(crate) body: BodyClocks,
}

/// A connection, or a stream of one, ready for one request.
#[derive(Debug)]
pub(crate) struct Lease {
    line: Line,
    pool: Rc<Pool>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Not a byte of the request was written; here it is again.
    Unsent(Box<Request<RequestBody>>, hyper::Error),
    /// The provider said that it did not begin with it.
    Unprocessed(hyper::Error),
    /// The connection ended before a byte of the answer.
    Lost(hyper::Error),
    /// The head did not come in time.
    HeadTimeout(Millis),
    /// The provider ended this one stream.
    Reset(hyper::Error),
    /// A new HTTP/2 connection broke before it brought anything.
    FirstStream(Box<SendError>),
    /// The answer is not HTTP.
    Protocol(hyper::Error),
    /// The answer's framing is ambiguous or unknown.
    Framing(&'static str),
    /// The client broke off in the middle of its body.
    ClientBroke,
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SendError::Unsent(_, error) => {
                write!(f, "the connection was closed before the request: {}", chain(error))
            }
            SendError::FirstStream(error) => {
                write!(f, "{error}; if the provider does not speak HTTP/2, write http2: never")
            }
            SendError::Unprocessed(error) => write!(f, "the provider did not take the request: {}", chain(error)),
            SendError::Lost(error) => write!(f, "the connection ended before an answer: {}", chain(error)),
            SendError::HeadTimeout(limit) => write!(f, "no answer within {limit}"),
            SendError::Reset(error) => write!(f, "the provider reset the request: {}", chain(error)),
            SendError::Protocol(error) => write!(f, "the answer is not valid HTTP: {}", chain(error)),
            SendError::Framing(problem) => write!(f, "the answer's framing cannot be trusted: {problem}"),
            SendError::ClientBroke => f.write_str("the client broke off its request"),
        }
    }
}

impl std::error::Error for SendError {}

impl SendError {
    /// Whether others on the same HTTP/2 connection have to expect the same.
    fn is_of_the_connection(&self) -> bool {
        match self {
            SendError::Unsent(..) | SendError::Lost(_) | SendError::Protocol(_) => true,
            SendError::Unprocessed(error) => !http2::was_stream_reset(error),
            SendError::FirstStream(_)
            | SendError::Reset(_)
            | SendError::HeadTimeout(_)
            | SendError::Framing(_)
            | SendError::ClientBroke => false,
        }
    }
}

fn chain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

impl Lease {
    pub(super) fn new(line: Line, pool: Rc<Pool>) -> Lease {
        Lease { line, pool }
    }

    /// Whether the provider may have closed the connection unseen: a loss before the first byte says nothing about it.
    pub(crate) fn is_reused(&self) -> bool {
        match &self.line {
            Line::Http1(held) => held.conn.as_ref().is_some_and(|conn| conn.pooled),
            Line::Http2(stream) => !stream.is_first(),
            Line::Done => false,
        }
    }

    /// Hands the request to hyper at once, before the returned future is polled, and waits for the answer's head.
    /// `Host` is the provider's unless the request has one; the URI's path and query are what is sent.
    pub(crate) fn send(
        self,
        request: Request<RequestBody>,
        waits: Waits,
    ) -> impl Future<Output = Result<Response<AnswerBody>, SendError>> {
        let Lease { mut line, pool } = self;
        let (mut parts, body) = request.into_parts();
        let (outgoing, upload) = Outgoing::new(body);
        let http1 = matches!(line, Line::Http1(_));
        let mut pulse = None;
        let answer = match &mut line {
            Line::Http1(held) => {
                parts.version = Version::HTTP_11;
                if !parts.headers.contains_key(HOST) {
                    parts.headers.insert(HOST, pool.host().clone());
                }
                // Hyper sends a body of unknown length with any method once told so.
                if upload.is_some()
                    && outgoing.size_hint().exact().is_none()
                    && !parts.headers.contains_key(CONTENT_LENGTH)
                    && !parts.headers.contains_key(TRANSFER_ENCODING)
                {
                    parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                }
                held.reusable = false;
                held.conn.as_mut().map(|conn| {
                    conn.served = true;
                    conn.pulse.begin();
                    pulse = Some(Arc::clone(&conn.pulse));
                    Answer::One(conn.sender.try_send_request(Request::from_parts(parts, outgoing)))
                })
            }
            Line::Http2(stream) => {
                http2::address(&mut parts, pool.scheme(), pool.host());
                Some(Answer::Two(stream.sender().try_send_request(Request::from_parts(parts, outgoing))))
            }
            Line::Done => None,
        };
        async move {
            let mut wait =
                Wait { line: &mut line, upload: upload.as_deref(), pulse: pulse.as_deref(), limit: waits.head };
            let outcome = match answer {
                Some(Answer::One(answer)) => wait.head(answer).await,
                Some(Answer::Two(answer)) => wait.head(answer).await,
                None => None,
            };
            let response = match outcome {
                Some(Ok(response)) => response,
                Some(Err(_)) if upload.is_some_and(|upload| upload.is_broken()) => return Err(SendError::ClientBroke),
                Some(Err(error)) => {
                    let error = explain(error, pulse.is_some_and(|pulse| pulse.heard()));
                    return Err(match &line {
                        Line::Http2(stream) if error.is_of_the_connection() => {
                            stream.abandon();
                            if stream.is_first() { SendError::FirstStream(Box::new(error)) } else { error }
                        }
                        _ => error,
                    });
                }
                None => return Err(SendError::HeadTimeout(waits.head)),
            };
            if http1 {
                check_framing(response.headers())?;
                if let Line::Http1(held) = &mut line
                    && let Some(hint) = response.headers().get(KEEP_ALIVE)
                {
                    held.keep = keep_for(hint);
                }
            }
            let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            Ok(response.map(|incoming| AnswerBody::new(incoming, line, waits.body, upgraded)))
        }
    }
}

/// The future of either HTTP version.
enum Answer<One, Two> {
    One(One),
    Two(Two),
}

type Sent = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>;

/// The wait for an answer's head, and its clock.
struct Wait<'a> {
    line: &'a mut Line,
    upload: Option<&'a Upload>,
    pulse: Option<&'a Pulse>,
    limit: Millis,
}

impl Wait<'_> {
    /// `None` when it did not come in time.
    async fn head(&mut self, answer: impl Future<Output = Sent>) -> Option<Sent> {
        let mut answer = pin!(answer);
        poll_fn(|cx| {
            if let Poll::Ready(sent) = answer.as_mut().poll(cx) {
                if let Some(alarm) = self.line.alarm() {
                    alarm.lift();
                }
                return Poll::Ready(Some(sent));
            }
            loop {
                let moved = self.last_movement();
                let Some(alarm) = self.line.alarm() else { return Poll::Ready(None) };
                if let Some(upload) = self.upload
                    && upload.is_starved()
                {
                    alarm.lift();
                    upload.wake_when_fed(cx);
                    return Poll::Pending;
                }
                if !alarm.is_set() {
                    alarm.set(self.limit.duration());
                }
                if alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                // Time is over, unless the provider was still taking the request meanwhile.
                let quiet = moved.map(|moved| clock::now().since(moved));
                match quiet {
                    Some(quiet) if quiet < self.limit => alarm.set(self.limit.since(quiet).duration()),
                    _ => return Poll::Ready(None),
                }
            }
        })
        .await
    }

    fn last_movement(&self) -> Option<Millis> {
        let moved = self.upload.map(Upload::moved).filter(|moved| moved.0 > 0);
        moved.max(self.pulse.and_then(Pulse::last_write))
    }
}

fn explain(mut error: TrySendError<Request<Outgoing>>, heard: bool) -> SendError {
    let message = error.take_message();
    let error = error.into_error();
    if let Some(request) = message {
        return SendError::Unsent(Box::new(request.map(Outgoing::into_inner)), error);
    }
    if http2::was_not_processed(&error) {
        SendError::Unprocessed(error)
    } else if http2::was_stream_reset(&error) {
        SendError::Reset(error)
    } else if error.is_parse() || heard {
        SendError::Protocol(error)
    } else {
        SendError::Lost(error)
    }
}

/// An answer that two readers could cut differently is nobody's to pass on.
fn check_framing(headers: &HeaderMap) -> Result<(), SendError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(SendError::Framing("it has both a content-length and a transfer-encoding"));
    }
    if codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err(SendError::Framing("its transfer-encoding is not plain chunked"));
    }
    Ok(())
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How long the provider's `timeout=N` lets us keep the connection: a second less, for the way there.
fn keep_for(hint: &HeaderValue) -> Duration {
    let text = hint.to_str().unwrap_or_default();
    let seconds = text.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("timeout") { value.trim().parse::<u64>().ok() } else { None }
    });
    seconds.map_or(super::pool::KEEP_IDLE, |seconds| {
        Duration::from_secs(seconds.saturating_sub(1)).min(super::pool::KEEP_IDLE)
    })
}
