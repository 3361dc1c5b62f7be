//! What commands print: once, whole, and in colour only where a person looks.
//!
//! A reader that closes early (`serin history | head`) is no error. Text that came from elsewhere is shown on one
//! line, and nothing goes out that a terminal would obey but Serin's own colours.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::app::api::Timestamp;
use crate::decide::printable::{printable, printable_lines};
use crate::decide::units::{Millis, UnixMillis};

/// Prints text to standard output; nothing is added, and what a terminal would obey is written out.
pub(super) fn print(text: &str) {
    // A closed pipe has nobody to tell.
    let _ = try_print(text);
}

/// The same for a command that goes on until nobody reads.
///
/// # Errors
/// Where standard output is closed.
pub(super) fn try_print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(printable_lines(text).as_bytes())?;
    out.flush()
}

/// Prints a value as indented JSON and a line's end.
pub(super) fn print_json(value: &impl Serialize) {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    print(&text);
}

/// A line of a small table: what, and what is to be said of it.
pub(super) fn row(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "  {key:<10} {value}");
}

/// Whether what is printed may carry colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style(bool);

impl Style {
    /// Colour on a terminal whose owner did not turn it off.
    pub(super) fn of_stdout() -> Style {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Style(wanted && io::stdout().is_terminal())
    }

    /// No colour.
    #[cfg(test)]
    pub(super) const PLAIN: Style = Style(false);

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Text from elsewhere on one line of a terminal.
pub(super) fn one_line(text: &str) -> String {
    printable(text)
}

/// A length of time as people say it: the two largest units.
pub(super) fn span(length: Millis) -> String {
    let seconds = length.0 / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large: u64, unit: &str, small: u64, below: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{below}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{}s", seconds),
        (0, 0, minutes) => two(minutes, "m", seconds % 60, "s"),
        (0, hours, minutes) => two(hours, "h", minutes, "m"),
        (days, hours, _) => two(days, "d", hours, "h"),
    }
}

/// A moment as people read it: date, time to the second, UTC.
pub(super) fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {}Z", time.get(..8).unwrap_or(time))
}

/// How long ago, or how far ahead.
pub(super) fn distance(at: Timestamp, now: UnixMillis) -> String {
    if at.0 > now { format!("in {}", span(at.0.since(now))) } else { format!("{} ago", span(now.since(at.0))) }
}

/// A length of time of the API.
pub(super) fn millis(seconds: f64) -> Millis {
    let length = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let texts = [0, 999, 59_000, 60_000, 61_000, 3_600_000, 3_660_000, 86_400_000, 97_200_000]
            .map(|millis| span(Millis(millis)));
        assert_eq!(texts, ["0s", "0s", "59s", "1m", "1m 1s", "1h", "1h 1m", "1d", "1d 3h"]);
    }

    #[test]
    fn moments_are_said_both_ways() {
        let at = Timestamp(UnixMillis(1_795_247_762_123));
        assert_eq!(moment(at), "2026-11-21 07:56:02Z");
        assert_eq!(distance(at, UnixMillis(1_795_247_772_123)), "10s ago");
        assert_eq!(distance(at, UnixMillis(1_795_247_702_123)), "in 1m");
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(one_line("a\n\x1b[31mb\u{202e}"), "a \\u001b[31mb\\u202e");
        assert_eq!(Style::PLAIN.red("x"), "x");
        assert_eq!(Style(true).red("x"), "\x1b[31mx\x1b[0m");
    }
}
