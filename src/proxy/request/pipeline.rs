//! The path of one request, in eight stops.
//!
//! This file shows their order and nothing else; each stop is a call to the file that owns it. Whatever goes wrong at
//! a stop is a [`Problem`], and leaves through [`rescue`]. Invariant: a request is dispatched by what is in force at
//! that moment, or planned anew.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

use http::{HeaderName, Method, Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

use super::head::{self, RareHeaders, ReadBody, RequestHead};
use super::outbound::ClientRequest;
use super::request_id::RequestId;
use crate::clock;
use crate::proxy::attempt::failover::{self, FailoverResult};
use crate::proxy::attempt::replanned::EarlierPlans;
use crate::proxy::attempt::sinks;
use crate::proxy::core::{InUse, OpenRequest};
use crate::proxy::downstream::lifetime::ClientConnection;
use crate::proxy::response::access::Unplanned;
use crate::proxy::response::error::Problem;
use crate::proxy::response::problem::{self, ErrorShape};
use crate::proxy::response::relay::{self, Answer, Reply, ReplyBody};
use crate::wire::dialect::Dialect;

const X_SERIN_REQUEST_ID: HeaderName = HeaderName::from_static("x-serin-request-id");

/// Answers one request.
pub(crate) async fn handle(conn: Rc<ClientConnection>, request: Request<Incoming>) -> Response<Reply> {
    let open_request = OpenRequest::new(&conn); // 1. accepted
    let core = &conn.core;
    let version = request.version();
    let marks = RareHeaders::of(request.headers());
    let in_use = core.in_use(); // 2. the snapshot
    let shape = ErrorShape::of(&in_use.snapshot.policy.mount, request.uri().path(), marks.grpc);
    let id = core.request_ids.next();
    let arrived = clock::instant();
    let progress = Progress {
        unread: Cell::new(!request.body().is_end_stream()),
        planned: Cell::new(false),
        before: RefCell::default(),
    };
    let unplanned = Unplanned::of(core, &in_use, &progress.planned, &request, (id, arrived));
    let serving = pin!(serve(&conn, &in_use, request, marks, id, arrived, &progress));
    let answer = core.unless_cut(serving).await.unwrap_or(Err(Problem::Stopping));
    let mut response = match answer.and_then(|(answer, upgrade)| relay::answer(&conn, answer, upgrade)) {
        Ok(response) => response, // 7. relay, and 8. finish when its body has ended
        Err(problem) => {
            let mut response = problem::answer(&problem, shape).map(ReplyBody::Own);
            if !progress.planned.get() {
                let before = progress.before.take();
                sinks::rejected(&before);
                if let Some(unplanned) = unplanned {
                    unplanned.rejected(response.status(), &problem, &before);
                }
            }
            relay::announce_close(progress.unread.get(), version, response.headers_mut());
            response
        }
    };
    if in_use.snapshot.policy.response_headers {
        response.headers_mut().insert(X_SERIN_REQUEST_ID, core.request_ids.header(id));
    }
    relay::announce_close(core.is_draining(), version, response.headers_mut());
    response.map(|body| Reply::new(body, open_request))
}

/// How far a request has come.
struct Progress {
    /// Whether some of its body was not read.
    unread: Cell<bool>,
    /// Whether it has an account.
    planned: Cell<bool>,
    /// What was attempted by plans that no longer stand.
    before: RefCell<EarlierPlans>,
}

async fn serve(
    conn: &ClientConnection,
    in_use: &InUse,
    request: Request<Incoming>,
    marks: RareHeaders,
    id: RequestId,
    arrived: Instant,
    progress: &Progress,
) -> Result<(Answer, Option<OnUpgrade>), Problem> {
    let core = &conn.core;
    let (mut parts, incoming) = request.into_parts();
    let request_head = RequestHead::admit(conn, in_use, &mut parts, marks, (id, incoming.is_end_stream()))?; // 3. the facts
    let held = request_head.hold(conn, in_use, &parts, incoming).await?;
    if held.whole.is_some() {
        progress.unread.set(false);
    }
    if !progress.unread.get() {
        conn.activity.is_whole(parts.version);
    }
    let upgrade = request_head.client_side(&mut parts);
    let generates = parts.method == Method::POST || request_head.upgrade;
    let dialect = if generates { Dialect::of(request_head.below(&parts.uri)) } else { Dialect::Plain };
    let body = RefCell::new(Some(held.body));
    loop {
        let in_use = core.in_use(); // reading the body took its time
        let peek = head::peek(held.whole.as_ref(), &in_use)?;
        let read = ReadBody { whole: held.whole.as_ref(), peek: peek.as_ref(), unheld: held.unheld };
        let plan = request_head.plan(core, &in_use, &parts, read)?; // 4. plan
        progress.planned.set(true);
        let original = ClientRequest {
            request_head,
            parts: &parts,
            read: held.whole.as_ref().map(|whole| &whole.bytes).zip(peek.as_ref()),
            body: &body,
            streaming: head::asks_for_stream(peek.as_ref(), &parts.headers),
            dialect,
        };
        // 5. attempts, 6. upstream, until one has answered
        match failover::reach(core, &in_use, plan, &original, (arrived, progress.before.take())).await? {
            FailoverResult::Answer(answer) => return Ok((answer, upgrade)),
            FailoverResult::Replan(before) => {
                progress.planned.set(false);
                progress.before.replace(before);
            }
        }
    }
}
