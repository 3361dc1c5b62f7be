//! How long a value tells to wait, in whichever form it is written.
//!
//! Reads durations (`6m0s`, `12ms`, `1h2m3.5s`), bare seconds with or without a fraction, seconds and milliseconds
//! since 1970, RFC 3339 and the dates of HTTP. Invariant: what is negative, past, no number, or longer than a day says
//! nothing.

use super::super::moment::{http_date, rfc3339};

/// What is longer says nothing: nobody is to wait for it, and it is a mistake more often than not.
pub(super) const LONGEST: u64 = 24 * 3_600_000;

/// A wait in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) millis: u64,
    /// Whether it was written with a unit. Those who write so mean the time to a full bucket.
    pub(super) as_duration: bool,
}

/// Reads a value in any form; `now` is what moments count from.
pub(super) fn read_wait(text: &str, now: u64) -> Option<Wait> {
    let text = text.trim();
    let wait = |millis: u64| Wait { millis, as_duration: false };
    if let Some(seconds) = number(text) {
        let until = |moment: f64| whole(moment).checked_sub(now).filter(|wait| (1..=LONGEST).contains(wait));
        let millis = match seconds {
            1e9..1e11 => until(seconds * 1000.0),
            1e12..1e14 => until(seconds),
            _ => at_most_a_day(seconds * 1000.0),
        };
        return millis.map(wait);
    }
    if let Some(millis) = duration(text) {
        return Some(Wait { millis, as_duration: true });
    }
    let at = rfc3339(text).or_else(|| http_date(text))?;
    at.checked_sub(now).filter(|wait| (1..=LONGEST).contains(wait)).map(wait)
}

/// Milliseconds, written as a bare number.
pub(super) fn read_millis(text: &str) -> Option<u64> {
    at_most_a_day(number(text.trim())?)
}

/// `1h2m3.5s`: numbers with their units, each unit smaller than the one before.
pub(super) fn duration(text: &str) -> Option<u64> {
    const UNITS: [(&str, f64); 9] = [
        ("d", 86_400_000.0),
        ("h", 3_600_000.0),
        ("m", 60_000.0),
        ("s", 1000.0),
        ("ms", 1.0),
        ("us", 1e-3),
        ("\u{b5}s", 1e-3),
        ("\u{3bc}s", 1e-3),
        ("ns", 1e-6),
    ];
    let (mut rest, mut left, mut sum) = (text, &UNITS[..], 0.0);
    while !rest.is_empty() {
        let (value, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let at = left.iter().position(|(name, _)| *name == unit)?;
        sum += number(value)? * left[at].1;
        (rest, left) = (after, &left[at + 1..]);
    }
    if text.is_empty() { None } else { at_most_a_day(sum) }
}

/// A number as it is written in a header: digits, and perhaps a fraction.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if digits && plain { text.parse().ok() } else { None }
}

/// Rounded up, so that nobody comes too early.
fn at_most_a_day(millis: f64) -> Option<u64> {
    let millis = whole(millis.ceil());
    (millis <= LONGEST).then_some(millis)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no number here is negative")]
const fn whole(number: f64) -> u64 {
    number as u64
}
