//! The dashboard's files: a page, its style and its modules, as they lie in this folder.
//!
//! Whoever reaches the admin port gets them, without a token: they hold no data, and the page asks the API for that with
//! the token that a person types. Refuses everything that a page could be made to do for others: no script or style but
//! these files, no frame, no form that goes elsewhere. Invariant: each answer is revalidated by its strong `ETag`, so
//! that a page never runs with the modules of another version for longer than one load.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{Response, StatusCode};
use md5::{Digest, Md5};

use self::assets::Asset;
use super::body::ReplyBody;
use super::reply::Reply;

pub(super) mod assets;

/// Scripts and styles are these files; the pictures are text that one named policy lets in.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types chart";

/// The file, or that the browser has it already.
pub(super) fn serve(asset: &Asset, head: &Parts) -> Reply {
    let compressed = takes_gzip(&head.headers);
    let etag = etag(asset, compressed);
    let known = head.headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(|one| one.trim().trim_start_matches("W/"));
    let unchanged = known.any(|one| one == etag || one == "*");
    let body = match (unchanged, compressed) {
        (true, _) => Bytes::new(),
        (false, true) => Bytes::from_static(asset.compressed),
        (false, false) => Bytes::from(asset.text()),
    };
    let mut reply = Response::new(ReplyBody::whole(body));
    *reply.status_mut() = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut set = |name: HeaderName, value: &'static str| {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_TYPE, asset.media_type);
    set(CACHE_CONTROL, "no-cache");
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(X_FRAME_OPTIONS, "DENY");
    set(REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(VARY, "accept-encoding");
    if compressed && !unchanged {
        set(CONTENT_ENCODING, "gzip");
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        reply.headers_mut().insert(ETAG, etag);
    }
    reply
}

/// Both forms of a file are two representations, so each has a tag of its own.
fn etag(asset: &Asset, compressed: bool) -> String {
    let hash: String = Md5::digest(asset.compressed).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hash}{}\"", if compressed { "-gzip" } else { "" })
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let all = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = all.flat_map(|value| value.split(',')).map(|coding| coding.split(';').map(str::trim));
    codings.any(|mut coding| {
        let named = coding.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        named && !coding.any(|weight| weight.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
    })
}

#[cfg(test)]
mod tests;
