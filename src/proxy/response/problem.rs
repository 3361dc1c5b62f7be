//! The only place where a [`ProxyError`] becomes a response.
//!
//! The body has the shape that the client's library parses: Anthropic's below `messages`, OpenAI's for everything
//! else below the mount, a gRPC status for gRPC, plain JSON outside the mount. Every one of them carries
//! `x-serin-error`, so that no provider is blamed for it; only the text of a `last_resort` is a success by its status,
//! and carries `x-serin-last-resort`. Invariant: a problem never leaves as anything else.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::error::{LastResortReply, ProxyError, Side, X_SERIN_ERROR};
use super::grpc::own_status;
use crate::decide::units::Millis;
use crate::proxy::request::uri;
use crate::wire::path;
use crate::wire::printable::printable;

const X_SERIN_LAST_RESORT: HeaderName = HeaderName::from_static("x-serin-last-resort");
/// Which the SDKs obey before all else.
pub(crate) const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// The same to the millisecond, which the SDKs read first.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// Whose error shape a client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorShape {
    /// `{"error": {message, type, param, code}}`.
    OpenAi,
    /// `{"type": "error", "error": {type, message}}`.
    Anthropic,
    /// A gRPC status in the headers, no body.
    Grpc,
    /// `{"error", "message"}`.
    Plain,
}

impl ErrorShape {
    /// By the path below the mount, and whether the request is gRPC's.
    pub(crate) fn of(mount: &str, path: &str, grpc: bool) -> ErrorShape {
        if grpc {
            return ErrorShape::Grpc;
        }
        match uri::below(path, mount) {
            Some(path) if is_messages(path) => ErrorShape::Anthropic,
            Some(_) => ErrorShape::OpenAi,
            None => ErrorShape::Plain,
        }
    }
}

