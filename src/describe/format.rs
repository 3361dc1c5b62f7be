//! The text form of counts, rates, evidence and times.
//!
//! Numbers are shortened to their significant digits. The history, status and the outlook use the same forms. Nothing
//! here depends on what a number counts.

use std::fmt::Display;

/// A count: requests and events are whole unless they are expectations.
#[must_use]
pub fn count(number: f64) -> String {
    format!("{:.0}", number.max(0.0))
}

/// A whole number with its thousands apart: `12,319`.
#[must_use]
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate with its significant digits: `20.6%`, `0.43%`, `0.012%`.
#[must_use]
pub fn percent(rate: f64) -> String {
    let percent = rate.clamp(0.0, 1.0) * 100.0;
    let text = match percent {
        p if p >= 10.0 => format!("{p:.1}"),
        p if p >= 0.1 => format!("{p:.2}"),
        p => format!("{p:.3}"),
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// Evidence: whole from ten on.
#[must_use]
pub fn number(evidence: f64) -> String {
    if evidence >= 1e6 {
        return "over a million".to_owned();
    }
    if evidence >= 10.0 { format!("{evidence:.0}") } else { format!("{evidence:.2}") }
}

/// A length of time: the two largest units.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
pub fn time(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let two = |large: u64, unit: &str, small: u64, below: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{below}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, minutes) => two(minutes, "m", rest, "s"),
        (0, hours, minutes) => two(hours, "h", minutes, "m"),
        (days, hours, _) => two(days, "d", hours, "h"),
    }
}

/// The first characters of a text.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most.saturating_sub(3)) {
        Some((end, _)) if text.chars().count() > most => format!("{}...", &text[..end]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_said_with_what_tells_something() {
        assert_eq!([0.206, 0.00433, 0.00012, 1.0, 0.0].map(percent), ["20.6%", "0.43%", "0.012%", "100%", "0%"]);
        assert_eq!([14.2, 75.0, 3600.0, 90_000.0].map(time), ["14s", "1m 15s", "1h", "1d 1h"]);
        assert_eq!([0.0312, 9.994, 2115.4].map(number), ["0.03", "9.99", "2115"]);
    }
}
