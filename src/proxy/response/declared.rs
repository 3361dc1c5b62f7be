//! What the head of an answer declares: its kind and its encoding.
//!
//! Owns how content types and codings are read. Reads no byte of a body but to undo an error's encoding. Invariant: a
//! coding that is not known counts as one, so that its bytes are never taken for plain ones.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::wire::coding::Decoder;
use crate::wire::media;
use crate::wire::shape::Shape;

/// What kind of answer it is, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeclaredKind {
    /// Server-sent events.
    Events,
    /// One JSON value.
    Json,
    /// Anything else.
    Opaque,
}

impl DeclaredKind {
    pub(crate) fn of(headers: &HeaderMap) -> DeclaredKind {
        let Some(kind) = headers.get(CONTENT_TYPE) else { return DeclaredKind::Opaque };
        if media::is_events(kind.as_bytes()) {
            DeclaredKind::Events
        } else if media::is_json(kind.as_bytes()) {
            DeclaredKind::Json
        } else {
            DeclaredKind::Opaque
        }
    }
}

/// An error's body in plain bytes, as far as it can be read.
pub(super) fn plain_error(headers: &HeaderMap, body: Vec<u8>) -> Vec<u8> {
    let Some(coding) = coding(headers) else { return body };
    let mut plain = Vec::new();
    if let Some(mut decoder) = Decoder::for_coding(coding) {
        decoder.feed(&body, &mut plain);
    }
    plain
}

/// How a body is encoded; `None`: not at all. Some providers write a character set, which is no coding.
pub(crate) fn coding(headers: &HeaderMap) -> Option<&str> {
    let coding = headers.get(CONTENT_ENCODING)?.to_str().unwrap_or("?").trim();
    let is_none = ["", "identity", "none", "utf-8"].iter().any(|none| coding.eq_ignore_ascii_case(none));
    (!is_none).then_some(coding)
}

/// What page an answer is by its content type, if it is one.
pub(crate) fn page(headers: &HeaderMap) -> Option<Shape> {
    let label = headers.get(CONTENT_TYPE)?.as_bytes();
    let is_one = |names: [&str; 2]| names.iter().any(|name| media::is(label, name));
    if is_one(["text/html", "application/xhtml+xml"]) {
        Some(Shape::Html)
    } else {
        is_one(["text/xml", "application/xml"]).then_some(Shape::Xml)
    }
}
