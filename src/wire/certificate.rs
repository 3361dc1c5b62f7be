//! From when to when an X.509 certificate is valid, read from its DER.
//!
//! Reads as far as the field `validity` and no further: signatures, names and extensions are the business of those who
//! verify. Invariant: whatever the bytes are, reading ends, and what is not a
//! certificate has no validity.

use super::der::{SEQUENCE, expect, from_issuer};
use super::moment::rfc3339;

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// From when to when a certificate is valid, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: u64,
    pub not_after: u64,
}

/// The validity of a certificate; `None`: the bytes are not one.
#[must_use]
pub fn validity(der: &[u8]) -> Option<Validity> {
    let (_issuer, rest) = expect(from_issuer(der)?, SEQUENCE)?;
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some(Validity { not_before, not_after })
}

/// The moment of the first element, and what follows it. One before 1970 is told as 1970.
fn time(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let text = |digits, rest| Some((std::str::from_utf8(digits).ok()?, rest));
    let (century, text, rest) = match expect(bytes, UTC_TIME) {
        Some((digits, rest)) => {
            let (text, rest) = text(digits, rest)?;
            // RFC 5280, 4.1.2.5.1.
            (if text >= "5" { "19" } else { "20" }, text, rest)
        }
        None => {
            let (digits, rest) = expect(bytes, GENERALIZED_TIME)?;
            let (text, rest) = text(digits, rest)?;
            (text.get(..2)?, text.get(2..)?, rest)
        }
    };
    let part = |at: usize| text.get(at..at + 2);
    let (year, month, day) = (part(0)?, part(2)?, part(4)?);
    let (hour, minute, second) = (part(6)?, part(8)?, part(10)?);
    if text.get(12..)? != "Z" {
        return None;
    }
    let before_1970 = (century, year) < ("19", "70");
    // A leap year, so that every day is one.
    let (century, year) = if before_1970 { ("19", "72") } else { (century, year) };
    let moment = rfc3339(&format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z"))?;
    Some((if before_1970 { 0 } else { moment }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::wire::moment::days;

    const DAY: u64 = 86_400_000;

    fn certificate(not_before: (i32, u8, u8), not_after: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(not_before.0, not_before.1, not_before.2);
        params.not_after = date_time_ymd(not_after.0, not_after.1, not_after.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn read(not_before: (i32, u8, u8), not_after: (i32, u8, u8)) -> (u64, u64) {
        let found = validity(&certificate(not_before, not_after)).unwrap();
        (found.not_before, found.not_after)
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        let at = |year, month, day| days(year, month, day).unwrap() * DAY;
        // Until 2049 it has two digits of the year, from 2050 on four.
        assert_eq!(read((2026, 1, 2), (2049, 12, 31)), (at(2026, 1, 2), at(2049, 12, 31)));
        assert_eq!(read((1999, 12, 31), (2050, 1, 1)), (at(1999, 12, 31), at(2050, 1, 1)));
        assert_eq!(read((2024, 2, 29), (9999, 12, 31)), (at(2024, 2, 29), at(9999, 12, 31)));
        assert_eq!(read((1952, 2, 29), (1970, 1, 2)), (0, DAY));
    }

    #[test]
    fn seconds_count() {
        let text = |tag: u8, text: &str| [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let moment = |bytes: &[u8]| time(bytes).map(|(moment, _)| moment);
        let expected = rfc3339("2026-11-30T17:05:09Z");
        assert_eq!(moment(&text(UTC_TIME, "261130170509Z")), expected);
        assert_eq!(moment(&text(GENERALIZED_TIME, "20261130170509Z")), expected);
        for wrong in
            ["2611301705Z", "261130170509", "261130170509+0100", "261330170509Z", "26113017050zZ", "é61130170509Z"]
        {
            assert_eq!(moment(&text(UTC_TIME, wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn half_a_certificate_has_no_validity() {
        let whole = certificate((2026, 1, 1), (2027, 1, 1));
        assert!((0..whole.len()).all(|end| validity(&whole[..end]).is_none()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = validity(&bytes);
        }

        #[test]
        fn one_with_other_bytes_in_it_is_read_to_an_end(at in 0..200_usize, byte in any::<u8>()) {
            let mut bytes = certificate((2026, 1, 1), (2027, 1, 1));
            bytes[at] = byte;
            let _ = validity(&bytes);
        }
    }
}
