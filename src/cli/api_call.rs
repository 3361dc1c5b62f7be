//! One request to the admin API: over the socket in the state directory, or over TCP with a token.
//!
//! Blocking for the caller and bounded in time. A call that was never sent ([`CallError::Unreachable`]) may be sent
//! another way; one that was sent and not answered may not, since it may have been carried out.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::app;
use crate::app::api::ErrorReply;
use crate::decide::typed_json::read_typed;

/// The largest answer: a long history with its numbers.
const LARGEST: usize = 32 * 1024 * 1024;

/// A way to a sidecar.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Transport {
    Socket(PathBuf),
    /// `host:port`, and what to show there.
    Tcp {
        /// Where.
        authority: String,
        /// The token, if one is set.
        token: Option<String>,
    },
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Transport::Socket(path) => write!(f, "{}", path.display()),
            Transport::Tcp { authority, .. } => write!(f, "http://{authority}"),
        }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Why there is no answer as hoped for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// Nothing was sent.
    #[error("{via} is not reachable: {why}")]
    Unreachable {
        /// Where.
        via: String,
        /// What the system said.
        why: String,
    },
    /// Sent, and not answered in a way that is understood.
    #[error("{via} did not answer: {why}")]
    NoAnswer {
        /// Where.
        via: String,
        /// What went wrong.
        why: String,
    },
    /// Answered with an error.
    #[error("{message}")]
    Refused {
        /// The API's word for it; `http` where it is not the API that answers.
        code: String,
        /// Its sentence.
        message: String,
    },
}

impl CallError {
    /// Whether the sidecar says that there is no such rollout.
    pub(super) fn is_unknown_rollout(&self) -> bool {
        matches!(self, CallError::Refused { code, .. } if code == "unknown_rollout")
    }
}

/// Calls by the first way that can be reached.
pub(super) fn by_any<T: DeserializeOwned>(
    vias: &[Transport],
    method: &Method,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> Result<T, CallError> {
    let (via, bytes) = by_first(vias, method, path, body, limit)?;
    read_typed(&bytes).map_err(|error| CallError::NoAnswer {
        via: via.to_string(),
        why: format!("its response is not valid: {error}"),
    })
}

/// Reads what is not one piece of JSON, as it is.
pub(super) fn text_by_any(vias: &[Transport], path: &str, limit: Duration) -> Result<String, CallError> {
    let (via, bytes) = by_first(vias, &Method::GET, path, None, limit)?;
    String::from_utf8(bytes.into())
        .map_err(|_| CallError::NoAnswer { via: via.to_string(), why: "its response is not text".to_owned() })
}

/// Reads an answer whatever its status: where it came from, the status, and its text.
pub(super) fn answer_by_any<'v>(
    vias: &'v [Transport],
    method: &Method,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> Result<(&'v Transport, StatusCode, String), CallError> {
    let (via, (status, bytes)) = first_of(vias, |via| ask(via, method, path, body, limit))?;
    Ok((via, status, String::from_utf8_lossy(&bytes).into_owned()))
}

fn by_first<'v>(
    vias: &'v [Transport],
    method: &Method,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> Result<(&'v Transport, Bytes), CallError> {
    first_of(vias, |via| call(via, method, path, body, limit))
}

fn first_of<T>(
    vias: &[Transport],
    call: impl Fn(&Transport) -> Result<T, CallError>,
) -> Result<(&Transport, T), CallError> {
    let mut last = CallError::Unreachable { via: "it".to_owned(), why: "no address of it is known".to_owned() };
    for via in vias {
        match call(via) {
            Err(error @ CallError::Unreachable { .. }) => last = error,
            other => return other.map(|answer| (via, answer)),
        }
    }
    Err(last)
}

fn call(
    via: &Transport,
    method: &Method,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> Result<Bytes, CallError> {
    let (status, bytes) = ask(via, method, path, body, limit)?;
    if !status.is_success() {
        return Err(match read_typed::<ErrorReply>(&bytes) {
            Ok(reply) => CallError::Refused { code: reply.error.code, message: reply.error.message },
            Err(_) => CallError::Refused {
                code: "http".to_owned(),
                message: format!(
                    "{via} answered {status}, which is not a response of Serin's admin port: is it another program?"
                ),
            },
        });
    }
    Ok(bytes)
}

fn ask(
    via: &Transport,
    method: &Method,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> Result<(StatusCode, Bytes), CallError> {
    let unreachable = |why: String| CallError::Unreachable { via: via.to_string(), why };
    let no_answer = |why: String| CallError::NoAnswer { via: via.to_string(), why };
    let mut request = Request::builder().method(method).uri(path);
    request = match via {
        Transport::Socket(_) => request.header(HOST, "localhost"),
        Transport::Tcp { authority, token } => {
            let request = request.header(HOST, authority);
            match token {
                Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
                None => request,
            }
        }
    };
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let request = request.body(Full::new(bytes)).map_err(|error| unreachable(error.to_string()))?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unreachable(error.to_string()))?;
    runtime.block_on(async {
        let late = || format!("not within {} s", limit.as_secs());
        let connected = tokio::time::timeout(limit, async {
            match via {
                Transport::Socket(path) => {
                    let stream = app::connect_socket(path)?;
                    stream.set_nonblocking(true)?;
                    Ok(Box::new(tokio::net::UnixStream::from_std(stream)?) as Box<dyn Stream>)
                }
                Transport::Tcp { authority, .. } => {
                    Ok(Box::new(tokio::net::TcpStream::connect(authority.as_str()).await?) as Box<dyn Stream>)
                }
            }
        });
        let stream = match connected.await {
            Ok(connected) => connected.map_err(|error: std::io::Error| unreachable(error.to_string()))?,
            Err(_) => return Err(unreachable(late())),
        };
        match tokio::time::timeout(limit, exchange(stream, request)).await {
            Ok(answer) => answer.map_err(no_answer),
            Err(_) => Err(no_answer(late())),
        }
    })
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

async fn exchange(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
    let text_of = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text_of)?;
    let answered = async {
        let answer = sender.send_request(request).await.map_err(text_of)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(answered, connection);
    tokio::select! {
        answer = &mut answered => answer,
        // The connection may end first with the answer already here.
        _ = &mut connection => answered.await,
    }
}
