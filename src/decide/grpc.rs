//! How a gRPC call ended: its code, and what else decides what that means.
//!
//! A code is read together with whether a message had come by then: before the first message another candidate can be
//! asked. Refuses to read trailers ([`wire::grpc`](crate::wire::grpc) does), and to say what an end is counted as
//! ([`outcome`](super::outcome) does). Invariant: a refusal that another provider is asked about is one of the request.

use crate::wire::grpc::GrpcCode;

/// How a call ended, by what its provider said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcEnd {
    /// The status, or what stands for it.
    pub code: GrpcCode,
    /// What says more than the code.
    pub about: GrpcAbout,
    /// Whether a message had come.
    pub begun: bool,
}

/// What says more than a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrpcAbout {
    #[default]
    Nothing,
    /// The account is used up.
    Quota,
    /// There was no `grpc-status`, and the answer is an HTTP 429.
    Rate,
    /// There was no `grpc-status`, and the answer is another 4xx: the server refuses, whatever code clients see in it.
    Refused,
}

impl GrpcEnd {
    /// What an answer without a status is, by its HTTP status.
    #[must_use]
    pub const fn of_http(status: u16) -> GrpcEnd {
        let about = match status {
            429 => GrpcAbout::Rate,
            402 => GrpcAbout::Quota,
            401 | 403 | 408 => GrpcAbout::Nothing,
            400..=499 => GrpcAbout::Refused,
            _ => GrpcAbout::Nothing,
        };
        GrpcEnd { code: GrpcCode::of_http(status), about, begun: false }
    }

    /// Whether the request itself was refused, so that another provider may accept it: INVALID_ARGUMENT, NOT_FOUND,
    /// OUT_OF_RANGE, UNIMPLEMENTED. The other refusals are about what the server holds, or about who asks.
    #[must_use]
    pub const fn is_about_the_request(self) -> bool {
        matches!(self.code.0, 3 | 5 | 11 | 12) && !self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_provider_may_accept_is_asked_before_a_message_only() {
        let about = |begun| {
            let end = |code| GrpcEnd { code: GrpcCode(code), about: GrpcAbout::Nothing, begun };
            (0..20).filter(|code| end(*code).is_about_the_request()).collect::<Vec<u16>>()
        };
        assert_eq!((about(false), about(true)), (vec![3, 5, 11, 12], vec![]));
        assert!(GrpcEnd::of_http(404).is_about_the_request() && !GrpcEnd::of_http(503).is_about_the_request());
    }
}
