//! What gRPC puts around its messages: the status at the end of a call, the time limit at its beginning, and the prefix
//! of each message.
//!
//! Owns the readers and writers of these. Refuses to read a message, which is the application's, and to decide what a
//! status means ([`decide::grpc`](crate::decide::grpc) does). Invariant: what cannot be read is never taken for a
//! success.

mod details;
mod framing;
mod message;
mod status;
mod timeout;

pub use details::{Details, read_details};
pub use framing::MessageReader;
pub use message::{decode_message, encode_message};
pub use status::{GrpcCode, GrpcStatus};
pub use timeout::{parse_timeout, write_timeout};

/// Whether a content type is gRPC's: `application/grpc`, alone or with a message format. `application/grpc-web` is
/// another protocol, whose status is in the body.
#[must_use]
pub fn is_grpc(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"application/grpc";
    content_type.len() >= NAME.len()
        && content_type[..NAME.len()].eq_ignore_ascii_case(NAME)
        && matches!(content_type.get(NAME.len()), None | Some(b'+' | b';' | b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_by_its_content_type() {
        for call in
            ["application/grpc", "application/grpc+proto", "Application/gRPC; charset=utf-8", "application/grpc "]
        {
            assert!(is_grpc(call.as_bytes()), "{call}");
        }
        for other in ["", "application/grp", "application/grpc-web", "application/grpc-web+proto", "application/grpcx"]
        {
            assert!(!is_grpc(other.as_bytes()), "{other}");
        }
    }
}
