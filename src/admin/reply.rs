//! Answers of the operators' ports: JSON, text and event streams, and the one shape that every error has.
//!
//! The only place where an [`ApiError`] becomes a status. Its code word is for programs and does not change; its
//! message is for people and says what to do. Every answer made here is `no-store`, since it is true only for its
//! moment.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use serde::Serialize;

use super::auth::AccessDenied;
use super::body::ReplyBody;
use super::dto::{ErrorBody, ErrorReply};
use super::route::NoRoute;
use super::sse::{EventSender, EventStream, StreamSlot, TooManyStreams};
use crate::state::inbox::CommandError;

/// What goes back.
pub(super) type Reply = Response<ReplyBody>;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Not let in, or not that far.
    #[error(transparent)]
    Denied(#[from] AccessDenied),
    /// Nothing there.
    #[error(transparent)]
    Route(#[from] NoRoute),
    /// Control refused.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The query or the body makes no sense.
    #[error("{0}")]
    Bad(String),
    /// The body is not JSON by its own words.
    #[error("the body is `{0}`; send `content-type: application/json`, or no body")]
    MediaType(String),
    /// The body is too long.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// The body does not arrive.
    #[error("the body did not arrive within {0} s")]
    Slow(u64),
    /// Control did not answer in time.
    #[error("the control loop did not answer within {0} s; the change may still be carried out: see `serin status`")]
    Unanswered(u64),
    /// As many streams as there may be.
    #[error(transparent)]
    Streams(#[from] TooManyStreams),
    /// The process is stopping.
    #[error("the process is draining and serves no new event stream: connect to the one that takes its place")]
    Draining,
    /// No such report.
    #[error("there is no incident report `{0}`; `serin incident` lists them")]
    NoIncident(String),
    /// The file asks for no copies.
    #[error("no request of `{0}` is copied to a canary: give it `rehearse` or `compare` in flags.yaml")]
    NoCopies(String),
    /// The store failed.
    #[error("the history cannot be read: {0}")]
    Store(String),
}

impl ApiError {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::Denied(denied) if denied.status() == StatusCode::UNAUTHORIZED => {
                (StatusCode::UNAUTHORIZED, "unauthorized")
            }
            ApiError::Denied(_) => (StatusCode::FORBIDDEN, "forbidden"),
            ApiError::Route(NoRoute::NotFound { .. }) => (StatusCode::NOT_FOUND, "not_found"),
            ApiError::Route(NoRoute::Method { .. }) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            ApiError::Refused(CommandError::Unknown { .. }) => (StatusCode::NOT_FOUND, "unknown_rollout"),
            ApiError::Refused(CommandError::NotNow(_)) => (StatusCode::CONFLICT, "not_now"),
            ApiError::Refused(CommandError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ApiError::Bad(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            ApiError::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            ApiError::TooLong(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            ApiError::Slow(_) => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            ApiError::Unanswered(_) => (StatusCode::GATEWAY_TIMEOUT, "unanswered"),
            ApiError::Streams(_) => (StatusCode::SERVICE_UNAVAILABLE, "too_many_streams"),
            ApiError::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            ApiError::NoIncident(_) => (StatusCode::NOT_FOUND, "unknown_incident"),
            ApiError::NoCopies(_) => (StatusCode::NOT_FOUND, "no_copies"),
            ApiError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store"),
        }
    }

    /// The word for programs and the sentence for people.
    pub(super) fn body(&self) -> ErrorBody {
        ErrorBody { code: self.kind().1.to_owned(), message: self.to_string() }
    }

    pub(super) fn reply(&self) -> Reply {
        let mut reply = json(self.kind().0, &ErrorReply { error: self.body() });
        match self {
            ApiError::Route(NoRoute::Method { takes, .. }) => {
                reply.headers_mut().insert(ALLOW, HeaderValue::from_static(takes));
            }
            ApiError::Denied(denied) if denied.status() == StatusCode::UNAUTHORIZED => {
                reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        reply
    }
}

/// A JSON answer, one line with its end.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    // The shapes of `dto` have text keys and no failing parts: serialising them cannot fail.
    let mut bytes = serde_json::to_vec(body).unwrap_or_default();
    bytes.push(b'\n');
    with(status, HeaderValue::from_static("application/json"), bytes)
}

/// A text answer.
pub(super) fn text(status: StatusCode, media_type: &'static str, body: String) -> Reply {
    with(status, HeaderValue::from_static(media_type), body.into_bytes())
}

/// An answer that streams what `source` sends, until that ends or the listener leaves.
pub(super) fn stream<F: Future<Output = ()> + 'static>(
    slot: StreamSlot,
    source: impl FnOnce(EventSender) -> F,
) -> Reply {
    let mut reply = Response::new(ReplyBody::Stream(Box::new(EventStream::new(slot, source))));
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // The connection carries nothing else afterwards: its place among the ordinary ones is given back.
        (CONNECTION, "close"),
        // nginx holds an answer back otherwise.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in headers {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

fn with(status: StatusCode, media_type: HeaderValue, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, media_type);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}
