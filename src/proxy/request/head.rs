//! What the head of a request says, and whether the request may pass.
//!
//! Reads the path, the framing and the client's key, and plans by them and by the body where the split needs it. A
//! request that may not pass is rejected before a byte of its body is read. A browser's preflight passes without a key
//! of `clients`, since no key of Serin's goes with it. Invariant: nothing of the request is changed but one thing: a
//! key that was meant for Serin is taken off.

use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, ORIGIN, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Method, Uri, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::headers;
use super::memory::{self, HeldBody, WholeBody};
use super::request_id::RequestId;
use super::uri;
use crate::decide::guard::sources::SourceGroup;
use crate::decide::route::{self, Facts, Plan, Purpose, RouteReason, RouteShare};
use crate::proxy::core::{Core, InUse};
use crate::proxy::downstream::client_connection::ClientConnection;
use crate::proxy::response::error::{Problem, shown};
use crate::wire::body::{self, Peek, PeekError};
use crate::wire::segments;

/// What the head of a request says. Copied to every attempt, and small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead {
    pub(crate) id: RequestId,
    /// Where the part of the path below the mount begins.
    below_at: usize,
    /// Whether the client asks to leave HTTP.
    pub(crate) upgrade: bool,
    /// Whether there is a `Connection` header.
    pub(crate) connection: bool,
    pub(crate) grpc: bool,
    /// Its source for the guard: a client by its key, else the address of the connection.
    source: SourceGroup,
    /// Whether it has no key of `clients`, so that nothing of Serin's goes with it: no key, no header, no query.
    pub(crate) unauthenticated: bool,
}

impl RequestHead {
    /// Reads the head, and rejects requests that may not pass. `bodiless`: nothing follows the head.
    pub(crate) fn admit(
        connection: &ClientConnection,
        in_use: &InUse,
        parts: &mut request::Parts,
        rare_headers: RareHeaders,
        (id, bodiless): (RequestId, bool),
    ) -> Result<RequestHead, Problem> {
        let policy = &in_use.snapshot.policy;
        if parts.method == Method::CONNECT {
            return Err(Problem::Connect);
        }
        if parts.method == Method::TRACE {
            return Err(Problem::Trace);
        }
        let hosts = rare_headers.hosts;
        if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
            return Err(Problem::Host(hosts));
        }
        let path = parts.uri.path();
        if segments::has_dots(path) {
            return Err(Problem::Dots(shown(path)));
        }
        let Some(below) = uri::below(path, &policy.mount) else {
            return Err(Problem::OutsideMount { path: shown(path), mount: policy.mount.clone() });
        };
        let below_at = path.len() - below.len();
        if rare_headers.coded
            && let Some(coding) = headers::unknown_coding(&parts.headers)
        {
            return Err(Problem::TransferEncoding(coding));
        }
        let upgrade = rare_headers.upgrades && headers::asks_to_upgrade(&parts.headers);
        let (mut source, mut unauthenticated) = (&connection.source, false);
        if !policy.clients.is_empty() {
            match in_use.prepared.key_places.take(&policy.clients, parts) {
                Some(client) => source = &in_use.prepared.clients[client],
                None => unauthenticated = true,
            }
        }
        if unauthenticated && (upgrade || !bodiless || !is_preflight(parts)) {
            return Err(Problem::Unauthorized);
        }
        let RareHeaders { connection, grpc, .. } = rare_headers;
        Ok(RequestHead { id, below_at, upgrade, connection, grpc, source: source.group, unauthenticated })
    }

    /// The path below the mount.
    pub(crate) fn below<'a>(&self, uri: &'a Uri) -> &'a str {
        uri.path().get(self.below_at..).unwrap_or_default()
    }

    /// Reads the body, where it has to be known before the request can go anywhere.
    pub(crate) async fn hold(
        &self,
        connection: &ClientConnection,
        in_use: &InUse,
        parts: &request::Parts,
        body: Incoming,
    ) -> Result<HeldBody, Problem> {
        if self.upgrade || !in_use.prepared.reads_body(self.below(&parts.uri)) {
            return Ok(HeldBody::passing(body));
        }
        let limits = &in_use.snapshot.policy.limits;
        connection.activity.awaits_body(true);
        let held = memory::hold(&connection.core.replay, limits, &parts.headers, body, &connection.wake_filter).await;
        connection.activity.awaits_body(false);
        held
    }

    /// The client's end of the connection, where it asks to leave HTTP.
    pub(crate) fn client_side(&self, parts: &mut request::Parts) -> Option<OnUpgrade> {
        if self.upgrade { parts.extensions.remove() } else { None }
    }

    /// Where the request goes by what is in force now.
    pub(crate) fn plan(
        &self,
        core: &Core,
        in_use: &InUse,
        parts: &request::Parts,
        (held, peek): (&HeldBody, Option<&Peek<'_>>),
    ) -> Result<Plan, Problem> {
        let snapshot = &in_use.snapshot;
        let facts = Facts {
            purpose: Purpose::of(&parts.method, self.upgrade),
            path: self.below(&parts.uri),
            query: parts.uri.query(),
            headers: &parts.headers,
            body: peek,
            bytes: held.whole.as_ref().map(|whole| &*whole.bytes),
        };
        let in_force = |id| {
            let rollout = snapshot.in_force(id);
            RouteShare { percent: rollout.percent, buckets_only: rollout.buckets_only }
        };
        let plan = route::plan(&snapshot.policy, in_force, &facts, || core.draw()).map_err(Problem::Unmatched)?;
        let plan = Plan { source: self.source, ..plan };
        Ok(if held.unheld { plan.back_on_stable(&snapshot.policy, RouteReason::Unheld) } else { plan })
    }
}

