//! Which headers pass, in both directions.
//!
//! Pure functions over header maps. A request loses what is between two hops (and what its `Connection` lists),
//! `x-serin-*`, the headers that carry a user id or force an arm, and, on its way to a provider other than the one
//! they were meant for, the client's credentials and cookies. What goes out is a map of its own: the client's is only
//! read, so that every attempt begins from it. Invariants: the order among equal names stays; a credential reaches
//! only providers that it was meant for.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

use super::name_filter::NameFilter;
use super::prepared::PreparedProvider;
use super::presentation::{self, Key};
use crate::wire::credentials::{Credential, CredentialLocation, TABLE, is_named, suggests_secret};
use crate::wire::grpc;

const X_SERIN: &str = "x-serin-";
const OWN_RULE: [&str; 7] = ["close", "keep-alive", "upgrade", "te", "trailer", "transfer-encoding", "content-length"];

/// What [`passes_never`] knows, and what is written anew.
static OF_HOPS: NameFilter = NameFilter::of(
    &[
        "connection",
        "cookie",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "sec-websocket-protocol",
        "te",
        "upgrade",
    ],
    &[X_SERIN],
);
/// What of an answer [`inbound`] knows.
static OF_ANSWERS: NameFilter = NameFilter::of(
    &[
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "set-cookie",
        "te",
        "transfer-encoding",
        "upgrade",
    ],
    &[X_SERIN],
);

/// Headers that most requests do not have, looked for in one walk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RareHeaders {
    pub(super) hosts: usize,
    pub(super) coded: bool,
    pub(super) upgrades: bool,
    pub(super) connection: bool,
    pub(crate) grpc: bool,
}

impl RareHeaders {
    pub(crate) fn of(headers: &HeaderMap) -> RareHeaders {
        let mut rare_headers = RareHeaders::default();
        for (name, value) in headers {
            rare_headers.grpc |= name == header::CONTENT_TYPE && grpc::is_grpc(value.as_bytes());
            rare_headers.hosts += usize::from(name == header::HOST);
            rare_headers.coded |= name == header::TRANSFER_ENCODING;
            rare_headers.upgrades |= name == header::UPGRADE;
            rare_headers.connection |= name == header::CONNECTION;
        }
        rare_headers
    }
}

/// What decides about a request's headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderRules<'a> {
    pub(crate) to: &'a PreparedProvider,
    /// The key of Serin's own that is presented.
    pub(crate) key: Option<&'a Key>,
    /// Whether the client's credentials were meant for it.
    pub(crate) trusted: bool,
    /// The headers that `user:` and `force:` name.
    pub(crate) private: &'a [HeaderName],
    /// Whether the client asks to leave HTTP.
    pub(crate) upgrade: bool,
    /// Whether there is a `Connection` header.
    pub(crate) connection: bool,
    /// Whether the answer must come unencoded, so that its events can be told apart.
    pub(super) plain_answer: bool,
    /// The body's length, where it was rewritten.
    pub(super) new_length: Option<usize>,
}

/// A request's headers, fit for a provider.
pub(crate) fn outbound(original: &HeaderMap, rules: HeaderRules<'_>) -> HeaderMap {
    let to = rules.to;
    let listed = if rules.connection { listed_by_connection(original) } else { Vec::new() };
    // A copy as it stands is cheaper than one name by name: nothing is hashed.
    let mut headers = original.clone();
    let withheld = to.withheld(rules.trusted);
    let mut cookies = 0_usize;
    let mut subprotocols = false;
    let mut last = None;
    for (name, value) in original {
        let text = name.as_str();
        let mut drop = withheld.has_header(text)
            || rules.private.contains(name)
            || listed.contains(name)
            || (rules.new_length.is_some() && is_outdated(text));
        if OF_HOPS.may_have(text) {
            cookies += usize::from(name == header::COOKIE);
            subprotocols |= name == header::SEC_WEBSOCKET_PROTOCOL;
            drop |= passes_never(text, value, rules.upgrade);
        }
        // What Serin's own key is written over need not be taken off before.
        let is_replaced = matches!(rules.key, Some(Key::Header(own, _)) if own == name);
        if drop && !is_replaced && last != Some(name) {
            headers.remove(name);
            last = Some(name);
        }
    }
    // HTTP/2 may split what HTTP/1 has in one line; both understand one line.
    if cookies > 1 && headers.contains_key(header::COOKIE) {
        let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            headers.insert(header::COOKIE, whole);
        }
    }
    if subprotocols {
        withheld.strip_subprotocols(&mut headers);
    }
    if rules.upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if rules.plain_answer {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if let Some(length) = rules.new_length
        && original.contains_key(header::CONTENT_LENGTH)
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    presentation::write(&mut headers, &to.host, rules.key, &to.set);
    headers
}

