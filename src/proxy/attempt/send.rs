//! One attempt at one provider: a connection, a last check of the plan, the request, the response's head.
//!
//! Owns the one silent retry: a pooled connection that turns out to be dead before any byte of a response is no
//! attempt, and is replaced once by a fresh one. Refuses to choose providers, to count, and to hold bodies. The request
//! is made once there is a connection for it, and anew for the retry. Invariant: between the check and the hand-over to
//! hyper nothing waits, so no request is dispatched by a rollout that was rolled back meanwhile.

use std::fmt;
use std::sync::Arc;

use http::{Request, Response};

use super::deadline::Deadline;
use crate::decide::cause::{Cause, HandshakeFault, NoConnection};
use crate::decide::outcome::Ending;
use crate::decide::policy::Provider;
use crate::proxy::request::body::RequestBody;
use crate::proxy::response::body::ProviderBody;
use crate::proxy::response::error::ProxyError;
use crate::proxy::upstream::deadline::SendLimits;
use crate::proxy::upstream::response_source::ResponseSource;
use crate::proxy::upstream::send_error::SendError;
use crate::proxy::upstream::upstreams::Upstreams;

/// Why an attempt has no answer.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The plan no longer stood before anything was sent: the request is planned anew.
    Replan,
    /// No request can be made for this provider.
    Unfit(ProxyError),
    /// The provider's limit had no room: another candidate is asked. `comes_back`: and this one after it. `problem`:
    /// what the client gets if there is none.
    Full { comes_back: bool, problem: ProxyError },
    /// A limit refuses the request.
    Refused(ProxyError),
    /// The provider gave none.
    Failed(Failure),
    /// Serin ends.
    Cut,
}

/// A failed attempt, where there is no answer that says how it ended.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) ending: Ending,
    /// What went wrong, for logs and the client: `Display` has no secrets.
    pub(crate) fault: Fault,
}

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Fault {
    Connect(NoConnection),
    /// There was no answer.
    Send(SendError),
    /// What answered a WebSocket's handshake did not accept it.
    Handshake(HandshakeFault),
    /// The request's body was gone.
    Spent,
    /// The guard found the canary down.
    Withdrawn,
    /// An operator ended what was under way on the canary.
    RolledBack,
    /// The client stopped waiting.
    Expired,
}

impl Fault {
    /// As it is counted and shown; `None`: it was not the provider.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            Fault::Connect(error) => Some(Cause::NoConnection(error.clone())),
            Fault::Send(error) => error.cause(),
            Fault::Withdrawn => Some(Cause::Withdrawn),
            Fault::Handshake(fault) => Some(Cause::Handshake(fault.clone())),
            Fault::Expired => Some(Cause::Expired),
            Fault::Spent | Fault::RolledBack => None,
        }
    }

    /// Whether the provider is unreachable, whatever the request is.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Fault::Connect(error) if error.is_unreachable())
    }

    /// Whether the provider refused the connection at once.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Fault::Connect(error) if error.is_connection_refused())
    }

    /// Whether a file of Serin's own cannot be used, so that no provider was asked.
    pub(super) fn is_own_file(&self) -> bool {
        matches!(self, Fault::Connect(NoConnection::TlsFile { .. }))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Connect(error) => error.fmt(f),
            Fault::Send(error) => error.fmt(f),
            Fault::Withdrawn => Cause::Withdrawn.fmt(f),
            Fault::Handshake(fault) => Cause::Handshake(fault.clone()).fmt(f),
            Fault::Expired => Cause::Expired.fmt(f),
            Fault::RolledBack => f.write_str("an operator rolled the canary back and ended its requests"),
            Fault::Spent => f.write_str("the request's body was given away already"),
        }
    }
}

/// What an attempt is sent with: one value, since the silent retry needs all of it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dispatch<'a> {
    pub(crate) upstreams: &'a Upstreams,
    pub(crate) provider: &'a Arc<Provider>,
    /// The egress proxy.
    pub(crate) egress: Option<&'a str>,
    /// Whether the client asks to leave HTTP.
    pub(crate) upgrade: bool,
    /// Whether HTTP/1.1 will not do.
    pub(crate) needs_http2: bool,
    /// Its deadline holds for the connection as well, the queue included.
    pub(crate) limits: SendLimits,
}