fn is_messages(path: &str) -> bool {
    // Other endpoints are told apart by their first letter.
    if !matches!(path.as_bytes(), [b'/', b'm' | b'/' | b'%', ..]) {
        return false;
    }
    let path = path::plain(path);
    path.strip_prefix("/messages").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The status of the response to a problem. gRPC has its own, in a header.
pub(crate) const fn status(problem: &ProxyError, grpc: bool) -> StatusCode {
    if grpc { StatusCode::OK } else { problem.status() }
}

pub(crate) fn answer(problem: &ProxyError, shape: ErrorShape) -> Response<Bytes> {
    if let ProxyError::LastResort(reply) = problem {
        return last_resort(reply);
    }
    let mut response = Response::new(body(problem, shape));
    *response.status_mut() = status(problem, shape == ErrorShape::Grpc);
    let headers = response.headers_mut();
    headers.insert(X_SERIN_ERROR, HeaderValue::from_static(problem.label()));
    if let Some(Millis(wait)) = problem.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000).max(1)));
        headers.insert(RETRY_AFTER_MS, HeaderValue::from(wait));
    }
    if problem.is_final() {
        headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if matches!(problem, ProxyError::Connect | ProxyError::Trace) {
        headers.insert(http::header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    if shape == ErrorShape::Grpc {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        own_status::of_problem(problem).write(headers);
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// A success by its status, which says itself that it is none.
fn last_resort(reply: &LastResortReply) -> Response<Bytes> {
    let mut response = Response::new(reply.body.clone());
    let headers = response.headers_mut();
    headers.insert(X_SERIN_LAST_RESORT, HeaderValue::from_static(reply.outcome.as_str()));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn body(problem: &ProxyError, shape: ErrorShape) -> Bytes {
    // It may hold words of a provider, of the system or of the client itself.
    let message = printable(&format!("{problem} (from Serin)"));
    let value = match shape {
        ErrorShape::OpenAi => json!({"error": {
            "message": message,
            "type": openai_type(problem),
            "param": null,
            "code": problem.label(),
        }}),
        ErrorShape::Anthropic => {
            json!({"type": "error", "error": {"type": anthropic_type(problem.status()), "message": message}})
        }
        ErrorShape::Plain => json!({"error": problem.label(), "message": message}),
        ErrorShape::Grpc => return Bytes::new(),
    };
    Bytes::from(value.to_string())
}

fn openai_type(problem: &ProxyError) -> &'static str {
    match problem.side() {
        _ if matches!(problem, ProxyError::Unauthorized) => "authentication_error",
        _ if problem.status() == StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        Side::Client => "invalid_request_error",
        Side::Provider | Side::Serin => "server_error",
    }
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The answer to HTTP without TLS on the port for TLS.
pub(crate) fn without_tls() -> Bytes {
    const MESSAGE: &str = "this port speaks TLS: use a base URL with https://, or the port of `listen` with http:// (the port of `listen_tls` was asked)";
    bare("400 Bad Request", "without_tls", MESSAGE)
}

/// What replaces a bare error that the HTTP/1 parser wrote by itself, `None` for a status it does not write.
pub(crate) fn unparsable(status: &[u8]) -> Option<Bytes> {
    let (line, label, message) = match status {
        b"400" => (
            "400 Bad Request",
            "malformed",
            "the request's head is not HTTP/1.1, or its framing is not sound; send one content-length or `chunked` alone",
        ),
        b"414" => (
            "414 URI Too Long",
            "uri_too_long",
            "the request's path and query are longer than 65534 bytes; shorten them",
        ),
        b"431" => (
            "431 Request Header Fields Too Large",
            "header_bytes",
            "the request's head is larger than `limits.header_bytes`, or has more than 100 fields; send less or raise the limit",
        ),
        _ => return None,
    };
    Some(bare(line, label, message))
}

/// An answer outside of the parser, after which the connection closes.
fn bare(line: &str, label: &str, message: &str) -> Bytes {
    let body = json!({"error": {
        "message": format!("{message} (from Serin)"),
        "type": "invalid_request_error",
        "param": null,
        "code": label,
    }})
    .to_string();
    Bytes::from(format!(
        "HTTP/1.1 {line}\r\ncontent-type: application/json\r\nx-serin-error: {label}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::outcome::Ending;
    use crate::decide::route::Rejected;
    use crate::decide::units::Arm;
    use crate::proxy::request::headers::RareHeaders;
    use crate::wire::body::PeekError;

    fn unreachable() -> ProxyError {
        ProxyError::NoAnswer {
            provider: "holysheep".to_owned(),
            arm: Some(Arm::Canary),
            ending: Ending::NoConnection,
            detail: "connection refused".to_owned(),
            is_final: false,
        }
    }

    #[test]
    fn each_dialect_gets_its_own_shape() {
        let text = |shape| String::from_utf8(answer(&unreachable(), shape).into_body().to_vec()).unwrap();
        let said = "provider `holysheep` (canary) was not reachable: connection refused; check its base_url, DNS and \
                    the network (`serin check --probe` tries it) (from Serin)";
        let openai: serde_json::Value = serde_json::from_str(&text(ErrorShape::OpenAi)).unwrap();
        assert_eq!(
            openai,
            json!({"error": {"message": said, "type": "server_error", "param": null, "code": "connect"}})
        );
        let anthropic: serde_json::Value = serde_json::from_str(&text(ErrorShape::Anthropic)).unwrap();
        assert_eq!(anthropic, json!({"type": "error", "error": {"type": "api_error", "message": said}}));
        let plain: serde_json::Value = serde_json::from_str(&text(ErrorShape::Plain)).unwrap();
        assert_eq!(plain, json!({"error": "connect", "message": said}));
    }

    #[test]
    fn grpc_gets_its_status_in_the_headers_and_no_body() {
        let response = answer(&unreachable(), ErrorShape::Grpc);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "14");
        assert_eq!(response.headers()["x-serin-error"], "connect");
        assert!(response.headers()["grpc-message"].to_str().unwrap().contains("was not reachable"));
        assert!(response.body().is_empty());
    }

    #[test]
    fn the_shape_follows_path_and_content_type() {
        for (uri, kind, shape) in [
            ("/v1/chat/completions", "application/json", ErrorShape::OpenAi),
            ("/v1/messages", "application/json", ErrorShape::Anthropic),
            ("/v1/messages/count_tokens?beta=true", "application/json", ErrorShape::Anthropic),
            ("/v1//message%73/", "application/json", ErrorShape::Anthropic),
            ("/v1/%6dessages", "application/json", ErrorShape::Anthropic),
            ("/v1/messagesx", "application/json", ErrorShape::OpenAi),
            ("/v2/messages", "application/json", ErrorShape::Plain),
            ("/v1/messages", "application/grpc+proto", ErrorShape::Grpc),
        ] {
            let request = http::Request::builder().uri(uri).header(CONTENT_TYPE, kind).body(()).unwrap();
            let marks = RareHeaders::of(request.headers());
            assert_eq!(ErrorShape::of("/v1", request.uri().path(), marks.grpc), shape, "{uri} {kind}");
        }
    }

    #[test]
    fn every_problem_has_its_status_label_and_a_message_that_says_what_to_do() {
        let no_answer = |ending| ProxyError::NoAnswer {
            provider: "p".to_owned(),
            arm: None,
            ending,
            detail: "d".to_owned(),
            is_final: false,
        };
        let cases = [
            (ProxyError::Connect, 405, "method", "use Serin's address as the base URL"),
            (ProxyError::Trace, 405, "method", "use another method"),
            (ProxyError::Host(2), 400, "host", "2 host headers; send exactly one"),
            (ProxyError::Paused(Millis(600_000)), 408, "body_time", "`limits.idle` (10m)"),
            (ProxyError::Stopping, 503, "stopping", "send the request again"),
            (ProxyError::RolledBack, 503, "rolled_back", "send the request again"),
            (
                ProxyError::OutsideMount { path: "/x".to_owned(), mount: "/v1".to_owned() },
                404,
                "outside_mount",
                "`/x` is not below `/v1`",
            ),
            (ProxyError::Dots("/v1/..".to_owned()), 400, "dot_segments", "send the path that is meant"),
            (ProxyError::Unmatched(Rejected::Unmatched), 404, "unmatched", "add a rollout"),
            (ProxyError::Unmatched(Rejected::UnreadModel), 400, "unread_model", "send it smaller"),
            (ProxyError::Unauthorized, 401, "unauthorized", "authorization: Bearer KEY"),
            (ProxyError::TransferEncoding("gzip".to_owned()), 400, "framing", "send `chunked` alone"),
            (
                ProxyError::DuplicateKey(PeekError::Duplicate { key: "user".to_owned() }),
                400,
                "duplicate_key",
                "`user` more than once",
            ),
            (ProxyError::BrokenBody("eof".to_owned()), 400, "body", "send it whole"),
            (
                ProxyError::Unusable { provider: "p".to_owned(), reason: "${KEY} is not set".to_owned() },
                503,
                "unusable",
                "${KEY} is not set; fix it",
            ),
            (no_answer(Ending::NoConnection), 502, "connect", "check its base_url"),
            (no_answer(Ending::NoHead), 502, "reset", "ended the connection"),
            (no_answer(Ending::HeadTimeout), 504, "timeout", "raise its `timeouts`"),
            (no_answer(Ending::ClientLeft), 400, "body", "send the body whole"),
            (no_answer(Ending::CutBySerin), 503, "resources", "Serin ran out of resources"),
            (
                ProxyError::Limited { provider: "p".to_owned(), limit: "requests", wait: Millis(1500) },
                429,
                "rate_limit",
                "`rate_limit` of provider `p` is used up (requests); send the request again in 1500ms",
            ),
            (
                ProxyError::ClientLimited { client: "shop".to_owned(), wait: Millis(2000) },
                429,
                "rate_limit",
                "`rate_limit` of client `shop` is used up; send the request again in 2s",
            ),
            (ProxyError::Defect, 500, "defect", "other requests are not affected"),
        ];
        for (problem, status, label, says) in cases {
            assert_eq!(problem.status(), status, "{problem}");
            assert_eq!(problem.label(), label, "{problem}");
            assert!(problem.to_string().contains(says), "{problem}");
            let waits = answer(&problem, ErrorShape::OpenAi).headers().contains_key(RETRY_AFTER);
            assert_eq!(waits, matches!(status, 429 | 503), "{problem}");
        }
    }
}
