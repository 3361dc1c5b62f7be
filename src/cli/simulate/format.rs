//! How numbers of a simulation are said: times, counts, and parts of many runs.
//!
//! One way for the table, the sentences and the page. Parts never claim more than was seen: what is not nothing is
//! never said as 0%, and what is not everything never as 100%. What is missing is a dash.

use crate::describe::format;
use crate::simulate::quantiles::Distribution;

/// What there is no number for.
pub(super) const NONE: &str = "-";

/// A length of time in its two largest units.
pub(super) fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| NONE.to_owned(), format::time)
}

/// A count with its thousands apart: `12,319`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and counts are not negative")]
pub(super) fn count(number: f64) -> String {
    format::grouped(number.round() as u64)
}

/// The median of counts.
pub(super) fn middle(spread: &Distribution) -> String {
    spread.median().map_or_else(|| NONE.to_owned(), count)
}

/// A part of many: `44%`, `0.3%`.
pub(super) fn part(some: usize, all: usize) -> String {
    if all == 0 {
        return NONE.to_owned();
    }
    let percent = some as f64 / all as f64 * 100.0;
    let text = match percent {
        p if p > 0.0 && p < 0.1 => return "<0.1%".to_owned(),
        p if p < 10.0 || (p > 99.0 && some < all) => format!("{:.1}", if p > 99.0 { p.min(99.9) } else { p }),
        p => format!("{p:.0}"),
    };
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// A part of many in a sentence: `none`, `44%`, `all`.
pub(super) fn much(some: usize, all: usize) -> String {
    match some {
        0 => "none".to_owned(),
        some if some == all => "all".to_owned(),
        some => part(some, all),
    }
}

/// A count that needs no more than a few letters: `14.4 million`.
pub(super) fn short(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1} billion", n / 1e9),
        n if n >= 1e6 => format!("{:.1} million", n / 1e6),
        n => count(n),
    }
}

/// How many of how many: `0`, `438 (44%)`.
pub(super) fn of(some: usize, all: usize) -> String {
    let text = count(some as f64);
    if some == 0 { text } else { format!("{text} ({})", part(some, all)) }
}

/// A share of 0 to 1 as percent.
pub(super) fn share(part: f64) -> String {
    format::percent(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!([0.0, 999.0, 1000.0, 1_234_567.4].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn parts_never_claim_more_than_was_seen() {
        let parts = [(0, 9), (1, 2000), (3, 1000), (44, 100), (2, 25), (999, 1000), (9999, 10_000), (5, 5), (0, 0)];
        let pieces = parts.map(|(some, all)| part(some, all));
        assert_eq!(pieces, ["0%", "<0.1%", "0.3%", "44%", "8%", "99.9%", "99.9%", "100%", "-"]);
        assert_eq!([of(0, 9), of(438, 1000)], ["0", "438 (44%)"]);
    }

    #[test]
    fn sentences_and_figures_are_short() {
        assert_eq!([much(0, 9), much(4, 9), much(9, 9)], ["none", "44%", "all"]);
        assert_eq!([999_999.0, 14_404_663.0, 7.2e9].map(short), ["999,999", "14.4 million", "7.2 billion"]);
    }

    #[test]
    fn what_is_missing_is_a_dash() {
        assert_eq!([time(None), middle(&Distribution::default()), time(Some(85.0))], ["-", "-", "1m 25s"]);
    }
}
