//! Reads a request: its head, and its body where the split or a provider needs it.
//!
//! Owns which requests may pass, and what is read of them: path, framing, the client's key, a held body. One value for
//! all of that, filled in place, by which the request is planned as often as that is necessary. Attempts are made from
//! a [view of it](super::client_request). A browser's preflight passes without a key of `clients`, since no key of
//! Serin's goes with it. Invariants: a request that may not pass is rejected before a byte of its body is read; and
//! nothing of it is changed but one thing: a key that was meant for Serin is taken off.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, ORIGIN};
use http::{Method, Version, request};
use hyper::body::{Body as _, Incoming};

use super::call::Call;
use super::handshake::{self, ClientSide};
use super::headers::{self, RareHeaders};
use super::memory::{self, HeldBody, WholeBody};
use super::recording::Recorder;
use super::request_id::RequestId;
use super::reservation::Reservation;
use super::uri;
use crate::clock;
use crate::decide::guard::sources::SourceGroup;
use crate::decide::route::{self, Facts, Plan, Purpose, RouteReason, RouteShare};
use crate::decide::state_at::{Bound, StateAt};
use crate::proxy::core::{Core, InUse};
use crate::proxy::downstream::client_connection::ClientConnection;
use crate::proxy::response::error::{ProxyError, shown};
use crate::wire::body::{self, Peek, PeekError};
use crate::wire::dialect::Dialect;
use crate::wire::segments;

/// A request that may pass.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    pub(crate) id: Cell<RequestId>,
    pub(crate) parts: request::Parts,
    /// Where the part of the path below the mount begins.
    below_at: usize,
    /// Whether the client asks to leave HTTP.
    pub(crate) upgrade: bool,
    /// Whether that is for a WebSocket.
    pub(crate) websocket: bool,
    /// Whether there is a `Connection` header.
    pub(super) connection: bool,
    /// `None`: it is no call of gRPC.
    pub(crate) grpc: Option<Call>,
    /// Whether it has no key of `clients`, so that nothing of Serin's goes with it: no key, no header, no query.
    pub(crate) unauthenticated: bool,
    /// Its source for the guard: a client by its key, else the address of the connection.
    source: SourceGroup,
    /// The API that it uses.
    pub(crate) dialect: Dialect,
    pub(super) held: HeldBody,
    /// What a call sends, which is kept while it is forwarded; then no other body is held.
    pub(crate) recorder: RefCell<Option<Recorder>>,
    /// The client's side of the connection, where it asks to leave HTTP.
    client_side: RefCell<Option<ClientSide>>,
}

