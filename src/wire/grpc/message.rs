//! The message of a status, which travels percent-encoded.
//!
//! Decoded it is printable, on one line and not longer than a limit, since it is shown to people and counted by its
//! text. A sequence that cannot be decoded is kept as it stands, as the protocol asks. Invariant: what is encoded is
//! always a valid header value, and is decoded to the same text where that is printable and short.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use crate::wire::printable::printable_start;

/// The most characters of a message that are kept.
const LONGEST: usize = 160;
/// The most bytes that are decoded: enough for these characters, however they are encoded.
const MOST_BYTES: usize = LONGEST * 12;
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// The text of a `grpc-message`.
#[must_use]
pub fn decode_message(encoded: &[u8]) -> String {
    let encoded = &encoded[..encoded.len().min(MOST_BYTES)];
    let text = percent_decode(encoded).decode_utf8_lossy();
    printable_start(text.trim(), LONGEST)
}

/// A text as a `grpc-message` has it.
#[must_use]
pub fn encode_message(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_decoded_stays_as_it_is() {
        assert_eq!(decode_message(b"50% of %zz"), "50% of %zz");
        assert_eq!(decode_message(b"%E2%82%AC 5"), "\u{20ac} 5");
        assert_eq!(decode_message(b"%"), "%");
        assert_eq!(decode_message(&[b'x'; 5000]).chars().count(), LONGEST + 1);
    }

    proptest! {
        #[test]
        fn a_text_survives_the_way_there_and_back(text in "[ -~äß€]{0,100}") {
            let encoded = encode_message(&text);
            prop_assert!(HeaderValue::try_from(&encoded).is_ok());
            prop_assert_eq!(decode_message(encoded.as_bytes()), text.trim());
        }

        #[test]
        fn any_bytes_become_one_short_line(bytes: Vec<u8>) {
            let text = decode_message(&bytes);
            prop_assert!(!text.contains(['\n', '\r', '\0']) && text.chars().count() <= LONGEST + 1);
        }
    }
}
