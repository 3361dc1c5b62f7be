//! What a content type says.
//!
//! Owns the reading of a media type (RFC 9110) down to what tells requests and answers apart: JSON in any of its names,
//! a stream of events, a page. Refuses to look at bodies: what a body is shows in its bytes, and a label may be wrong.
//! Invariants: case and parameters never change what it is; whoever asks whether something is JSON asks here.

/// A media type without its parameters. Some part them by a space alone.
#[must_use]
pub fn essence(content_type: &[u8]) -> &[u8] {
    let begun = content_type.trim_ascii_start();
    let end = begun.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t')).unwrap_or(begun.len());
    &begun[..end]
}

/// Whether it is this type. Nearly everybody writes it as it is written here, or something shorter.
#[must_use]
pub fn is(content_type: &[u8], name: &str) -> bool {
    let name = name.as_bytes();
    content_type.len() >= name.len() && (content_type == name || essence(content_type).eq_ignore_ascii_case(name))
}

/// Whether it is JSON: `application/json`, or a type that ends in `+json` (RFC 6839).
#[must_use]
pub fn is_json(content_type: &[u8]) -> bool {
    const SUFFIX: &[u8] = b"+json";
    let ends_in_suffix = |essence: &[u8]| {
        let suffix = essence.len().checked_sub(SUFFIX.len()).map(|at| &essence[at..]);
        suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(SUFFIX))
    };
    is(content_type, "application/json") || ends_in_suffix(essence(content_type))
}

/// Whether it is a stream of server-sent events.
#[must_use]
pub fn is_events(content_type: &[u8]) -> bool {
    is(content_type, "text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_many_names() {
        for json in [
            "application/json",
            "Application/JSON",
            " application/json ; charset=utf-8",
            "application/json charset=utf-8",
            "application/problem+json; charset=utf-8",
            "application/vnd.api+JSON",
        ] {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in
            ["", "json", "application/jsonl", "application/x-ndjson", "text/plain; application/json", "a/b;+json"]
        {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn events_are_told_by_their_type() {
        assert!(is_events(b"text/event-stream;charset=utf-8") && is_events(b"Text/Event-Stream"));
        assert!(!is_events(b"text/event-streams") && !is_events(b"text/plain"));
    }
}
