//! Timestamps: RFC 3339 in UTC with milliseconds, `2026-11-21T07:56:02.123Z`.
//!
//! Used by the admin API and the guard's traces, for programs and for people. The calendar is
//! [`wire::moment`](crate::wire::moment)'s. Invariant: what is written is read back as the same moment.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::units::UnixMillis;
pub(super) use crate::wire::moment::days;
use crate::wire::moment::{self, date};

/// A moment, as it is written for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub UnixMillis);

const DAY: u64 = 86_400_000;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0.0 / DAY);
        let of_day = self.0.0 % DAY;
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Reads what `Display` writes; nothing else.
fn parse(text: &str) -> Option<UnixMillis> {
    let number = |from: usize, to: usize| {
        let part = text.get(from..to)?;
        if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse::<u64>().ok() } else { None }
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let of_day = ((number(11, 13)? * 60 + number(14, 16)?) * 60 + number(17, 19)?) * 1000 + number(20, 23)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let moment = UnixMillis(days(year, month, day)? * DAY + of_day);
    (Timestamp(moment).to_string() == text).then_some(moment)
}

/// A moment that a person or a program wrote: RFC 3339 with any offset, seconds and their fraction optional.
#[must_use]
pub fn read_rfc3339(text: &str) -> Option<UnixMillis> {
    moment::rfc3339(text).map(UnixMillis)
}

/// The first moment in UTC of a day that a person wrote: `2027-01-14`.
#[must_use]
pub fn read_date(text: &str) -> Option<UnixMillis> {
    let whole = text.len() == "2027-01-14".len();
    whole.then(|| read_rfc3339(&format!("{text}T00:00:00Z")))?
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text)
            .map(Timestamp)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a time such as 2026-11-21T07:56:02.123Z")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_calendar_made_elsewhere() {
        // By Python's datetime.fromtimestamp(ms / 1000, UTC).
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_247_762_123, "2026-11-21T07:56:02.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp(UnixMillis(millis)).to_string(), text);
            assert_eq!(parse(text), Some(UnixMillis(millis)));
        }
    }

    #[test]
    fn people_write_moments_in_several_ways() {
        let read = |text: &str| read_rfc3339(text).map(|at| Timestamp(at).to_string());
        for (written, moment) in [
            ("2026-11-21T07:56:02.123Z", "2026-11-21T07:56:02.123Z"),
            ("2026-11-21t07:56:02z", "2026-11-21T07:56:02.000Z"),
            ("2026-11-21 07:56Z", "2026-11-21T07:56:00.000Z"),
            ("2026-11-21T01:30:00+02:00", "2026-11-20T23:30:00.000Z"),
            ("2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00.000Z"),
            ("2028-02-29T00:00:00.5Z", "2028-02-29T00:00:00.500Z"),
            ("2026-11-21T07:56:02.1239999Z", "2026-11-21T07:56:02.123Z"),
        ] {
            assert_eq!(read(written).as_deref(), Some(moment), "{written}");
        }
        for wrong in [
            "2026-11-21",
            "2026-11-21T07:56:02",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T07:60:00Z",
            "2026-11-21T07:56:02.Z",
            "2026-11-21T07:56.5Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2026-11-21T07:56:02+15:00",
            "26-11-21T07:56:02Z",
            "2026-11-21T07:56:02Zulu",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_a_moment_is_refused() {
        for wrong in ["", "yesterday", "2026-13-01T00:00:00.000Z", "2026-02-30T00:00:00.000Z", "2026-11-21T07:56:02Z"] {
            let error = serde_json::from_value::<Timestamp>(serde_json::json!(wrong)).unwrap_err().to_string();
            assert_eq!(error, format!("`{wrong}` is not a time such as 2026-11-21T07:56:02.123Z"));
        }
    }
}
