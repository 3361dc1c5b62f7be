//! The path of one request, in eight stops.
//!
//! [`serve`] shows their order and nothing else; each stop is a call to the file that owns it. A problem at any stop
//! becomes a response at the last one. The request ends, exactly once, when the body of its response is dropped.
//! Invariant: a request is dispatched by what is in force at that moment, or planned anew.

use std::pin::pin;
use std::rc::Rc;

use http::{HeaderName, Request, Response};
use hyper::body::{Body as _, Incoming};

use super::client_request::ClientRequest;
use super::named_state::NamedState;
use super::progress::Progress;
use super::read::ReadRequest;
use crate::proxy::attempt::failover::{Failover, FailoverResult};
use crate::proxy::core::{Core, InUse};
use crate::proxy::downstream::client_connection::{ClientConnection, OpenRequest};
use crate::proxy::response::error::ProxyError;
use crate::proxy::response::reply::{Reply, ReplyBody};
use crate::proxy::response::respond::{announce_close, relay};

const X_SERIN_REQUEST_ID: HeaderName = HeaderName::from_static("x-serin-request-id");

/// Answers one request.
pub(crate) async fn serve(connection: Rc<ClientConnection>, request: Request<Incoming>) -> Response<Reply> {
    let core = &connection.core;
    let open_request = OpenRequest::new(&connection); // 1. accept
    let in_use = core.in_use(); // 2. take the snapshot
    let progress = Progress::begin(&connection, &in_use, &request);
    let answer = core
        .unless_cut(pin!(async {
            let (parts, body) = request.into_parts(); // 3. read the facts
            let known = (progress.id.get(), body.is_end_stream());
            let mut request = ReadRequest::admit(&connection, &in_use, parts, progress.rare_headers, known)?;
            if request.read_body(&connection, &in_use, body).await? {
                progress.body_was_read();
            }
            loop {
                let in_use = core.in_use(); // Time has passed since the last look.
                let peek = request.peek(&in_use)?;
                let named = NamedState::of(&request, core, &in_use, peek.as_ref());
                let plan = request.plan(core, &in_use, peek.as_ref(), named.state)?; // 4. admit and plan
                progress.seal(core, &in_use, &plan, &request);
                let client_request = ClientRequest::of(&request, peek.as_ref(), &named);
                let mut failover = Failover::begin(core, &in_use, plan, &client_request, progress.planned());
                let candidate = failover.begin_attempt(); // 5. attempt
                let result = failover.send(candidate).await; // 6. upstream
                match failover.conclude(result).await? {
                    FailoverResult::Answer(answer) => return Ok::<_, ProxyError>((answer, request.take_upgrade())),
                    FailoverResult::Replan(earlier) => progress.plan_anew(earlier),
                }
            }
        }))
        .await
        .unwrap_or(Err(ProxyError::Stopping));
    let response = answer.and_then(|(answer, upgrade)| relay(&connection, answer, upgrade)); // 7. relay
    finish(core, &in_use, open_request, progress, response) // 8. finish, when the response's body is dropped
}

/// Completes the response, and ties the end of the request to the end of its body.
fn finish(
    core: &Core,
    in_use: &InUse,
    open_request: OpenRequest,
    progress: Progress<'_>,
    response: Result<Response<ReplyBody>, ProxyError>,
) -> Response<Reply> {
    let (id, version) = (progress.id.get(), progress.version);
    let mut response = response.unwrap_or_else(|problem| {
        let unread = progress.is_unread();
        let mut response = progress.reject(&problem);
        announce_close(unread, version, response.headers_mut());
        response
    });
    if in_use.snapshot.policy.response_headers {
        response.headers_mut().insert(X_SERIN_REQUEST_ID, core.request_ids.header(id));
    }
    announce_close(core.is_draining(), version, response.headers_mut());
    response.map(|body| Reply::new(body, open_request))
}
