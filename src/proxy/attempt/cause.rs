//! From what was seen of a failed attempt to its [`Cause`].
//!
//! A malformed answer is described by its media type as it was sent and by the shape of its body; a redirect by the
//! host that it points to; an error by its status, type and code. Each is short, printable and taken from the head or
//! from the names of an error: no other byte of a body is ever shown, whatever its type says.

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue};

use crate::decide::cause::Cause;
use crate::decide::grpc::GrpcEnd;
use crate::decide::outcome::{BodyEnd, Ending, Outcome};
use crate::proxy::response::body::BodyError;
use crate::wire::complaint::Complaint;
use crate::wire::grpc::GrpcCode;
use crate::wire::printable::printable_start;
use crate::wire::shape::Shape;
use crate::wire::websocket::Close;

/// The most characters of a media type.
const LONGEST_TYPE: usize = 40;
/// The most characters of a host's name.
const LONGEST_HOST: usize = 64;
/// The most characters of a close frame's reason.
const LONGEST_REASON: usize = 80;
/// The most characters of an error's type or code, and of the provider's id of a request.
const LONGEST_NAME: usize = 64;

/// The header that says more of a malformed answer.
pub(crate) fn detail(shape: Shape, headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(if shape == Shape::Redirect { LOCATION } else { CONTENT_TYPE })
}

/// Of a malformed answer, with the header that says more of it.
pub(crate) fn of_malformed(shape: Shape, detail: Option<&HeaderValue>) -> Cause {
    let detail = detail.map(HeaderValue::as_bytes).unwrap_or_default();
    if shape == Shape::Redirect {
        return Cause::Redirect { host: host(detail).map(|host| shown(host, LONGEST_HOST)) };
    }
    let media = detail.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    Cause::Malformed { shape, media: (!media.is_empty()).then(|| shown(media, LONGEST_TYPE)) }
}

/// Of an answer whose head came: by its ending, what its body says of an error, what broke it off, and the
/// header that says more of a malformed answer.
pub(crate) fn of_answer(
    ending: Ending,
    complaint: Option<&Complaint>,
    broke: Option<&BodyError>,
    detail: Option<&HeaderValue>,
) -> Option<Cause> {
    let Ending::Answered { status, body, .. } = ending else {
        return matches!(ending, Ending::Expired { .. }).then_some(Cause::Expired);
    };
    let name = |name: &Option<String>| name.as_deref().map(|name| printable_start(name, LONGEST_NAME));
    let (kind, code) = complaint.map_or((None, None), |said| (name(&said.kind), name(&said.code)));
    if let Some(GrpcEnd { code, .. }) = ending.grpc().filter(|_| status == 200) {
        return (code != GrpcCode::OK).then_some(Cause::GrpcStatus { code: code.0 });
    }
    if matches!(status, 400..=599) {
        return Some(Cause::Status { status, kind, code });
    }
    match (body, broke) {
        (BodyEnd::Complete, _) => None,
        (BodyEnd::Empty, _) => Some(Cause::Empty),
        (BodyEnd::ErrorEvent | BodyEnd::Filtered, _) => Some(Cause::ErrorEvent { kind, code }),
        (BodyEnd::Malformed(shape), _) => Some(of_malformed(shape, detail)),
        // What stands for a status where HTTP says neither that it failed nor that it did not.
        (BodyEnd::Grpc(_), _) => Some(Cause::Status { status, kind, code: None }),
        (BodyEnd::Early, _) => Some(Cause::Cut),
        (BodyEnd::NoOutput, Some(BodyError::NoOutput(limit))) => Some(Cause::NoOutput { limit: Some(*limit) }),
        (BodyEnd::NoOutput, _) => Some(Cause::NoOutput { limit: None }),
        (BodyEnd::Silent, Some(BodyError::Silent(limit))) => Some(Cause::Silent { limit: Some(*limit) }),
        (BodyEnd::Silent, _) => Some(Cause::Silent { limit: None }),
        (BodyEnd::Closed(_), _) => Some(Cause::Closed { code: None, reason: None }),
    }
}

/// Of a WebSocket that its provider closed.
pub(crate) fn of_close(close: &Close) -> Cause {
    let reason = printable_start(&close.reason, LONGEST_REASON);
    Cause::Closed { code: close.code, reason: (!reason.is_empty()).then_some(reason) }
}

/// Whether an outcome has a cause that is counted: the provider failed, or would if the file says so.
pub(super) const fn is_failure(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Ok | Outcome::ClientError | Outcome::ClientGone | Outcome::SerinError)
}

/// A provider's id of a request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<Box<str>> {
    const NAMES: [&str; 4] = ["x-request-id", "request-id", "apim-request-id", "x-ms-request-id"];
    let id = NAMES.iter().find_map(|name| headers.get(*name))?;
    (!id.is_empty()).then(|| printable_start(&String::from_utf8_lossy(id.as_bytes()), LONGEST_NAME).into())
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

/// The beginning of what was sent, in at most this many characters.
fn shown(bytes: &[u8], most: usize) -> String {
    printable_start(&String::from_utf8_lossy(bytes), most).replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_answer_is_described_by_its_type_and_shape() {
        let value = |text: &'static str| Some(HeaderValue::from_static(text));
        for (shape, detail, shown) in [
            (Shape::Html, value("text/html; charset=utf-8"), "text/html, `<!doctype html>`"),
            (Shape::NoMembers, value("application/json"), "application/json, `{}`"),
            (Shape::Empty, None, "no content type, no body"),
            (Shape::Text, value("  "), "no content type, text"),
            (Shape::Text, value("a`b\tc"), "a'b c, text"),
            (Shape::Redirect, value("https://sso.example:8443/in?next=/v1"), "redirects to sso.example:8443"),
            (Shape::Redirect, value("//cdn.example"), "redirects to cdn.example"),
            (Shape::Redirect, value("https://u:p@sso.example/x"), "redirects to sso.example"),
            (Shape::Redirect, value("/login?to=https://x.example"), "redirects to another path on the same host"),
            (Shape::Redirect, None, "redirects to another path on the same host"),
        ] {
            assert_eq!(of_malformed(shape, detail.as_ref()).to_string(), shown);
        }
        let long = HeaderValue::from_str(&"x".repeat(500)).unwrap();
        assert_eq!(of_malformed(Shape::Text, Some(&long)).to_string(), format!("{}…, text", "x".repeat(40)));
        let turned = HeaderValue::from_bytes("\u{202e}".repeat(40).as_bytes()).unwrap();
        assert_eq!(
            of_malformed(Shape::Text, Some(&turned)).to_string(),
            format!("{}\\u20…, text", "\\u202e".repeat(6))
        );
        let unreadable = HeaderValue::from_bytes(&[0xff; 40]).unwrap();
        assert_eq!(
            of_malformed(Shape::Text, Some(&unreadable)).to_string(),
            format!("{}, text", "\u{fffd}".repeat(40))
        );
    }
}
