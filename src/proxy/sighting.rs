//! In which words it is told what came instead of an answer.
//!
//! A media type as it was sent, and what kind of body came; of a redirect, the host that it points to. Each is short,
//! printable and taken from the head alone: no byte of a body is ever shown, whatever its type says.

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue};

use crate::wire::printable::printable;
use crate::wire::shape::Shape;

/// The most characters of a media type.
const LONGEST_TYPE: usize = 40;
/// The most characters of a host's name.
const LONGEST_HOST: usize = 64;

/// The header that tells more of it.
pub(super) fn detail(shape: Shape, headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(if shape == Shape::Redirect { LOCATION } else { CONTENT_TYPE })
}

/// What came, with the header that tells more of it.
pub(super) fn words(shape: Shape, detail: Option<&HeaderValue>) -> String {
    let detail = detail.map(HeaderValue::as_bytes).unwrap_or_default();
    if shape == Shape::Redirect {
        return match host(detail) {
            Some(host) => format!("redirects to {}", shown(host, LONGEST_HOST)),
            None => "redirects to another path of its own".to_owned(),
        };
    }
    let media = detail.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    match media {
        [] => format!("no content type, {}", shape.words()),
        media => format!("{}, {}", shown(media, LONGEST_TYPE), shape.words()),
    }
}

/// The host and port of an absolute location, or of one without a scheme.
fn host(location: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(location, b"//")?;
    let scheme = &location[..at];
    let absolute = scheme.is_empty() || (scheme.ends_with(b":") && !scheme.contains(&b'/') && !scheme.contains(&b'?'));
    let rest = &location[at + 2..];
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
    // What stands before an @ may be a password.
    let host = rest[..end].rsplit(|byte| *byte == b'@').next()?;
    (absolute && !host.is_empty()).then_some(host)
}

/// The beginning of what somebody sent, in so many characters at most.
fn shown(bytes: &[u8], most: usize) -> String {
    let text = printable(&String::from_utf8_lossy(bytes)).replace('`', "'");
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_told_by_its_type_and_kind() {
        let value = |text: &'static str| Some(HeaderValue::from_static(text));
        for (shape, detail, told) in [
            (Shape::Html, value("text/html; charset=utf-8"), "text/html, `<!doctype html>`"),
            (Shape::NoMembers, value("application/json"), "application/json, `{}`"),
            (Shape::Empty, None, "no content type, no body"),
            (Shape::Text, value("  "), "no content type, text"),
            (Shape::Text, value("a`b\tc"), "a'b c, text"),
            (Shape::Redirect, value("https://sso.example:8443/in?next=/v1"), "redirects to sso.example:8443"),
            (Shape::Redirect, value("//cdn.example"), "redirects to cdn.example"),
            (Shape::Redirect, value("https://u:p@sso.example/x"), "redirects to sso.example"),
            (Shape::Redirect, value("/login?to=https://x.example"), "redirects to another path of its own"),
            (Shape::Redirect, None, "redirects to another path of its own"),
        ] {
            assert_eq!(words(shape, detail.as_ref()), told);
        }
        let long = HeaderValue::from_str(&"x".repeat(500)).unwrap();
        assert_eq!(words(Shape::Text, Some(&long)), format!("{}…, text", "x".repeat(40)));
        let turned = HeaderValue::from_bytes("\u{202e}".repeat(40).as_bytes()).unwrap();
        assert_eq!(words(Shape::Text, Some(&turned)), format!("{}\\u20…, text", "\\u202e".repeat(6)));
        let unreadable = HeaderValue::from_bytes(&[0xff; 40]).unwrap();
        assert_eq!(words(Shape::Text, Some(&unreadable)), format!("{}, text", "\u{fffd}".repeat(40)));
    }
}