impl Dispatch<'_> {
    async fn connection(&self, fresh: bool) -> Result<ResponseSource, AttemptError> {
        let at = self.limits.deadline.and_then(Deadline::at);
        let Some(at) = at else {
            return self.connect(fresh).await.map_err(no_connection).and_then(|source| self.fit(source));
        };
        match Box::pin(tokio::time::timeout_at(at.into(), self.connect(fresh))).await {
            Ok(connection) => connection.map_err(no_connection).and_then(|source| self.fit(source)),
            Err(_) => Err(no_connection(self.upstreams.timed_out(self.provider, self.egress))),
        }
    }

    /// The connection, unless it is of the wrong version of HTTP: then others use it, and nobody failed.
    fn fit(&self, source: ResponseSource) -> Result<ResponseSource, AttemptError> {
        if self.needs_http2 && !matches!(source, ResponseSource::Http2(_)) {
            return Err(AttemptError::Unfit(ProxyError::NoHttp2 { provider: self.provider.name.clone() }));
        }
        Ok(source)
    }

    // What is rare is boxed, so that the place of a request's future stays small.
    async fn connect(&self, fresh: bool) -> Result<ResponseSource, NoConnection> {
        if self.upgrade {
            Box::pin(self.upstreams.for_upgrade(self.provider, self.egress, fresh)).await
        } else if fresh {
            Box::pin(self.upstreams.connect(self.provider, self.egress)).await
        } else {
            self.upstreams.acquire(self.provider, self.egress).await
        }
    }
}

/// Sends a request to the provider and waits for the response's head. `still_stands` is called right before each
/// hand-over and says whether the plan stands, and then `make_request`: once, and once more if a stale connection is
/// replaced. `make_request` returns `None` if the body is gone; `give_back` gets a body that was not sent.
pub(crate) async fn run(
    dispatch: &Dispatch<'_>,
    mut still_stands: impl FnMut() -> bool,
    mut make_request: impl FnMut() -> Result<Option<Request<RequestBody>>, ProxyError>,
    give_back: impl FnOnce(RequestBody),
) -> Result<Response<ProviderBody>, AttemptError> {
    let connection = dispatch.connection(false).await?;
    if !still_stands() {
        return Err(AttemptError::Replan);
    }
    let Some(request) = make_request().map_err(AttemptError::Unfit)? else { return Err(spent()) };
    let reused = connection.is_reused();
    // `send` hands it over at its first poll, which is now.
    let again = match connection.send(request, dispatch.limits).await {
        Ok(response) => return Ok(response),
        Err(SendError::Unsent(request, _)) => {
            give_back(request.into_body());
            None
        }
        Err(error @ (SendError::Lost(_) | SendError::Unprocessed(_))) if reused => {
            // A body that went with the first cannot be sent again.
            let Some(request) = make_request().map_err(AttemptError::Unfit)? else { return Err(failed(error)) };
            Some(request)
        }
        Err(error) => return Err(failed(error)),
    };
    Box::pin(send_again(dispatch, again, still_stands, make_request)).await
}

/// Sends it once more, on a connection that cannot be stale.
async fn send_again(
    dispatch: &Dispatch<'_>,
    again: Option<Request<RequestBody>>,
    mut still_stands: impl FnMut() -> bool,
    mut make_request: impl FnMut() -> Result<Option<Request<RequestBody>>, ProxyError>,
) -> Result<Response<ProviderBody>, AttemptError> {
    let connection = dispatch.connection(true).await?;
    if !still_stands() {
        return Err(AttemptError::Replan);
    }
    let request = match again {
        Some(request) => Some(request),
        None => make_request().map_err(AttemptError::Unfit)?,
    };
    let Some(request) = request else { return Err(spent()) };
    connection.send(request, dispatch.limits).await.map_err(failed)
}

// Never reached as long as no candidate is asked with a body that was given away.
fn spent() -> AttemptError {
    AttemptError::Failed(Failure { ending: Ending::CutBySerin, fault: Fault::Spent })
}

fn no_connection(error: NoConnection) -> AttemptError {
    let ending = if error.is_ours() { Ending::CutBySerin } else { Ending::NoConnection };
    AttemptError::Failed(Failure { ending, fault: Fault::Connect(error) })
}

fn failed(error: SendError) -> AttemptError {
    AttemptError::Failed(Failure { ending: ending_of(&error), fault: Fault::Send(error) })
}

/// How an attempt ended that has no response.
pub(crate) fn ending_of(error: &SendError) -> Ending {
    match error {
        SendError::HeadTimeout(_) => Ending::HeadTimeout,
        SendError::ClientBroke | SendError::ClientPaused(_) => Ending::ClientLeft,
        SendError::Unsent(..)
        | SendError::Unprocessed(_)
        | SendError::Lost(_)
        | SendError::FirstStream(_)
        | SendError::Reset(_)
        | SendError::Protocol(_)
        | SendError::Framing(_) => Ending::NoHead,
    }
}