/// Whether a header describes the body as it was before it was rewritten.
fn is_outdated(name: &str) -> bool {
    matches!(name, "content-length" | "content-digest" | "repr-digest" | "digest" | "content-md5")
}

/// Makes a response's headers fit for the client. `switching`: it is a 101; `trusted`: it comes from whom the client's
/// own cookies go to.
pub(crate) fn inbound(headers: &mut HeaderMap, switching: bool, trusted: bool) {
    let mut doomed: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        let text = name.as_str();
        if !OF_ANSWERS.may_have(text) {
            continue;
        }
        let drop = match text {
            "connection" => {
                doomed.extend(listed_by_connection(headers));
                !switching
            }
            "upgrade" => !switching,
            "keep-alive" | "proxy-connection" | "proxy-authenticate" | "transfer-encoding" | "te" => true,
            "set-cookie" => !trusted,
            text => text.starts_with(X_SERIN),
        };
        if drop {
            doomed.push(name.clone());
        }
    }
    for name in doomed {
        headers.remove(name);
    }
}

/// Makes a frame fit to pass: trailers lose what may only stand in a head.
pub(crate) fn strip_frame(frame: &mut Frame<Bytes>, to_provider: bool) {
    if let Some(trailers) = frame.trailers_mut() {
        *trailers = trailing(std::mem::take(trailers), to_provider);
    }
}

/// Trailers without what may only stand in a head: framing, routing, credentials, and Serin's own names. `to_provider`:
/// they are a client's, and what is only named like a secret stays here too.
pub(crate) fn trailing(mut trailers: HeaderMap, to_provider: bool) -> HeaderMap {
    let belongs = |name: &HeaderName| match name.as_str() {
        "host"
        | "connection"
        | "expect"
        | "upgrade"
        | "te"
        | "trailer"
        | "keep-alive"
        | "content-encoding"
        | "content-type"
        | "content-length"
        | "content-range"
        | "transfer-encoding"
        | "sec-websocket-protocol" => true,
        text => {
            let credential = |row: &Credential| row.place == CredentialLocation::Header && is_named(row.name, text);
            text.starts_with(X_SERIN)
                || text.starts_with("proxy-")
                || (to_provider && suggests_secret(text))
                || TABLE.iter().any(credential)
        }
    };
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| belongs(name)).cloned().collect();
    for name in doomed {
        trailers.remove(name);
    }
    trailers
}

/// The transfer coding of a request that cannot be served: anything but one `chunked`.
pub(super) fn unknown_coding(headers: &HeaderMap) -> Option<String> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next()?;
    if codings.next().is_none() && first.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return None;
    }
    let all: Vec<_> = headers.get_all(header::TRANSFER_ENCODING).iter().map(|v| v.to_str().unwrap_or("?")).collect();
    Some(all.join(", ").chars().take(100).collect())
}

/// Whether the client asks to leave HTTP for a protocol that Serin carries (any but HTTP/2).
pub(super) fn asks_to_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c"))
        && tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

fn passes_never(name: &str, value: &HeaderValue, upgrade: bool) -> bool {
    match name {
        "upgrade" => !upgrade,
        "te" => !value.as_bytes().eq_ignore_ascii_case(b"trailers"),
        "connection"
        | "expect"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "http2-settings" => true,
        text => text.starts_with(X_SERIN),
    }
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

// What `Connection` names, beyond what has a rule of its own: framing cannot be taken off a message this way.
fn listed_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers)
        .filter(|token| !OWN_RULE.iter().any(|known| token.eq_ignore_ascii_case(known)))
        .filter_map(|token| HeaderName::try_from(token).ok())
        .collect()
}

#[cfg(test)]
mod tests;
