//! Turns a provider's answer into the client's response.
//!
//! Owns the response's head: what is taken off and the `x-serin-*` headers that say which provider served the request.
//! The body is a [`Relay`], a tunnel after a 101, or Serin's own bytes where all of it was held. Refuses to decide
//! whether the answer is good. Invariant: a 101 passes only to a client that asked for an upgrade, and
//! to one that asks over HTTP/2, where any success accepts, no other success does.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;

use super::buffered_response::BufferedResponse;
use super::error::ProxyError;
use super::grpc::relay::CallRelay;
use super::relay::{MOST_UNFINISHED, Pace, Relay};
use super::reply::ReplyBody;
use super::upgrade::{self, Carried};
use crate::decide::cause::Cause;
use crate::decide::outcome::Ending;
use crate::proxy::attempt::account::Account;
use crate::proxy::attempt::cause;
use crate::proxy::downstream::client_connection::{ClientConnection, OpenRequest};
use crate::proxy::request::handshake::{self, ClientSide};
use crate::proxy::request::headers;

const X_SERIN_PROVIDER: HeaderName = HeaderName::from_static("x-serin-provider");
const X_SERIN_ROLLOUT: HeaderName = HeaderName::from_static("x-serin-rollout");
const X_SERIN_ARM: HeaderName = HeaderName::from_static("x-serin-arm");
const X_SERIN_GENERATION: HeaderName = HeaderName::from_static("x-serin-generation");
const X_SERIN_ATTEMPTS: HeaderName = HeaderName::from_static("x-serin-attempts");

/// A provider's answer that goes to the client: one value, since the attempts make it and the relay takes it apart.
#[derive(Debug)]
pub(crate) struct ProviderResponse {
    pub(crate) buffered_response: Box<BufferedResponse>,
    pub(crate) account: Box<Account>,
}

/// The response to the client. `upgrade`: the client's end of the connection, where it asked to leave
/// HTTP.
pub(crate) fn relay(
    conn: &Rc<ClientConnection>,
    answer: ProviderResponse,
    upgrade: Option<ClientSide>,
) -> Result<Response<ReplyBody>, ProxyError> {
    let ProviderResponse { buffered_response, account } = answer;
    let BufferedResponse { mut head, mut pieces, rest, broke, observer, unfinished, call, loan, .. } =
        *buffered_response;
    let switching = head.status == StatusCode::SWITCHING_PROTOCOLS;
    if !switching && head.status.is_success() && upgrade.as_ref().is_some_and(|client| client.over_http2) {
        return Err(unfit(account, "its response begins no WebSocket"));
    }
    let scope = account.scope();
    let trusted = scope.is_trusted(account.attempt().candidate.id);
    let observed = (observer.is_some() || call.is_some()) && rest.is_some();
    let request_id = if observed { cause::request_id(&head.headers) } else { None };
    headers::inbound(&mut head.headers, switching, trusted);
    name_provider(&account, &mut head.headers);
    head.version = Version::HTTP_11;
    let is_all = rest.is_none() && pieces.is_empty() && pieces.trailers.is_none();
    if let Some(call) = call.filter(|_| !is_all) {
        let relay = CallRelay::new((pieces, rest, loan), call, account, request_id);
        return Ok(Response::from_parts(head, ReplyBody::Call(relay)));
    }
    let body = match (switching, rest) {
        (true, Some(body)) => {
            let (Some(client), Some(provider)) = (upgrade, head.extensions.remove::<OnUpgrade>()) else {
                return Err(unasked_upgrade(account));
            };
            let websocket = client.websocket;
            if client.over_http2 {
                handshake::accept_over_http2(&mut head);
            } else {
                conn.activity.is_upgraded();
            }
            let (client, open_request) = (client.on_upgrade, OpenRequest::new(conn));
            upgrade::carry(Carried { client, provider, place: body, account, open_request, websocket });
            ReplyBody::Own(Bytes::new())
        }
        (_, None) if broke.is_none() && pieces.is_one() => ReplyBody::Own(pieces.take().unwrap_or_default()),
        (_, rest) => {
            let framed = observer.as_ref().is_some_and(|observer| observer.takes_error_event());
            let midway = framed && rest.is_some() && unfinished > 0;
            let waits = midway && unfinished <= MOST_UNFINISHED;
            let unfinished = if waits { pieces.split_off(unfinished) } else { BytesMut::new() };
            let relay = Relay::begin(Relay {
                remaining: rest.as_ref().and_then(|rest| rest.size_hint().exact()),
                pieces,
                unfinished,
                midway: midway && !waits,
                next: None,
                rest,
                broke,
                observer,
                account,
                request_id,
                pace: Pace::default(),
                over: false,
                loan: Some(loan),
            });
            relay.map_or(ReplyBody::Own(Bytes::new()), ReplyBody::Relayed)
        }
    };
    Ok(Response::from_parts(head, body))
}

/// The provider switched protocols although the client did not ask for it.
fn unasked_upgrade(mut account: Box<Account>) -> ProxyError {
    let said = "it answered 101 to a request that asked for no upgrade";
    account.note_cause(Cause::NotHttp { error: said.to_owned() }, None);
    unfit(account, said)
}

/// An answer that would mean something else to the client than to its provider.
fn unfit(mut account: Box<Account>, said: &str) -> ProxyError {
    let problem = account.scope().problem(account.attempt().candidate.id, Ending::NoHead, said.to_owned());
    if let Some(entry) = account.entry() {
        entry.answered_by_serin(&problem);
    }
    account.end(Ending::NoHead);
    problem
}

/// Says which provider served the request, and by which version of the file.
fn name_provider(account: &Account, headers: &mut HeaderMap) {
    let (plan, prepared) = (&account.scope().plan, &account.scope().in_use.prepared);
    if !prepared.policy.response_headers {
        return;
    }
    headers.insert(X_SERIN_PROVIDER, prepared.provider(account.attempt().candidate.id).name.clone());
    if let Some(rollout) = plan.rollout {
        headers.insert(X_SERIN_ROLLOUT, prepared.rollouts[usize::from(rollout.0)].clone());
    }
    if let Some(arm) = plan.arm {
        headers.insert(X_SERIN_ARM, HeaderValue::from_static(arm.as_str()));
    }
    headers.insert(X_SERIN_GENERATION, prepared.generation.clone());
    if account.attempts() > 1 {
        headers.insert(X_SERIN_ATTEMPTS, HeaderValue::from(account.attempts() as u64));
    }
}

/// Tells an HTTP/1 client that this is the connection's last response. HTTP/2 has GOAWAY for that.
pub(crate) fn announce_close(last: bool, version: Version, headers: &mut HeaderMap) {
    if last && version <= Version::HTTP_11 && !headers.contains_key(header::UPGRADE) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}
