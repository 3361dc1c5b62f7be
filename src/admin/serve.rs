//! Connections of the operators' ports: accepted within bounds, read within bounds, answered by [`super::api`].
//!
//! Each listener has its own limit of connections, so that a flooded port never shuts the socket that takes rollbacks.
//! A connection that becomes an event stream gives its place back: streams have a limit of their own ([`super::sse`]). A
//! connection that sends nothing, sends half a request or takes no answer ends in bounded time.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http::{Method, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::api::{self, ApiContext};
use super::auth::AdminListener;
use super::ofrep::{self, origins};
use super::plan;
use super::reply::{ApiError, Reply};
use super::write_deadline::WriteDeadline;
use crate::wire::media;

/// Open connections of one listener.
const CONNECTIONS: usize = 128;
/// The longest body.
const BODY: usize = 64 * 1024;
/// From a request's head to the end of its body.
const BODY_TIME: Duration = Duration::from_secs(10);
/// From a connection's first moment, or the last answer, to the end of the next head. Scrapers come every minute.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// How long a peer may take nothing of an answer.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// How long accepting pauses after a failure such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves a TCP port until the runtime ends.
pub(super) async fn tcp(socket: TcpListener, listener: AdminListener, view: Rc<ApiContext>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match socket.accept().await {
            Ok((stream, _)) => {
                // Without it an answer may wait for the peer's delayed acknowledgement; failing costs that time only.
                let _ = stream.set_nodelay(true);
                connection(stream, listener.clone(), &view, slot);
            }
            Err(error) => rest(&error).await,
        }
    }
}

/// Serves the Unix socket until the runtime ends.
pub(super) async fn unix(listener: UnixListener, view: Rc<ApiContext>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                connection(stream, AdminListener::Socket(uid), &view, slot);
            }
            Err(error) => rest(&error).await,
        }
    }
}

async fn rest(error: &std::io::Error) {
    tracing::warn!(%error, "the admin port cannot accept a connection");
    tokio::time::sleep(PAUSE).await;
}

fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    listener: AdminListener,
    view: &Rc<ApiContext>,
    slot: OwnedSemaphorePermit,
) {
    let view = Rc::clone(view);
    let slot = Rc::new(Cell::new(Some(slot)));
    tokio::task::spawn_local(async move {
        let held = Rc::clone(&slot);
        let service = service_fn(move |request: Request<Incoming>| {
            let (view, listener, held) = (Rc::clone(&view), listener.clone(), Rc::clone(&held));
            async move {
                let reply = request_of(&view, &listener, request).await;
                if reply.body().is_stream() {
                    // It ends with its connection, and has a place among the streams.
                    drop(held.take());
                }
                Ok::<Reply, Infallible>(reply)
            }
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(BODY);
        // A peer that leaves or breaks the protocol concerns nobody else.
        let _ = server.serve_connection(TokioIo::new(WriteDeadline::new(stream, WRITE_TIME)), service).await;
        drop(slot);
    });
}

async fn request_of(view: &ApiContext, listener: &AdminListener, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let mut reply = match origins::preflight(listener, &head) {
        Some(reply) => reply,
        None => match read(view, listener, &head, body).await {
            Ok(body) => api::answer(view, listener, &head, &body).await,
            Err(problem) => ofrep::in_its_shape(head.uri.path(), &problem),
        },
    };
    origins::share_with_page(&head, &view.shared.load().policy, &mut reply);
    reply
}

async fn read(view: &ApiContext, listener: &AdminListener, head: &Parts, body: Incoming) -> Result<Bytes, ApiError> {
    let of_plan = api::body_limit(view, listener, head);
    if head.method == Method::POST {
        check_media_type(&head.headers, of_plan.is_some())?;
    }
    let longest = of_plan.unwrap_or(BODY);
    let whole = Limited::new(body, longest).collect();
    match tokio::time::timeout(BODY_TIME, whole).await {
        Err(_) => Err(ApiError::Slow(BODY_TIME.as_secs())),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::TooLong(longest)),
        Ok(Err(error)) => Err(ApiError::Bad(format!("the body ended early: {error}"))),
    }
}

/// JSON, YAML for a plan, or nothing: a form, which any web page may send anywhere, is neither.
fn check_media_type(headers: &HeaderMap, of_plan: bool) -> Result<(), ApiError> {
    let Some(media_type) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let media_type = media_type.as_bytes();
    if media::essence(media_type).is_empty()
        || media::is_json(media_type)
        || (of_plan && plan::is_media_type(media_type))
    {
        Ok(())
    } else {
        Err(ApiError::MediaType(String::from_utf8_lossy(media_type).into_owned()))
    }
}
