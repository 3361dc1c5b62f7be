//! The two values by which a WebSocket's handshake is known: the client's key, and the server's answer to it.
//!
//! Pure: the bytes of a key are a parameter. A server that answers with another value has not read the request, or is
//! no WebSocket server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// What a server adds to a key (RFC 6455, 1.3).
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `Sec-WebSocket-Key` with these bytes.
#[must_use]
pub fn key_of(bytes: [u8; 16]) -> String {
    STANDARD.encode(bytes)
}

/// The `Sec-WebSocket-Accept` that answers a key.
#[must_use]
pub fn accept_of(key: &[u8]) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, MAGIC].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        assert_eq!(key_of(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