impl ReadRequest {
    /// Reads the head, and rejects requests that may not pass. `bodiless`: nothing follows the head.
    pub(super) fn admit(
        connection: &ClientConnection,
        in_use: &InUse,
        mut parts: request::Parts,
        rare_headers: RareHeaders,
        (id, bodiless): (RequestId, bool),
    ) -> Result<ReadRequest, ProxyError> {
        let policy = &in_use.snapshot.policy;
        let over_http2 = parts.method == Method::CONNECT;
        if over_http2 {
            if !handshake::is_over_http2(&parts) {
                return Err(ProxyError::Connect);
            }
            handshake::make_http1(&mut parts, connection.core.random_bytes());
        }
        if parts.method == Method::TRACE {
            return Err(ProxyError::Trace);
        }
        let hosts = rare_headers.hosts;
        if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
            return Err(ProxyError::Host(hosts));
        }
        let path = parts.uri.path();
        if segments::has_dots(path) {
            return Err(ProxyError::Dots(shown(path)));
        }
        let Some(below) = uri::below(path, &policy.mount) else {
            return Err(ProxyError::OutsideMount { path: shown(path), mount: policy.mount.clone() });
        };
        let below_at = path.len() - below.len();
        if rare_headers.coded
            && let Some(coding) = headers::unknown_coding(&parts.headers)
        {
            return Err(ProxyError::TransferEncoding(coding));
        }
        let upgrade = over_http2 || (rare_headers.upgrades && headers::asks_to_upgrade(&parts.headers));
        let generates = parts.method == Method::POST || upgrade;
        let dialect = if generates && !rare_headers.grpc { Dialect::of(below) } else { Dialect::Plain };
        let (mut source, mut unauthenticated) = (&connection.source, false);
        if !policy.clients.is_empty() {
            match in_use.prepared.key_places.take(&policy.clients, &mut parts) {
                Some(client) => {
                    source = &in_use.prepared.clients[client];
                    if let Some(limit) = &in_use.prepared.client_limits[client] {
                        limit.admit(&policy.clients[client])?;
                    }
                }
                None => unauthenticated = true,
            }
        }
        if unauthenticated && (upgrade || !bodiless || !is_preflight(&parts)) {
            return Err(ProxyError::Unauthorized);
        }
        let grpc = match rare_headers.grpc {
            false => None,
            // Its status would have no place in the answer.
            true if parts.version != Version::HTTP_2 => return Err(ProxyError::GrpcVersion),
            true => Some(Call::of(&parts.headers, clock::instant())?),
        };
        let websocket = upgrade && handshake::is_handshake(&parts);
        Ok(ReadRequest {
            id: Cell::new(id),
            below_at,
            upgrade,
            websocket,
            connection: rare_headers.connection,
            grpc,
            unauthenticated,
            source: source.group,
            dialect,
            held: HeldBody::default(),
            recorder: RefCell::default(),
            client_side: RefCell::new(if upgrade {
                handshake::client_side(&mut parts, over_http2, websocket)
            } else {
                None
            }),
            parts,
        })
    }

    /// Whether it asks for a protocol of which Serin does not know when it has begun.
    pub(crate) fn leaves_http(&self) -> bool {
        self.upgrade && !self.websocket
    }

    /// A copy of a request that passed, with its whole body.
    pub(crate) fn of_copy(parts: request::Parts, below_at: usize, dialect: Dialect, body: Bytes) -> ReadRequest {
        ReadRequest {
            id: Cell::new(RequestId::NONE),
            below_at,
            upgrade: false,
            websocket: false,
            connection: parts.headers.contains_key(CONNECTION),
            grpc: None,
            unauthenticated: false,
            source: SourceGroup::default(),
            dialect,
            held: HeldBody::of_copy(body),
            recorder: RefCell::default(),
            client_side: RefCell::default(),
            parts,
        }
    }

    /// Where the path below the mount begins.
    pub(crate) const fn below_at(&self) -> usize {
        self.below_at
    }

    /// Whether any answer of success would tell the client that its session has begun.
    pub(crate) fn begins_by_success(&self) -> bool {
        self.client_side.borrow().as_ref().is_some_and(|client| client.over_http2)
    }

    /// The path below the mount.
    pub(crate) fn below(&self) -> &str {
        self.parts.uri.path().get(self.below_at..).unwrap_or_default()
    }

    /// Reads the body, where it has to be known before the request can go anywhere. Returns whether the request has
    /// come whole.
    pub(super) async fn read_body(
        &mut self,
        connection: &ClientConnection,
        in_use: &InUse,
        body: Incoming,
    ) -> Result<bool, ProxyError> {
        let bodiless = body.is_end_stream();
        let is_json = || memory::may_be_json(&self.parts.headers);
        let reads = !self.upgrade && in_use.prepared.reads_body(self.below(), is_json);
        if self.grpc.is_some() && !bodiless && !self.upgrade {
            let (memory, limits) = (Reservation::of(&connection.core.replay), &in_use.snapshot.policy.limits);
            let recorder = Recorder::of(body, memory, (limits.replay_body, limits.replay_memory));
            if !reads {
                recorder.keep_no_more();
            }
            self.recorder.replace(Some(recorder));
        } else if !reads {
            self.held = HeldBody::passing(body);
        } else {
            let (core, limits, headers) = (&connection.core, &in_use.snapshot.policy.limits, &self.parts.headers);
            connection.activity.awaits_body(true);
            let held = memory::hold(&core.replay, limits, headers, body, &connection.wake_filter).await;
            connection.activity.awaits_body(false);
            self.held = held?;
        }
        let is_whole = bodiless || self.held.whole.is_some();
        if is_whole {
            connection.activity.request_is_whole(self.parts.version);
        }
        Ok(is_whole)
    }

    /// The fields of its body that this version of the file needs. A body that cannot be read has none, and the
    /// provider may refuse it.
    pub(crate) fn peek<'a>(&'a self, in_use: &'a InUse) -> Result<Option<Peek<'a>>, ProxyError> {
        let Some(WholeBody { bytes, boundary }) = &self.held.whole else { return Ok(None) };
        let wanted = &in_use.prepared.wanted;
        let peek = match boundary {
            None => body::peek(bytes, wanted),
            Some(boundary) => body::peek_form(bytes, boundary, wanted),
        };
        match peek {
            Ok(peek) => Ok(Some(peek)),
            Err(problem @ PeekError::Duplicate { .. }) if in_use.prepared.decides_by_body(self.below()) => {
                Err(ProxyError::DuplicateKey(problem))
            }
            Err(_) => Ok(None),
        }
    }

    /// What it is planned by. `state`: where the state is that it names.
    pub(crate) fn facts<'a>(&'a self, peek: Option<&'a Peek<'a>>, state: StateAt) -> Facts<'a> {
        Facts {
            purpose: Purpose::of(&self.parts.method, self.upgrade),
            path: self.below(),
            query: self.parts.uri.query(),
            headers: &self.parts.headers,
            body: peek,
            bytes: self.held.whole.as_ref().map(|whole| &*whole.bytes),
            state,
        }
    }

    /// Where it goes by what is in force now.
    pub(super) fn plan(
        &self,
        core: &Core,
        in_use: &InUse,
        peek: Option<&Peek<'_>>,
        state: StateAt,
    ) -> Result<Plan, ProxyError> {
        let snapshot = &in_use.snapshot;
        let facts = |state| self.facts(peek, state);
        let in_force = |id| {
            let rollout = snapshot.in_force(id);
            RouteShare { percent: rollout.percent, buckets_only: rollout.buckets_only }
        };
        let planned = |state| {
            route::plan(&snapshot.policy, in_force, &facts(state), || core.draw()).map_err(ProxyError::Unmatched)
        };
        let mut plan = planned(state)?;
        if plan.bound == Bound::Known && snapshot.is_state_moved(plan.matched, plan.provider) {
            plan = planned(StateAt::Unknown)?;
        }
        let user_hash =
            in_use.prepared.spreads.then(|| route::user_hash(&snapshot.policy, &plan, &facts(state))).flatten();
        let plan = Plan { source: self.source, user_hash, ..plan };
        Ok(if self.held.unheld { plan.back_on_stable(&snapshot.policy, RouteReason::Unheld) } else { plan })
    }

    /// Takes the client's side of the connection.
    pub(super) fn take_upgrade(&self) -> Option<ClientSide> {
        self.client_side.take()
    }
}

/// Whether it is a browser's preflight request, which has no credentials whatever the page sends later.
fn is_preflight(parts: &request::Parts) -> bool {
    let has = |name| parts.headers.contains_key(name);
    parts.method == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}
