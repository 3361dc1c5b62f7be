//! What a request goes out by: an HTTP/1.1 connection of its own, or a stream of a shared HTTP/2 connection.
//!
//! A [`Lease`] is a line not yet used; dropped, its connection goes back to the pool. Sending consumes it; from then on
//! the line belongs to the answer, and only an answer that ended well gives it back. Invariant: a connection in the pool
//! has nothing outstanding in either direction.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::age::Age;
use super::deadline::{TimedOut, Wait};
use super::http2::{self, Stream};
use super::pool::{Pool, QueuePlace};
use super::send_error::{SendError, explain};
use super::stream::Activity;
use super::timer::DeadlineTimer;
use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::downstream::wake_filter::WakeFilter;
use crate::proxy::response::body::{AnswerBody, BodyClocks, Outgoing, RequestBody};

/// An open HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) sender: SendRequest<Outgoing>,
    pub(super) activity: Arc<Activity>,
    pub(super) hush: Arc<WakeFilter>,
    pub(super) alarm: DeadlineTimer,
    pub(super) age: Age,
    /// Whether it has lain in the pool: then the provider may have closed it unseen.
    pub(super) pooled: bool,
    /// Whether a request has gone out on it.
    pub(super) served: bool,
}

impl Conn {
    /// Whether nothing is outstanding on it. One that was never used has not been asked yet.
    pub(super) fn is_usable(&self) -> bool {
        let open = self.sender.is_ready() || (!self.served && !self.sender.is_closed());
        open && !self.activity.takes_no_more()
    }
}

/// A connection out of the pool. Dropped while reusable, it goes back.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    conn: Option<Conn>,
    reusable: bool,
    keep: Duration,
    // After the connection, so that whoever waits for this turn finds it in the pool.
    turn: QueuePlace,
}

impl PooledConnection {
    pub(super) fn new(conn: Conn, turn: QueuePlace) -> PooledConnection {
        PooledConnection { conn: Some(conn), reusable: true, keep: super::pool::KEEP_IDLE, turn }
    }
}

impl Drop for PooledConnection {
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
pub(crate) enum ResponseSource {
    /// A connection of its own.
    Http1(PooledConnection),
    /// A stream of a shared one.
    Http2(Stream),
    /// Nothing any more.
    Done,
}

impl ResponseSource {
    /// The answer is complete.
    pub(crate) fn done(&mut self) {
        if let ResponseSource::Http1(mut held) = std::mem::replace(self, ResponseSource::Done) {
            // Not so while the request is still going out: the answer came early.
            held.reusable = held.conn.as_ref().is_some_and(|conn| conn.sender.is_ready());
        }
    }

    /// The answer will not be completed.
    pub(crate) fn cut(&mut self) {
        *self = ResponseSource::Done;
    }

    /// Takes the next piece of the answer that comes by this line.
    pub(crate) fn take(
        &self,
        answer: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            ResponseSource::Http1(PooledConnection { conn: Some(conn), .. }) => conn.hush.take(answer, context),
            _ => Pin::new(answer).poll_frame(context),
        }
    }

    /// The clock for this line; `None` once it is done or cut.
    pub(crate) fn alarm(&mut self) -> Option<&mut DeadlineTimer> {
        match self {
            ResponseSource::Http1(held) => held.conn.as_mut().map(|conn| &mut conn.alarm),
            ResponseSource::Http2(stream) => Some(&mut stream.alarm),
            ResponseSource::Done => None,
        }
    }
}

/// How long the provider may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendLimits {
    /// From the request's last byte to the head.
    pub(crate) head: Millis,
    /// By when the head must have come, whatever the provider has taken of the request by then.
    pub(crate) deadline: Option<Deadline>,
    /// For a client that has to send more of a body that streams.
    pub(crate) client: Millis,
    /// For the body.
    pub(crate) body: BodyClocks,
}

/// A connection, or a stream of one, ready for one request.
#[derive(Debug)]
pub(crate) struct Lease {
    line: ResponseSource,
    pool: Rc<Pool>,
}

impl Lease {
    pub(super) fn new(line: ResponseSource, pool: Rc<Pool>) -> Lease {
        Lease { line, pool }
    }

    /// Whether the provider may have closed the connection unseen: a loss before the first byte says nothing about it.
    pub(crate) fn is_reused(&self) -> bool {
        match &self.line {
            ResponseSource::Http1(held) => held.conn.as_ref().is_some_and(|conn| conn.pooled),
            ResponseSource::Http2(stream) => !stream.is_first(),
            ResponseSource::Done => false,
        }
    }

