//! A moment in an attribute: RFC 3339 as a text, or Unix time as a number.
//!
//! Applications send either. A number below 100,000,000,000 is in seconds (until the year 5138), any other in
//! milliseconds (from 1973 on). Whatever is no moment is `None`: a comparison with it fails.

use serde_json::Value;

use crate::decide::timestamp::days;
use crate::decide::units::UnixMillis;

/// From here on a number is in milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// The moment of an attribute; `None`: it is none, or one before 1970.
pub(super) fn moment(attribute: &Value) -> Option<UnixMillis> {
    match attribute {
        Value::String(text) => rfc3339(text),
        Value::Number(number) => of_number(number.as_f64()?),
        _ => None,
    }
}

fn of_number(number: f64) -> Option<UnixMillis> {
    let millis = if number.abs() < MILLISECONDS_FROM { number * 1000.0 } else { number };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (0.0..9e15).contains(&millis).then_some(UnixMillis(millis as u64))
}

/// `2026-11-23T09:00:00Z`, with any fraction and any offset.
fn rfc3339(text: &str) -> Option<UnixMillis> {
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    let marks = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    if marks.iter().any(|(at, mark)| text.get(*at..at + 1) != Some(mark))
        || !matches!(text.get(10..11)?, "T" | "t" | " ")
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            (millis_of(rest.get(..end).filter(|digits| !digits.is_empty())?)?, rest.get(end..)?)
        }
        None => (0, rest),
    };
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = i64::try_from(seconds).ok()? - offset_seconds(offset)?;
    Some(UnixMillis(u64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(fraction)?))
}

/// The first three digits of a fraction, in milliseconds.
fn millis_of(fraction: &str) -> Option<u64> {
    let first = fraction.get(..fraction.len().min(3))?;
    digits(&format!("{first:0<3}"))
}

fn offset_seconds(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * i64::try_from(hours * 3600 + minutes * 60).ok()?)
}

fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_and_a_number_are_the_same_moment() {
        // By Python's datetime.fromisoformat(...).timestamp().
        for attribute in [
            json!("2026-11-21T07:56:02Z"),
            json!("2026-11-21T09:56:02+02:00"),
            json!("2026-11-21 02:26:02.000-05:30"),
            json!("2026-11-21t07:56:02.0z"),
            json!(1_795_247_762),
            json!(1_795_247_762.0),
            json!(1_795_247_762_000_u64),
        ] {
            assert_eq!(moment(&attribute), Some(UnixMillis(1_795_247_762_000)), "{attribute}");
        }
        assert_eq!(moment(&json!("2026-11-21T07:56:02.1239Z")), Some(UnixMillis(1_795_247_762_123)));
        assert_eq!(moment(&json!("1970-01-01T00:00:00Z")), Some(UnixMillis(0)));
        assert_eq!(moment(&json!("2000-02-29T00:00:00Z")), Some(UnixMillis(951_782_400_000)));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "today",
            "2026-11-21",
            "2026-11-21T07:56:02",
            "2026-11-21T07:56Z",
            "2026-13-21T07:56:02Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T07:56:02.Z",
            "2026-11-21T07:56:02+2",
            "2026-11-21T07:56:02+99:00",
            "1969-12-31T23:59:59Z",
            "2026-11-21T07:56:0éZ",
            "٢٠٢٦-11-21T07:56:02Z",
        ] {
            assert_eq!(moment(&json!(text)), None, "{text}");
        }
        for attribute in [json!(-1), json!(1e300), json!(true), json!([1]), json!({"a": 1}), Value::Null] {
            assert_eq!(moment(&attribute), None, "{attribute}");
        }
    }
}
