//! The status of a call that Serin ends itself, in a head without messages or in trailers after them.
//!
//! The only place where a problem gets a code of gRPC. A client that may come again is told when
//! (`grpc-retry-pushback-ms`), and one that is not to come again is told that. Invariant: the code is never OK, and
//! `x-serin-error` says that it is Serin's.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::decide::outcome::Ending;
use crate::decide::route::Rejected;
use crate::decide::units::Millis;
use crate::proxy::response::error::{ProxyError, X_SERIN_ERROR};
use crate::wire::grpc::{GrpcCode, encode_message};
use crate::wire::printable::printable;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// A status of Serin's own.
#[derive(Debug)]
pub(crate) struct OwnStatus {
    pub(crate) code: GrpcCode,
    label: &'static str,
    message: String,
    /// After what time the client may come again; `Some(None)`: it is not to.
    pushback: Option<Option<Millis>>,
}

/// What a problem is called in gRPC.
pub(crate) fn of_problem(problem: &ProxyError) -> OwnStatus {
    let pushback = if problem.is_final() { Some(None) } else { problem.retry_after().map(Some) };
    OwnStatus { code: code(problem), label: problem.label(), message: problem.to_string(), pushback }
}

/// What a call ends with after its head has gone out.
pub(super) fn after_head(code: GrpcCode, label: &'static str, message: String) -> OwnStatus {
    OwnStatus { code, label, message, pushback: None }
}

/// The code of a problem.
pub(crate) fn code(problem: &ProxyError) -> GrpcCode {
    match problem {
        ProxyError::GrpcTimeout(_) | ProxyError::GrpcVersion => GrpcCode::INTERNAL,
        ProxyError::Unmatched(Rejected::Unmatched) => GrpcCode::UNIMPLEMENTED,
        ProxyError::Expired | ProxyError::NoAnswer { ending: Ending::Expired { .. }, .. } => {
            GrpcCode::DEADLINE_EXCEEDED
        }
        ProxyError::NoAnswer { ending: Ending::ClientLeft, .. } => GrpcCode::CANCELLED,
        _ => match problem.status().as_u16() {
            400 => GrpcCode::INVALID_ARGUMENT,
            401 => GrpcCode::UNAUTHENTICATED,
            403 => GrpcCode::PERMISSION_DENIED,
            404 | 405 | 501 => GrpcCode::UNIMPLEMENTED,
            408 => GrpcCode::DEADLINE_EXCEEDED,
            413 | 429 => GrpcCode::RESOURCE_EXHAUSTED,
            // The client has time left, and may try again.
            502..=504 => GrpcCode::UNAVAILABLE,
            _ => GrpcCode::INTERNAL,
        },
    }
}

impl OwnStatus {
    /// Writes it into a head or into trailers.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(X_SERIN_ERROR, HeaderValue::from_static(self.label));
        headers.insert(GRPC_STATUS, HeaderValue::from(self.code.0));
        // It may hold words of a provider or of the client.
        let from_serin = if self.message.ends_with("(from Serin)") { "" } else { " (from Serin)" };
        let text = encode_message(&printable(&format!("{}{from_serin}", self.message)));
        if let Ok(text) = HeaderValue::try_from(text) {
            headers.insert(GRPC_MESSAGE, text);
        }
        if let Some(pushback) = self.pushback {
            let millis =
                pushback.map_or_else(|| HeaderValue::from_static("-1"), |Millis(wait)| HeaderValue::from(wait));
            headers.insert(PUSHBACK, millis);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::outcome::{BodyEnd, ErrorClass};

    fn no_answer(ending: Ending) -> ProxyError {
        ProxyError::NoAnswer { provider: "p".into(), arm: None, ending, detail: "d".into(), is_final: false }
    }

    #[test]
    fn the_codes_of_problems() {
        let answered = |body| no_answer(Ending::Answered { status: 200, grounds: ErrorClass::Other, body });
        for (problem, code) in [
            (ProxyError::Unauthorized, "UNAUTHENTICATED"),
            (ProxyError::OutsideMount { path: "/x".into(), mount: "/v1".into() }, "UNIMPLEMENTED"),
            (ProxyError::Unmatched(Rejected::Unmatched), "UNIMPLEMENTED"),
            (ProxyError::Unmatched(Rejected::UnreadModel), "INVALID_ARGUMENT"),
            (ProxyError::Trace, "UNIMPLEMENTED"),
            (ProxyError::GrpcTimeout("x".into()), "INTERNAL"),
            (ProxyError::GrpcVersion, "INTERNAL"),
            (ProxyError::NoHttp2 { provider: "p".into() }, "UNIMPLEMENTED"),
            (ProxyError::Expired, "DEADLINE_EXCEEDED"),
            (ProxyError::Stopping, "UNAVAILABLE"),
            (ProxyError::RolledBack, "UNAVAILABLE"),
            (ProxyError::Unusable { provider: "p".into(), reason: "r".into() }, "UNAVAILABLE"),
            (ProxyError::Limited { provider: "p".into(), limit: "requests", wait: Millis(1) }, "RESOURCE_EXHAUSTED"),
            (ProxyError::ClientLimited { client: "c".into(), wait: Millis(1) }, "RESOURCE_EXHAUSTED"),
            (ProxyError::Defect, "INTERNAL"),
            (no_answer(Ending::NoConnection), "UNAVAILABLE"),
            (no_answer(Ending::NoHead), "UNAVAILABLE"),
            (no_answer(Ending::HeadTimeout), "UNAVAILABLE"),
            (no_answer(Ending::Expired { fair: false }), "DEADLINE_EXCEEDED"),
            (no_answer(Ending::CutBySerin), "UNAVAILABLE"),
            (no_answer(Ending::ClientLeft), "CANCELLED"),
            (answered(BodyEnd::Early), "UNAVAILABLE"),
            (answered(BodyEnd::Silent), "UNAVAILABLE"),
            (answered(BodyEnd::NoOutput), "UNAVAILABLE"),
        ] {
            assert_eq!(of_problem(&problem).code.to_string(), code, "{problem}");
        }
    }

    #[test]
    fn a_client_is_told_when_to_come_again_or_not_to() {
        let pushback = |problem: &ProxyError| {
            let mut headers = HeaderMap::new();
            of_problem(problem).write(&mut headers);
            assert_eq!(headers["x-serin-error"], problem.label());
            headers.get(PUSHBACK).map(|value| value.to_str().unwrap().to_owned())
        };
        let limited = ProxyError::Limited { provider: "p\n%".into(), limit: "requests", wait: Millis(1500) };
        assert_eq!(pushback(&limited).as_deref(), Some("1500"));
        assert_eq!(pushback(&ProxyError::Unauthorized), None);
        assert_eq!(pushback(&no_answer(Ending::NoHead).made_final()).as_deref(), Some("-1"));
    }
}
