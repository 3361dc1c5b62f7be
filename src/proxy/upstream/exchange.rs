//! Sends one request by a connection, and waits for the head of its response.
//!
//! Owns how a request is written for each version of HTTP, and what its failure means. Sending consumes the
//! [`ResponseSource`]: from then on the connection belongs to the response. Invariant: nothing is waited for
//! before the request is handed to hyper.

use std::pin::pin;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::client::conn::TrySendError;

use super::deadline::{SendLimits, TimedOut, Wait};
use super::framing::check_framing;
use super::http2;
use super::response_source::{KEEP_IDLE, PooledConnection, ResponseSource};
use super::send_error::{SendError, explain};
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::request::body::RequestBody;
use crate::proxy::request::upload::Upload;
use crate::proxy::response::body::ProviderBody;

impl ResponseSource {
    /// Whether the provider may have closed the connection unseen: a loss before the first byte says nothing about it.
    pub(crate) fn is_reused(&self) -> bool {
        match self {
            ResponseSource::Http1(pooled) => pooled.connection.as_ref().is_some_and(|connection| connection.pooled),
            ResponseSource::Http2(stream) => !stream.is_first(),
            ResponseSource::Done => false,
        }
    }

    /// Hands the request to hyper and waits for the answer's head. The request's headers are complete, `Host` among
    /// them; its URI's path and query are what is sent.
    pub(crate) async fn send(
        mut self,
        mut request: Request<RequestBody>,
        waits: SendLimits,
    ) -> Result<Response<ProviderBody>, SendError> {
        let upload = request.body().upload().cloned();
        let upload = upload.as_deref();
        // Each is pinned where it is made: it is as large as a request, and every move of it costs.
        let outcome = match &mut self {
            ResponseSource::Http1(PooledConnection { connection: Some(connection), reusable, .. }) => {
                write_for_http1(&mut request);
                *reusable = false;
                connection.served = true;
                connection.activity.begin();
                let answer = pin!(connection.sender.try_send_request(request));
                let (timer, activity) = (&mut connection.timer, Some(&*connection.activity));
                Wait { timer, upload, activity, limits: &waits }.head(answer).await
            }
            ResponseSource::Http2(stream) => {
                http2::address(&mut request, stream.origin());
                let answer = pin!(stream.sender().try_send_request(request));
                Wait { timer: &mut stream.timer, upload, activity: None, limits: &waits }.head(answer).await
            }
            ResponseSource::Http1(_) | ResponseSource::Done => Err(TimedOut::Provider),
        };
        let mut response = match outcome {
            Ok(Ok(response)) => response,
            Ok(Err(_)) if upload.is_some_and(Upload::is_broken) => return Err(SendError::ClientBroke),
            Ok(Err(error)) => return Err(self.explained(error)),
            Err(TimedOut::Provider) => return Err(SendError::HeadTimeout(waits.head)),
            Err(TimedOut::GivenUp) => {
                return Err(SendError::HeadTimeout(waits.deadline.map_or(waits.head, Deadline::patience)));
            }
            Err(TimedOut::Client) => return Err(SendError::ClientPaused(waits.client)),
        };
        if let ResponseSource::Http1(pooled) = &mut self
            && let Some(keep) = check_framing(response.headers_mut(), KEEP_IDLE)?
        {
            pooled.keep = keep;
        }
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        Ok(response.map(|incoming| ProviderBody::new(incoming, self, waits.body, upgraded)))
    }

    /// Why there is no answer. An HTTP/2 connection that broke takes no other stream.
    fn explained(&self, error: TrySendError<Request<RequestBody>>) -> SendError {
        match self {
            ResponseSource::Http1(pooled) => {
                explain(error, pooled.connection.as_ref().is_some_and(|connection| connection.activity.has_activity()))
            }
            ResponseSource::Http2(stream) => {
                let error = explain(error, false);
                if !error.is_of_the_connection() {
                    return error;
                }
                stream.abandon();
                if stream.is_first() { SendError::FirstStream(Box::new(error)) } else { error }
            }
            ResponseSource::Done => explain(error, false),
        }
    }
}

fn write_for_http1(request: &mut Request<RequestBody>) {
    *request.version_mut() = Version::HTTP_11;
    if request.uri().authority().is_some() {
        // The absolute form is for proxies.
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    }
    let unknown = request.body().upload().is_some() && request.body().size_hint().exact().is_none();
    let headers = request.headers_mut();
    if let Some(coding) = headers.get_mut(TRANSFER_ENCODING) {
        // However the client spelled it.
        *coding = HeaderValue::from_static("chunked");
    } else if unknown && !headers.contains_key(CONTENT_LENGTH) {
        // Hyper sends a body of unknown length with any method if this header is set.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
