//! The frames that Serin itself writes into a session: a close to either side, and a ping to the provider.
//!
//! What a client sends is masked, and to a provider Serin is a client. The mask is a parameter. Invariant: each is one
//! whole control frame.

/// The longest reason of a close frame.
const LONGEST_REASON: usize = 123;

const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// A server's close frame with this code and reason, of which a frame takes at most 123 bytes.
#[must_use]
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    let payload = of_close(code, reason);
    let mut frame = head(CLOSE, &payload);
    frame.extend(payload);
    frame
}

/// The same from a client.
#[must_use]
pub fn masked_close(code: u16, reason: &str, mask: [u8; 4]) -> Vec<u8> {
    masked(CLOSE, &of_close(code, reason), mask)
}

/// A client's ping with this payload, of which a frame takes at most 125 bytes.
#[must_use]
pub fn masked_ping(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    masked(PING, &payload[..payload.len().min(125)], mask)
}

fn of_close(code: u16, reason: &str) -> Vec<u8> {
    let reason = &reason[..reason.floor_char_boundary(LONGEST_REASON)];
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

fn masked(kind: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = head(kind, payload);
    frame[1] |= 0x80;
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn head(kind: u8, payload: &[u8]) -> Vec<u8> {
    vec![kind, u8::try_from(payload.len()).unwrap_or(125)]
}

#[cfg(test)]
mod tests {
    use super::super::{Frames, SERVICE_RESTART};
    use super::*;

    #[test]
    fn a_close_frame_has_its_code_and_fits() {
        assert_eq!(close(SERVICE_RESTART, "bye"), [0x88, 5, 0x03, 0xf4, b'b', b'y', b'e']);
        for reason in ["x".repeat(500), "ü".repeat(500)] {
            for frame in [close(SERVICE_RESTART, &reason), masked_close(SERVICE_RESTART, &reason, [1, 2, 3, 4])] {
                let mut frames = Frames::default();
                let said = frames.read(&frame).unwrap();
                assert_eq!(said.code, Some(SERVICE_RESTART));
                assert!(reason.starts_with(&said.reason) && said.reason.len() > 120, "{}", said.reason);
                assert!(frames.are_between());
            }
        }
    }

    #[test]
    fn a_ping_is_masked() {
        assert_eq!(masked_ping(b"ab", [1, 2, 3, 4]), [0x89, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2]);
    }
}
