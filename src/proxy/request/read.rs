//! Reads a request: its head, and its body where the split or a provider needs it.
//!
//! Makes the [`ReadRequest`] from which the request is planned, as often as that is necessary, and from which its
//! attempts are made. Refuses to plan. Invariant: a request that may not pass is rejected before a byte of its body is
//! read.

use std::cell::RefCell;

use http::{Method, Request, request};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

use super::arrival::Arrival;
use super::client_request::ClientRequest;
use super::head::{self, RequestHead};
use super::memory::HeldBody;
use super::progress::Progress;
use crate::decide::route::Plan;
use crate::proxy::core::{Core, InUse};
use crate::proxy::downstream::client_connection::ClientConnection;
use crate::proxy::response::error::Problem;
use crate::wire::body::Peek;
use crate::wire::dialect::Dialect;

/// A request that was read: it owns what a [`ClientRequest`] borrows, over all plans.
#[derive(Debug)]
pub(super) struct ReadRequest {
    head: RequestHead,
    parts: request::Parts,
    held: HeldBody,
    dialect: Dialect,
    /// The client's side of the connection, where it asks for an upgrade.
    upgrade: RefCell<Option<OnUpgrade>>,
}

/// Reads the facts by which a request is planned.
pub(super) async fn read_facts(
    connection: &ClientConnection,
    in_use: &InUse,
    request: Request<Incoming>,
    arrival: &Arrival,
    progress: &Progress<'_>,
) -> Result<ReadRequest, Problem> {
    let (mut parts, body) = request.into_parts();
    let known = (arrival.id, body.is_end_stream());
    let head = RequestHead::admit(connection, in_use, &mut parts, arrival.rare_headers, known)?;
    let held = head.hold(connection, in_use, &parts, body).await?;
    if held.whole.is_some() {
        progress.body_was_read();
    }
    if !progress.is_unread() {
        connection.activity.request_is_whole(parts.version);
    }
    let upgrade = RefCell::new(head.client_side(&mut parts));
    let generates = parts.method == Method::POST || head.upgrade;
    let dialect = if generates { Dialect::of(head.below(&parts.uri)) } else { Dialect::Plain };
    Ok(ReadRequest { head, parts, held, dialect, upgrade })
}

impl ReadRequest {
    /// The fields of its body that this version of the file needs.
    pub(super) fn peek<'a>(&'a self, in_use: &'a InUse) -> Result<Option<Peek<'a>>, Problem> {
        head::peek(self.held.whole.as_ref(), in_use)
    }

    /// Where it goes by what is in force now.
    pub(super) fn plan(&self, core: &Core, in_use: &InUse, peek: Option<&Peek<'_>>) -> Result<Plan, Problem> {
        self.head.plan(core, in_use, &self.parts, (&self.held, peek))
    }

    /// What its attempts are made from.
    pub(super) fn client_request<'a>(&'a self, peek: Option<&'a Peek<'a>>) -> ClientRequest<'a> {
        ClientRequest {
            request_head: self.head,
            parts: &self.parts,
            read: self.held.whole.as_ref().map(|whole| &whole.bytes).zip(peek),
            body: &self.held.body,
            streaming: head::asks_for_stream(peek, &self.parts.headers),
            dialect: self.dialect,
        }
    }

    /// Takes the client's side of the connection.
    pub(super) fn take_upgrade(&self) -> Option<OnUpgrade> {
        self.upgrade.take()
    }
}
