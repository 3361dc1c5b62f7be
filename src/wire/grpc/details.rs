//! What a status says beyond its code: when to come again, and whether a quota is used up.
//!
//! Reads `grpc-retry-pushback-ms`, and of `grpc-status-details-bin` (a `google.rpc.Status` in base64) the two details
//! that change what is done next: `RetryInfo` and `QuotaFailure`. Every other field is skipped. Invariant: what cannot
//! be read says nothing, and never costs more than one walk over at most 8 KiB.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;

/// The longest details that are read, in base64.
const LONGEST: usize = 8 * 1024;
/// Details come with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a status says of what may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// For how many milliseconds the client is to stay away; `u64::MAX`: it is not to come again.
    pub pause: Option<u64>,
    /// Whether a quota is used up.
    pub quota: bool,
}

/// What these trailers say.
#[must_use]
pub fn read_details(headers: &HeaderMap) -> Details {
    let mut details = Details::default();
    if let Some(value) = headers.get("grpc-status-details-bin")
        && value.len() <= LONGEST
        && let Ok(status) = BASE64.decode(value.as_bytes())
    {
        for detail in Fields(&status).filter_map(|field| field.bytes(3)) {
            let name = Fields(detail).find_map(|field| field.bytes(1)).unwrap_or_default();
            let value = Fields(detail).find_map(|field| field.bytes(2)).unwrap_or_default();
            if name.ends_with(b"/google.rpc.RetryInfo") {
                details.pause = details.pause.or_else(|| retry_delay(value));
            }
            details.quota |= name.ends_with(b"/google.rpc.QuotaFailure");
        }
    }
    // The client's own library reads this one.
    if let Some(pushback) = headers.get("grpc-retry-pushback-ms") {
        let millis = pushback.to_str().ok().and_then(|text| text.trim().parse::<i64>().ok());
        // A negative number, or what is none, forbids a retry.
        details.pause = Some(millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or(u64::MAX));
    }
    details
}

/// The delay of a `RetryInfo`, in milliseconds.
fn retry_delay(info: &[u8]) -> Option<u64> {
    let duration = Fields(info).find_map(|field| field.bytes(1))?;
    let number = |name| Fields(duration).find_map(|field| field.number(name)).unwrap_or(0);
    let (seconds, nanos) = (number(1), number(2));
    // Negative ones have all high bits set.
    let sound = seconds <= u64::from(u32::MAX) && nanos < 1_000_000_000;
    sound.then(|| seconds * 1000 + nanos.div_ceil(1_000_000))
}

/// One field of a protobuf message.
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
    Other,
}

impl<'a> Field<'a> {
    fn bytes(&self, wanted: u64) -> Option<&'a [u8]> {
        match self {
            Field::Bytes(name, bytes) if *name == wanted => Some(bytes),
            _ => None,
        }
    }

    fn number(&self, wanted: u64) -> Option<u64> {
        match self {
            Field::Number(name, number) if *name == wanted => Some(*number),
            _ => None,
        }
    }
}

/// The fields of a protobuf message, as far as it can be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in 0..10 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(7 * shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        match tag & 7 {
            0 => self.varint().map(|number| Field::Number(tag >> 3, number)),
            1 => self.take(8).map(|_| Field::Other),
            2 => {
                let length = self.varint()?;
                self.take(length).map(|bytes| Field::Bytes(tag >> 3, bytes))
            }
            5 => self.take(4).map(|_| Field::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn field(name: u8, bytes: &[u8]) -> Vec<u8> {
        [&[name << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    fn detail(kind: &str, value: &[u8]) -> Vec<u8> {
        let name = format!("type.googleapis.com/google.rpc.{kind}");
        field(3, &[field(1, name.as_bytes()), field(2, value)].concat())
    }

    fn read(status: &[u8], padded: bool) -> Details {
        let text = if padded {
            base64::engine::general_purpose::STANDARD.encode(status)
        } else {
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(status)
        };
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status-details-bin", HeaderValue::try_from(text).unwrap());
        read_details(&headers)
    }

    #[test]
    fn a_retry_delay_and_a_quota_are_found_among_other_details() {
        let delay = field(1, &[8, 2, 16, 0x80, 0xca, 0xb5, 0xee, 0x01]); // 2 s and 500,000,000 ns
        let status = [vec![8, 8], field(2, b"slow down"), detail("Help", b"x"), detail("RetryInfo", &delay)].concat();
        for padded in [true, false] {
            assert_eq!(read(&status, padded), Details { pause: Some(2500), quota: false });
        }
        let status = [status, detail("QuotaFailure", &[])].concat();
        assert_eq!(read(&status, false), Details { pause: Some(2500), quota: true });
        // A negative delay says nothing.
        let negative = field(1, &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        assert_eq!(read(&detail("RetryInfo", &negative), true), Details::default());
    }

    #[test]
    fn pushback_says_when_or_that_nobody_is_to_come_again() {
        for (text, pause) in [("250", 250), ("0", 0), ("-1", u64::MAX), ("soon", u64::MAX)] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-retry-pushback-ms", HeaderValue::from_static(text));
            assert_eq!(read_details(&headers).pause, Some(pause), "{text}");
        }
        assert_eq!(read_details(&HeaderMap::new()), Details::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_passed_over(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes, true);
        }
    }
}
