//! Sends one request by a connection, and waits for the head of its response.
//!
//! Owns how a request is written for each version of HTTP, and what its failure means. Sending consumes the
//! [`ResponseSource`]: from then on the connection belongs to the response. Invariant: the request is handed to hyper
//! before the future of [`ResponseSource::send`] is polled.

use std::future::Future;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;

use super::deadline::{TimedOut, Wait};
use super::framing::check_framing;
use super::http2;
use super::response_source::{KEEP_IDLE, ResponseSource};
use super::send_error::{SendError, explain};
use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::request::body::RequestBody;
use crate::proxy::response::body::{AnswerBody, BodyClocks};

/// How long the provider may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendLimits {
    /// From the request's last byte to the head.
    pub(crate) head: Millis,
    /// By when the head must have come, whatever the provider has taken of the request by then.
    pub(crate) deadline: Option<Deadline>,
    /// For a client that has to send more of a body that streams.
    pub(crate) client: Millis,
    pub(crate) body: BodyClocks,
}

impl ResponseSource {
    /// Whether the provider may have closed the connection unseen: a loss before the first byte says nothing about it.
    pub(crate) fn is_reused(&self) -> bool {
        match self {
            ResponseSource::Http1(pooled) => pooled.connection.as_ref().is_some_and(|connection| connection.pooled),
            ResponseSource::Http2(stream) => !stream.is_first(),
            ResponseSource::Done => false,
        }
    }

    /// Hands the request to hyper at once, before the returned future is polled, and waits for the answer's head.
    /// Its headers are complete, `Host` among them; the URI's path and query are what is sent.
    pub(crate) fn send(
        mut self,
        mut request: Request<RequestBody>,
        waits: SendLimits,
    ) -> impl Future<Output = Result<Response<AnswerBody>, SendError>> {
        let upload = request.body().upload().cloned();
        let http1 = matches!(self, ResponseSource::Http1(_));
        let mut activity = None;
        let answer = match &mut self {
            ResponseSource::Http1(pooled) => {
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
                    // Hyper sends a body of unknown length with any method if this header is set.
                    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                }
                pooled.reusable = false;
                pooled.connection.as_mut().map(|connection| {
                    connection.served = true;
                    connection.activity.begin();
                    activity = Some(Arc::clone(&connection.activity));
                    Answer::One(connection.sender.try_send_request(request))
                })
            }
            ResponseSource::Http2(stream) => {
                http2::address(&mut request, stream.origin());
                Some(Answer::Two(stream.sender().try_send_request(request)))
            }
            ResponseSource::Done => None,
        };
        async move {
            let mut wait = Wait {
                source: &mut self,
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
                    return Err(match &self {
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
                let keep = check_framing(response.headers_mut(), KEEP_IDLE)?;
                if let (ResponseSource::Http1(pooled), Some(keep)) = (&mut self, keep) {
                    pooled.keep = keep;
                }
            }
            let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            Ok(response.map(|incoming| AnswerBody::new(incoming, self, waits.body, upgraded)))
        }
    }
}

/// The future of either HTTP version.
enum Answer<One, Two> {
    One(One),
    Two(Two),
}
