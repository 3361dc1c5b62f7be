//! One try of one provider: a connection, the last look at what is in force, the request, the answer's head.
//!
//! Owns the one silent repetition: a pooled connection that turns out to be dead before any byte of an answer is no
//! attempt, and is replaced once by a fresh one. Refuses to choose providers, to count, and to hold bodies. Invariant:
//! between the gate's `Go` and the hand-over to hyper nothing waits, so nothing is dispatched by a rollout that was
//! taken back meanwhile.

use std::fmt;
use std::sync::Arc;

use http::header::UPGRADE;
use http::{Request, Response};

use super::body::{AnswerBody, BodyClocks, RequestBody};
use super::upstream::{ConnectError, SendError, Upstreams, Waits};
use crate::decide::outcome::Ending;
use crate::decide::policy::Provider;
use crate::decide::units::Millis;

/// What the last look before a dispatch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Send it.
    Go,
    /// What is in force has changed: plan anew.
    Replan,
}

/// Why an attempt has no answer.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The gate closed before anything was sent; here is the request again.
    Replan(Box<Request<RequestBody>>),
    /// It failed.
    Failed(Failure),
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    /// In the vocabulary of outcomes.
    pub(crate) ending: Ending,
    /// What went wrong, for logs and the client: `Display` has no secrets.
    pub(crate) cause: Cause,
}

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Cause {
    /// There was no connection.
    Connect(ConnectError),
    /// There was no answer.
    Send(SendError),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Connect(error) => error.fmt(f),
            Cause::Send(error) => error.fmt(f),
        }
    }
}

/// Sends the request to the provider and waits for the answer's head. The URI is the path and query to send; the
/// headers are complete but for Host. `gate` is asked right before each hand-over: once, and once more if a stale
/// connection is replaced. `stream_asked` chooses between the two limits for the head;
/// `patience` is how long a client may pause within a body that streams.
pub(crate) async fn run(
    upstreams: &Upstreams,
    provider: &Arc<Provider>,
    egress: Option<&str>,
    request: Request<RequestBody>,
    stream_asked: bool,
    patience: Millis,
    mut gate: impl FnMut() -> Gate,
) -> Result<Response<AnswerBody>, AttemptError> {
    let upgrade = request.headers().contains_key(UPGRADE);
    // What is rare is boxed, so that the place of a request's future stays small.
    let leased = if upgrade {
        Box::pin(upstreams.for_upgrade(provider, egress, false)).await
    } else {
        upstreams.acquire(provider, egress).await
    };
    let lease = match leased {
        Ok(lease) => lease,
        Err(error) => return Err(no_connection(error)),
    };
    let spare = if lease.is_reused() { replay(&request) } else { None };
    if gate() == Gate::Replan {
        return Err(AttemptError::Replan(Box::new(request)));
    }
    let waits = waits(provider, stream_asked, patience);
    // `send` hands over before it returns its future.
    let (error, spare) = match lease.send(request, waits).await {
        Ok(response) => return Ok(response),
        Err(SendError::Unsent(request, error)) => (SendError::Lost(error), Some(*request)),
        Err(error @ (SendError::Lost(_) | SendError::Unprocessed(_))) => (error, spare),
        Err(error) => (error, None),
    };
    match spare {
        Some(request) => Box::pin(again(upstreams, provider, egress, request, upgrade, waits, gate)).await,
        None => Err(failed(error)),
    }
}

/// The same once more, on a connection that cannot be stale.
async fn again(
    upstreams: &Upstreams,
    provider: &Arc<Provider>,
    egress: Option<&str>,
    request: Request<RequestBody>,
    upgrade: bool,
    waits: Waits,
    mut gate: impl FnMut() -> Gate,
) -> Result<Response<AnswerBody>, AttemptError> {
    let leased = if upgrade {
        upstreams.for_upgrade(provider, egress, true).await
    } else {
        upstreams.connect(provider, egress).await
    };
    let lease = match leased {
        Ok(lease) => lease,
        Err(error) => return Err(no_connection(error)),
    };
    if gate() == Gate::Replan {
        return Err(AttemptError::Replan(Box::new(request)));
    }
    lease.send(request, waits).await.map_err(failed)
}

fn waits(provider: &Provider, stream_asked: bool, client: Millis) -> Waits {
    let timeouts = &provider.timeouts;
    Waits {
        head: if stream_asked { timeouts.stream_headers } else { timeouts.headers },
        client,
        body: BodyClocks { first_output: timeouts.first_output, idle: timeouts.idle },
    }
}

/// The same request once more, where its body can be sent again.
fn replay(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let mut copy = Request::new(request.body().replay()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn no_connection(error: ConnectError) -> AttemptError {
    let ending = if error.is_ours() { Ending::CutBySerin } else { Ending::NoConnection };
    AttemptError::Failed(Failure { ending, cause: Cause::Connect(error) })
}

fn failed(error: SendError) -> AttemptError {
    let ending = match &error {
        SendError::HeadTimeout(_) => Ending::HeadTimeout,
        SendError::ClientBroke | SendError::ClientPaused(_) => Ending::ClientLeft,
        SendError::Unsent(..)
        | SendError::Unprocessed(_)
        | SendError::Lost(_)
        | SendError::FirstStream(_)
        | SendError::Reset(_)
        | SendError::Protocol(_)
        | SendError::Framing(_) => Ending::NoHead,
    };
    AttemptError::Failed(Failure { ending, cause: Cause::Send(error) })
}
