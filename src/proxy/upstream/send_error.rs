//! Why a request that was sent has no answer, by hyper's error and by what was seen on the connection.
//!
//! The distinctions are those that decide what may be done next: nothing was written, the provider guarantees that it
//! did not begin, the connection ended before a byte of an answer, or it answered and the answer is no use.

use http::Request;
use hyper::client::conn::TrySendError;

use super::http2;
use crate::decide::cause::Cause;
use crate::decide::units::Millis;
use crate::proxy::request::body::RequestBody;

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
    /// The client sent no more of its body for this long.
    ClientPaused(Millis),
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self, self.cause()) {
            (_, Some(cause)) => cause.fmt(f),
            (SendError::ClientPaused(limit), None) => {
                write!(f, "the client sent no more of its request for {limit}")
            }
            (_, None) => f.write_str("the client broke off its request"),
        }
    }
}

impl std::error::Error for SendError {}

impl SendError {
    /// As it is counted and shown; `None`: it was the client.
    pub(crate) fn cause(&self) -> Option<Cause> {
        Some(match self {
            SendError::Unsent(_, error) => Cause::Unsent { error: chain(error) },
            SendError::Unprocessed(error) => Cause::Unprocessed { error: chain(error) },
            SendError::Lost(error) => Cause::Lost { error: chain(error) },
            SendError::HeadTimeout(limit) => Cause::NoHead { limit: *limit },
            SendError::Reset(error) => Cause::Reset { error: chain(error) },
            SendError::FirstStream(error) => Cause::FirstStream(Box::new(error.cause()?)),
            SendError::Protocol(error) => Cause::NotHttp { error: chain(error) },
            SendError::Framing(problem) => Cause::Framing { problem: (*problem).to_owned() },
            SendError::ClientBroke | SendError::ClientPaused(_) => return None,
        })
    }

    /// Whether others on the same HTTP/2 connection have to expect the same.
    pub(super) fn is_of_the_connection(&self) -> bool {
        match self {
            SendError::Unsent(..) | SendError::Lost(_) | SendError::Protocol(_) => true,
            SendError::Unprocessed(error) => !http2::was_stream_reset(error),
            SendError::FirstStream(_)
            | SendError::Reset(_)
            | SendError::HeadTimeout(_)
            | SendError::Framing(_)
            | SendError::ClientBroke
            | SendError::ClientPaused(_) => false,
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

/// What hyper's error amounts to; `heard`: whether any byte of a response was seen.
pub(super) fn explain(mut error: TrySendError<Request<RequestBody>>, heard: bool) -> SendError {
    let message = error.take_message();
    let error = error.into_error();
    if let Some(request) = message {
        return SendError::Unsent(Box::new(request), error);
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
