//! Numbers as the page shows them: short, and with their unit.

use serin::describe::format::grouped;
use serin::simulate::summary::Summary;

/// A time: seconds up to two minutes, minutes up to two hours, hours up to two days, days.
pub(crate) fn time(seconds: f64) -> String {
    let (minute, hour, day) = (60.0, 3600.0, 86_400.0);
    match seconds {
        s if s < 2.0 * minute => format!("{s:.0} s"),
        s if s < 2.0 * hour => format!("{:.0} min", s / minute),
        s if s < 2.0 * day => format!("{} h", tenths(s / hour)),
        s => format!("{} d", tenths(s / day)),
    }
}

fn tenths(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A count, its thousands set apart.
pub(crate) fn count(value: f64) -> String {
    grouped(format_args!("{value:.0}"))
}

/// A part of a whole, in percent: as much of it as some hundred runs can tell.
pub(crate) fn percent(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0".to_owned(),
        few if few < 1.0 => format!("{few:.1} %"),
        some => format!("{some:.0} %"),
    }
}

/// How a fault was found: median time, requests and failures of the canary, and what else there is to say.
pub(crate) fn found(tally: &Summary) -> String {
    let mut text = match (tally.seconds.median(), tally.requests.median(), tally.errors.median()) {
        // Below this a median says more about luck than about the rule.
        (Some(seconds), Some(requests), Some(errors)) if tally.found_part() >= 0.05 => {
            format!("{} / {} / {}", time(seconds), count(requests), count(errors))
        }
        _ if tally.wrong == tally.runs => "-".to_owned(),
        _ => "never".to_owned(),
    };
    if (0.05..0.995).contains(&tally.found_part()) {
        text += &format!(" ({})", percent(tally.found_part()));
    }
    if tally.wrong > 0 {
        text += &format!(" **F {}**", percent(tally.wrong_part()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [94.0, 1104.0, 11_000.0, 21_600.0, 300_000.0].map(time),
            ["94 s", "18 min", "3.1 h", "6 h", "3.5 d"]
        );
        assert_eq!([7.0, 999.0, 1000.0, 1_234_567.0].map(count), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.004, 0.35, 1.0].map(percent), ["0", "0.4 %", "35 %", "100 %"]);
    }
}