/// Whether it is a browser's preflight request, which has no credentials whatever the page sends later.
fn is_preflight(parts: &request::Parts) -> bool {
    let has = |name| parts.headers.contains_key(name);
    parts.method == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Headers that most requests do not have, looked for in one walk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RareHeaders {
    hosts: usize,
    coded: bool,
    upgrades: bool,
    connection: bool,
    pub(crate) grpc: bool,
}

impl RareHeaders {
    pub(crate) fn of(headers: &HeaderMap) -> RareHeaders {
        let mut rare_headers = RareHeaders::default();
        for (name, value) in headers {
            rare_headers.grpc |= name == CONTENT_TYPE && value.as_bytes().starts_with(b"application/grpc");
            rare_headers.hosts += usize::from(name == HOST);
            rare_headers.coded |= name == TRANSFER_ENCODING;
            rare_headers.upgrades |= name == UPGRADE;
            rare_headers.connection |= name == CONNECTION;
        }
        rare_headers
    }
}

/// The fields of a held body. One that cannot be read has none, and the provider may refuse it.
pub(crate) fn peek<'a>(whole: Option<&'a WholeBody>, in_use: &'a InUse) -> Result<Option<Peek<'a>>, Problem> {
    let Some(WholeBody { bytes, boundary }) = whole else { return Ok(None) };
    let wanted = &in_use.prepared.wanted;
    let peek = match boundary {
        None => body::peek(bytes, wanted),
        Some(boundary) => body::peek_form(bytes, boundary, wanted),
    };
    match peek {
        Ok(peek) => Ok(Some(peek)),
        Err(problem @ PeekError::Duplicate { .. }) => Err(Problem::DuplicateKey(problem)),
        Err(_) => Ok(None),
    }
}

/// Whether a streamed answer is asked for: by the body where it was read, else by the accepted type.
pub(super) fn asks_for_stream(peek: Option<&Peek<'_>>, headers: &HeaderMap) -> bool {
    match peek {
        Some(peek) => peek.stream(),
        None => headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream")),
    }
}
