//! A WebSocket's handshake: what the client asks, and whether the answer accepts it.
//!
//! Pure functions over heads. A client of HTTP/2 asks by an extended CONNECT (RFC 8441), which has no key: providers
//! are asked as over HTTP/1.1, with a key of Serin's own. An answer that switches protocols has to name the protocol
//! and to answer the key, or it comes from something that has not read the request. What extensions and subprotocols
//! were agreed on is between client and provider. Invariant: a session begins only with a provider that accepted this
//! very handshake.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode, response};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use crate::decide::cause::HandshakeFault;
use crate::wire::websocket::{accept_of, key_of};

/// The client's side of a connection that leaves HTTP.
#[derive(Debug)]
pub(crate) struct ClientSide {
    pub(crate) on_upgrade: OnUpgrade,
    /// Whether it is a stream of HTTP/2.
    pub(crate) over_http2: bool,
    /// Whether it asks for a WebSocket.
    pub(crate) websocket: bool,
}

/// Whether a CONNECT asks for a WebSocket over HTTP/2.
pub(super) fn is_over_http2(parts: &Parts) -> bool {
    parts.extensions.get::<Protocol>().is_some_and(|to| to.as_str().eq_ignore_ascii_case("websocket"))
}

/// Makes of it the same over HTTP/1.1, with this key.
pub(super) fn make_http1(parts: &mut Parts, key: [u8; 16]) {
    parts.method = Method::GET;
    parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::try_from(key_of(key)) {
        parts.headers.insert(SEC_WEBSOCKET_KEY, key);
    }
    parts.headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
}

/// Takes the client's side of the connection out of the request.
pub(super) fn client_side(parts: &mut Parts, over_http2: bool, websocket: bool) -> Option<ClientSide> {
    parts.extensions.remove().map(|on_upgrade| ClientSide { on_upgrade, over_http2, websocket })
}

/// Whether a request that asks to upgrade is a WebSocket's handshake. One without a key, or by another method, begins
/// no session that could be judged, whatever it names.
pub(super) fn is_handshake(parts: &Parts) -> bool {
    parts.method == Method::GET && parts.headers.contains_key(SEC_WEBSOCKET_KEY) && names_websocket(&parts.headers)
}

/// Makes of a 101 what accepts a WebSocket over HTTP/2.
pub(crate) fn accept_over_http2(head: &mut response::Parts) {
    head.status = StatusCode::OK;
    for gone in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT, CONTENT_LENGTH] {
        head.headers.remove(gone);
    }
}

/// Whether the protocol that a head names is WebSocket.
fn names_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// What is wrong with a 101 that answers this request. Any other answer is no matter of the handshake.
pub(crate) fn fault<B>(request: &HeaderMap, answer: &Response<B>) -> Option<HandshakeFault> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    if !names_websocket(answer.headers()) {
        return Some(HandshakeFault::OtherProtocol);
    }
    let key = request.get(SEC_WEBSOCKET_KEY)?;
    let accepts = |value: &http::HeaderValue| value.as_bytes() == accept_of(key.as_bytes()).as_bytes();
    (!answer.headers().get(SEC_WEBSOCKET_ACCEPT).is_some_and(accepts)).then_some(HandshakeFault::WrongAccept)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn head(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_session_begins_with_who_accepts_the_key() {
        const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        const ACCEPT: (&str, &str) = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        const UPGRADE: (&str, &str) = ("upgrade", "WebSocket");
        for (request, status, answer, found) in [
            (&[KEY][..], 101, &[UPGRADE, ACCEPT][..], None),
            (&[KEY], 101, &[UPGRADE], Some(HandshakeFault::WrongAccept)),
            (&[KEY], 101, &[UPGRADE, ("sec-websocket-accept", "x")], Some(HandshakeFault::WrongAccept)),
            (&[KEY], 101, &[ACCEPT], Some(HandshakeFault::OtherProtocol)),
            (&[KEY], 101, &[("upgrade", "foo"), ACCEPT], Some(HandshakeFault::OtherProtocol)),
            (&[KEY], 200, &[], None),
            (&[KEY], 403, &[UPGRADE], None),
            // Nothing to be answered.
            (&[], 101, &[UPGRADE], None),
        ] {
            let mut response = Response::builder().status(status).body(()).unwrap();
            *response.headers_mut() = head(answer);
            assert_eq!(fault(&head(request), &response), found, "{request:?} {status} {answer:?}");
        }
    }
}