    /// Hands the request to hyper at once, before the returned future is polled, and waits for the answer's head.
    /// Its headers are complete, `Host` among them; the URI's path and query are what is sent.
    pub(crate) fn send(
        self,
        request: Request<RequestBody>,
        waits: SendLimits,
    ) -> impl Future<Output = Result<Response<AnswerBody>, SendError>> {
        let Lease { mut line, pool } = self;
        // Changed where it lies: a request is large, and every move of it costs.
        let mut upload = None;
        let mut request = request.map(|body| {
            let (outgoing, watched) = Outgoing::new(body);
            upload = watched;
            outgoing
        });
        let http1 = matches!(line, ResponseSource::Http1(_));
        let mut activity = None;
        let answer = match &mut line {
            ResponseSource::Http1(held) => {
                *request.version_mut() = Version::HTTP_11;
                if request.uri().authority().is_some() {
                    // The absolute form is for proxies.
                    let path = request.uri().path_and_query().cloned();
                    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
                }
                let unknown = upload.is_some() && request.body().size_hint().exact().is_none();
                let headers = request.headers_mut();
                if let Some(coding) = headers.get_mut(TRANSFER_ENCODING) {
                    // However the client spelled it.
                    *coding = HeaderValue::from_static("chunked");
                } else if unknown && !headers.contains_key(CONTENT_LENGTH) {
                    // Hyper sends a body of unknown length with any method once told so.
                    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                }
                held.reusable = false;
                held.conn.as_mut().map(|conn| {
                    conn.served = true;
                    conn.activity.begin();
                    activity = Some(Arc::clone(&conn.activity));
                    Answer::One(conn.sender.try_send_request(request))
                })
            }
            ResponseSource::Http2(stream) => {
                http2::address(&mut request, pool.scheme(), pool.host());
                Some(Answer::Two(stream.sender().try_send_request(request)))
            }
            ResponseSource::Done => None,
        };
        async move {
            let mut wait = Wait {
                line: &mut line,
                upload: upload.as_deref(),
                activity: activity.as_deref(),
                limit: waits.head,
                by: waits.deadline.and_then(Deadline::at),
                client: waits.client,
            };
            let outcome = match answer {
                Some(Answer::One(answer)) => wait.head(answer).await,
                Some(Answer::Two(answer)) => wait.head(answer).await,
                None => Err(TimedOut::Provider),
            };
            let mut response = match outcome {
                Ok(Ok(response)) => response,
                Ok(Err(_)) if upload.is_some_and(|upload| upload.is_broken()) => return Err(SendError::ClientBroke),
                Ok(Err(error)) => {
                    let error = explain(error, activity.is_some_and(|activity| activity.heard()));
                    return Err(match &line {
                        ResponseSource::Http2(stream) if error.is_of_the_connection() => {
                            stream.abandon();
                            if stream.is_first() { SendError::FirstStream(Box::new(error)) } else { error }
                        }
                        _ => error,
                    });
                }
                Err(TimedOut::Provider) => return Err(SendError::HeadTimeout(waits.head)),
                Err(TimedOut::GivenUp) => {
                    return Err(SendError::HeadTimeout(waits.deadline.map_or(waits.head, Deadline::patience)));
                }
                Err(TimedOut::Client) => return Err(SendError::ClientPaused(waits.client)),
            };
            if http1 {
                let keep = check_framing(response.headers_mut())?;
                if let (ResponseSource::Http1(held), Some(keep)) = (&mut line, keep) {
                    held.keep = keep;
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

/// An answer that two readers could cut differently is nobody's to pass on. Says for how long the connection is kept,
/// where the provider does; all in one walk, since most answers have nothing of this.
fn check_framing(headers: &mut HeaderMap) -> Result<Option<Duration>, SendError> {
    let (mut listed, mut coded, mut announced, mut keep) = (false, false, false, None);
    for (name, value) in headers.iter() {
        if name == CONTENT_LENGTH {
            announced = true;
            listed |= value.as_bytes().contains(&b',');
        } else if name == TRANSFER_ENCODING {
            coded = true;
        } else if name == KEEP_ALIVE {
            keep = Some(keep_for(value));
        }
    }
    // Hyper takes a list of equal lengths; the client gets the one that they are.
    if listed
        && let Some(length) = headers.get(CONTENT_LENGTH)
        && let Some(first) = length.as_bytes().split(|byte| *byte == b',').next()
        && let Ok(first) = HeaderValue::from_bytes(first.trim_ascii())
    {
        headers.insert(CONTENT_LENGTH, first);
    }
    if !coded {
        return Ok(keep);
    }
    if announced {
        return Err(SendError::Framing("it has both a content-length and a transfer-encoding"));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let plain = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_some_and(plain) || codings.next().is_some() {
        return Err(SendError::Framing("its transfer-encoding is not plain chunked"));
    }
    Ok(keep)
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
