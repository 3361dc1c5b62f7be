//! `grpc-timeout`: how long a call may take, at most eight digits and a unit.
//!
//! Owns both directions. What is written is rounded down to what eight digits can hold, in the smallest unit that
//! does, so that the next hop never has more time than is left. Invariant: what is written is read as no more than what
//! was meant, and as less by at most a hundred-thousandth of it.

use std::time::Duration;

/// The most digits.
const DIGITS: usize = 8;
const MOST: u128 = 99_999_999;
/// Nanoseconds of each unit, the smallest first.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// What a value says; `None`: it is malformed.
#[must_use]
pub fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0_u64, |count, digit| count * 10 + u64::from(digit - b'0'));
    let (_, nanos) = UNITS.iter().find(|(name, _)| name == unit)?;
    let (seconds, rest) = (*nanos / 1_000_000_000, *nanos % 1_000_000_000);
    let seconds = u64::try_from(seconds).ok()?.checked_mul(count)?;
    Duration::from_secs(seconds).checked_add(Duration::from_nanos(u64::try_from(rest).ok()?.checked_mul(count)?))
}

/// This much time, as a value. No time at all is the least that there is, since a timeout is positive.
#[must_use]
pub fn write_timeout(left: Duration) -> String {
    let nanos = left.as_nanos().max(1);
    let fits = UNITS.iter().find(|(_, unit)| nanos / unit <= MOST);
    let (name, unit) = fits.unwrap_or(&UNITS[UNITS.len() - 1]);
    format!("{}{}", (nanos / unit).min(MOST), char::from(*name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_units_of_the_protocol() {
        for (text, nanos) in [
            ("1H", 3_600_000_000_000),
            ("2M", 120_000_000_000),
            ("3S", 3_000_000_000),
            ("100m", 100_000_000),
            ("7u", 7_000),
            ("99999999n", 99_999_999),
            ("0S", 0),
            ("00000001S", 1_000_000_000),
        ] {
            assert_eq!(parse_timeout(text.as_bytes()), Some(Duration::from_nanos(nanos)), "{text}");
        }
        assert_eq!(parse_timeout(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in ["", "S", "1", "123456789n", "-1S", "+1S", "1.5S", "1s", "1 S", "1h", "\u{661}S", "1SS"] {
            assert_eq!(parse_timeout(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_left_is_written_in_the_smallest_unit_that_holds_it() {
        for (nanos, text) in [
            (0, "1n"),
            (99_999_999, "99999999n"),
            (100_000_001, "100000u"),
            (99_999_999_999, "99999999u"),
            (100_000_000_000, "100000m"),
        ] {
            assert_eq!(write_timeout(Duration::from_nanos(nanos)), text);
        }
        assert_eq!(write_timeout(Duration::MAX), "99999999H");
    }

    proptest! {
        #[test]
        fn no_hop_has_more_time_than_the_one_before(nanos in 1_u64..=u64::MAX) {
            let left = Duration::from_nanos(nanos);
            let text = write_timeout(left);
            let read = parse_timeout(text.as_bytes()).unwrap();
            prop_assert!(text.len() <= DIGITS + 1 && read <= left);
            prop_assert!((left - read).as_nanos() <= left.as_nanos() / 100_000 + 1, "{text} of {left:?}");
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>) {
            if let Some(read) = parse_timeout(&bytes) {
                prop_assert!(bytes.len() <= DIGITS + 1 && read <= Duration::from_secs(99_999_999 * 3600));
            }
        }
    }
}
