//! Which web pages may read flags: the answers that a browser asks for before it shows a page another origin's data.
//!
//! By default pages on loopback, and with tokens pages of every origin, since there a token decides. `admin.cors`
//! replaces this by a list. Only the protocol's own paths are ever shared; the rest of the port is for no page but its
//! own.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, StatusCode};

use super::paths::ROOT;
use crate::admin::auth::{AdminListener, is_loopback_origin};
use crate::admin::reply::{Reply, text};
use crate::decide::policy::Policy;

/// A browser that asks before a page on the internet reaches an address of this machine or network.
const ASKS_PRIVATE: &str = "access-control-request-private-network";
const ALLOWS_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The answer to a browser's preflight; `None` where this is none.
pub(in crate::admin) fn preflight(listener: &AdminListener, head: &Parts) -> Option<Reply> {
    let asks = head.method == Method::OPTIONS && is_flags(head) && *listener != AdminListener::Probe;
    asks.then(|| text(StatusCode::NO_CONTENT, "text/plain", String::new()))
}

/// Lets the page that asked read the answer, if its origin may.
pub(in crate::admin) fn share_with_page(head: &Parts, policy: &Policy, reply: &mut Reply) {
    let Some(origin) = head.headers.get(ORIGIN).filter(|_| is_flags(head)) else { return };
    // What it holds depends on who asks, whether this one may read it or not.
    reply.headers_mut().insert(VARY, HeaderValue::from_static("origin"));
    if !may_read(origin, policy) {
        return;
    }
    let headers = reply.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Retry-After"));
    if head.method == Method::OPTIONS {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        let allowed = HeaderValue::from_static("content-type, if-none-match, authorization, x-api-key, last-event-id");
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        if head.headers.contains_key(ASKS_PRIVATE) {
            headers.insert(ALLOWS_PRIVATE, HeaderValue::from_static("true"));
        }
    }
}

/// Whether this request is for flags, from a page that the file lists.
pub(in crate::admin) fn is_listed(head: &Parts, policy: &Policy) -> bool {
    let origin = head.headers.get(ORIGIN).filter(|_| is_flags(head));
    policy.cors.is_some() && origin.is_some_and(|origin| may_read(origin, policy))
}

fn may_read(origin: &HeaderValue, policy: &Policy) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    match &policy.cors {
        // A page without an origin of its own says `null`, as any page can.
        Some(listed) => listed.iter().any(|one| (one == "*" && origin != "null") || one.eq_ignore_ascii_case(origin)),
        None => !policy.tokens.is_empty() || is_loopback_origin(origin),
    }
}

fn is_flags(head: &Parts) -> bool {
    head.uri.path().starts_with(ROOT)
}
