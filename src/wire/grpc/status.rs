//! The status that ends a call: its number, its name, and its message.
//!
//! Owns the names of the 17 codes and what stands for a status where there is none, as clients of gRPC have it for
//! answers of proxies and balancers (doc/http-grpc-status-mapping of gRPC). A number that is not known is kept as it
//! is; what is no number is UNKNOWN. Invariant: only a `grpc-status` of 0 is OK.

use std::fmt;

use http::HeaderMap;

use super::message::decode_message;

/// A status code. Codes beyond 16 may come from later versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrpcCode(pub u16);

impl GrpcCode {
    pub const OK: GrpcCode = GrpcCode(0);
    pub const CANCELLED: GrpcCode = GrpcCode(1);
    pub const UNKNOWN: GrpcCode = GrpcCode(2);
    pub const INVALID_ARGUMENT: GrpcCode = GrpcCode(3);
    pub const DEADLINE_EXCEEDED: GrpcCode = GrpcCode(4);
    pub const NOT_FOUND: GrpcCode = GrpcCode(5);
    pub const PERMISSION_DENIED: GrpcCode = GrpcCode(7);
    pub const RESOURCE_EXHAUSTED: GrpcCode = GrpcCode(8);
    pub const OUT_OF_RANGE: GrpcCode = GrpcCode(11);
    pub const UNIMPLEMENTED: GrpcCode = GrpcCode(12);
    pub const INTERNAL: GrpcCode = GrpcCode(13);
    pub const UNAVAILABLE: GrpcCode = GrpcCode(14);
    pub const UNAUTHENTICATED: GrpcCode = GrpcCode(16);

    /// Its name; `None`: it has none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "OK",
            1 => "CANCELLED",
            2 => "UNKNOWN",
            3 => "INVALID_ARGUMENT",
            4 => "DEADLINE_EXCEEDED",
            5 => "NOT_FOUND",
            6 => "ALREADY_EXISTS",
            7 => "PERMISSION_DENIED",
            8 => "RESOURCE_EXHAUSTED",
            9 => "FAILED_PRECONDITION",
            10 => "ABORTED",
            11 => "OUT_OF_RANGE",
            12 => "UNIMPLEMENTED",
            13 => "INTERNAL",
            14 => "UNAVAILABLE",
            15 => "DATA_LOSS",
            16 => "UNAUTHENTICATED",
            _ => return None,
        })
    }

    /// What an answer without a status stands for, by its HTTP status.
    #[must_use]
    pub const fn of_http(status: u16) -> GrpcCode {
        match status {
            400 => GrpcCode::INTERNAL,
            401 => GrpcCode::UNAUTHENTICATED,
            403 => GrpcCode::PERMISSION_DENIED,
            404 => GrpcCode::UNIMPLEMENTED,
            429 | 502..=504 => GrpcCode::UNAVAILABLE,
            _ => GrpcCode::UNKNOWN,
        }
    }
}

impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "grpc-status {}", self.0),
        }
    }
}

/// A status, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcStatus {
    pub code: GrpcCode,
    /// Decoded, in so many characters; empty: none.
    pub message: String,
}

impl GrpcStatus {
    /// Of trailers, or of a head that is all there is; `None`: there is no status in them.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<GrpcStatus> {
        let code = headers.get("grpc-status")?.to_str().ok().map(str::trim);
        let is_number = |code: &&str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
        // A number that is too large is still no success.
        let code = code.filter(is_number).map(|code| GrpcCode(code.parse().unwrap_or(u16::MAX)));
        let message = headers.get("grpc-message").map_or_else(String::new, |said| decode_message(said.as_bytes()));
        Some(GrpcStatus { code: code.unwrap_or(GrpcCode::UNKNOWN), message })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(status: &[u8], message: Option<&'static str>) -> Option<(u16, String)> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from_bytes(status).unwrap());
        if let Some(message) = message {
            headers.insert("grpc-message", HeaderValue::from_static(message));
        }
        GrpcStatus::read(&headers).map(|status| (status.code.0, status.message))
    }

    #[test]
    fn a_status_is_a_number_and_nothing_else_is_a_success() {
        assert_eq!(GrpcStatus::read(&HeaderMap::new()), None);
        assert_eq!(read(b"0", None), Some((0, String::new())));
        assert_eq!(read(b"14", Some("no%20place%21")), Some((14, "no place!".to_owned())));
        assert_eq!(read(b" 7 ", None).unwrap().0, 7);
        for (odd, code) in [(&b""[..], 2), (b"OK", 2), (b"-0", 2), (b"+0", 2), (b"0x0", 2), (b"\xff", 2), (b"42", 42)] {
            assert_eq!(read(odd, None).unwrap().0, code, "{odd:?}");
        }
        assert_eq!(read(b"4294967296", None).unwrap().0, u16::MAX);
    }

    #[test]
    fn what_stands_for_a_status_follows_the_table_of_clients() {
        for (http, name) in [
            (400, "INTERNAL"),
            (401, "UNAUTHENTICATED"),
            (403, "PERMISSION_DENIED"),
            (404, "UNIMPLEMENTED"),
            (429, "UNAVAILABLE"),
            (502, "UNAVAILABLE"),
            (503, "UNAVAILABLE"),
            (504, "UNAVAILABLE"),
            (200, "UNKNOWN"),
            (302, "UNKNOWN"),
            (409, "UNKNOWN"),
            (500, "UNKNOWN"),
        ] {
            assert_eq!(GrpcCode::of_http(http).to_string(), name, "{http}");
        }
        assert_eq!(GrpcCode(99).to_string(), "grpc-status 99");
    }

    proptest! {
        #[test]
        fn no_answer_without_a_status_is_a_success(http: u16) {
            prop_assert_ne!(GrpcCode::of_http(http), GrpcCode::OK);
        }

        #[test]
        fn only_a_nought_is_ok(text in "[ -~]{1,12}") {
            let code = read(text.as_bytes(), None).unwrap().0;
            let nought = !text.trim().is_empty() && text.trim().bytes().all(|byte| byte == b'0');
            prop_assert_eq!(code == 0, nought);
        }
    }
}
