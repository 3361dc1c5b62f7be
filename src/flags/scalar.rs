//! What a single value means: shares, lengths of time, sizes, switches, moments, hours.
//!
//! Each function takes the text as written and gives the value, or what is wrong with it and what to write instead.
//! Decimals are read digit by digit, never through a float.

use crate::decide::policy::Hours;
use crate::decide::timestamp::{read_date, read_rfc3339};
use crate::decide::units::{Millis, ParsePercentError, Percent, UnixMillis};

/// Why a text is not the value it should be: "is not ...", and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) problem: String,
    pub(super) remedy: String,
}

pub(super) fn wrong<T>(problem: impl Into<String>, remedy: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { problem: problem.into(), remedy: remedy.into() })
}

/// A share: `5%`, 5, `7.25%`. [`Percent`] reads it; the words here are those of a file.
pub(super) fn rate(text: &str) -> Result<Percent, Wrong> {
    const EXAMPLE: &str = "write a share from 0% to 100% with at most two decimals, such as `5%` or `0.25%`";
    text.parse().or_else(|error| match error {
        ParsePercentError::NotAShare(text) if text.starts_with('-') => wrong("is below 0%", EXAMPLE),
        ParsePercentError::NotAShare(_) => wrong("is not a share", EXAMPLE),
        ParsePercentError::LeadingZero(_) => wrong("has leading zeros", "write it without them"),
        ParsePercentError::Ambiguous { text, hundredfold } => {
            wrong("can be read in two ways", format!("write `{text}%` or `{hundredfold}%`, whichever was meant"))
        }
        ParsePercentError::TooFine(_) => {
            wrong("has more than two decimals", "write at most two decimals: 0.01% is the smallest step")
        }
        ParsePercentError::TooLarge(_) => wrong("is above 100%", EXAMPLE),
    })
}

/// The units of time, the longer names first where one ends in another.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Longer than any schedule: ten years.
const LONGEST: u64 = 3650 * 86_400_000;

/// A length of time: `30m`, `1h30m`, `0s`.
pub(super) fn length(text: &str) -> Result<Millis, Wrong> {
    const EXAMPLE: &str = "write a whole number with its unit (ms, s, m, h, d), such as `30m` or `1h30m`";
    if text.is_empty() {
        return wrong("is not a length of time", EXAMPLE);
    }
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        if number.is_empty() {
            return wrong("is not a length of time", EXAMPLE);
        }
        if unit.is_empty() {
            return wrong("has no unit of time", format!("write it with one (ms, s, m, h, d), such as `{text}s`"));
        }
        if number.len() > 1 && number.starts_with('0') {
            return wrong("has leading zeros", "write it without them");
        }
        let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return wrong("is not a length of time", suggest_length(text).unwrap_or_else(|| EXAMPLE.to_owned()));
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*length));
        match part.and_then(|part| total.checked_add(part)) {
            Some(sum) if sum <= LONGEST => total = sum,
            _ => return wrong("is longer than ten years", EXAMPLE),
        }
        rest = tail;
    }
    Ok(Millis(total))
}

/// A length of time on the command line, in the file's own words.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn read_length(text: &str) -> Result<Millis, String> {
    length(text).map_err(|Wrong { problem, remedy }| format!("`{text}` {problem}; {remedy}"))
}

/// A length of time that is not zero.
pub(super) fn some_length(text: &str) -> Result<Millis, Wrong> {
    match length(text)? {
        Millis(0) => wrong("is not a time above zero", "write a time above zero, such as `30s`"),
        length => Ok(length),
    }
}

/// A length of time above zero; `None`: `never`.
pub(super) fn some_length_or_never(text: &str) -> Result<Option<Millis>, Wrong> {
    if text == "never" { Ok(None) } else { some_length(text).map(Some) }
}

/// The shortest pause between two pings, in milliseconds.
const SHORTEST_PING: u64 = 1000;

/// A length of time that is at least a second; `None`: `never`.
pub(super) fn ping_every(text: &str) -> Result<Option<Millis>, Wrong> {
    match some_length_or_never(text)? {
        Some(Millis(..SHORTEST_PING)) => {
            wrong("is shorter than a second", "write `1s` or more, such as `25s`, or `never`")
        }
        every => Ok(every),
    }
}

/// What to write for a length with its unit in other words: `7 days`, `10min`, `1.5h`, `2w`.
fn suggest_length(text: &str) -> Option<String> {
    let (number, unit) = number_and_word(text)?;
    let (unit, factor) = match unit.as_str() {
        "msec" | "millis" | "millisecond" | "milliseconds" | "ms" => ("ms", 1),
        "sec" | "secs" | "second" | "seconds" | "s" => ("s", 1),
        "min" | "mins" | "minute" | "minutes" | "m" => ("m", 1),
        "hr" | "hrs" | "hour" | "hours" | "h" => ("h", 1),
        "day" | "days" | "d" => ("d", 1),
        "w" | "week" | "weeks" => ("d", 7),
        _ => return None,
    };
    Some(format!("write `{}{unit}`", number.checked_mul(factor)?))
}

/// `7 days` taken apart, the word in lower case.
fn number_and_word(text: &str) -> Option<(u64, String)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let word = text[end..].trim().to_ascii_lowercase();
    (!word.is_empty()).then_some((text[..end].parse().ok()?, word))
}

const SIZES: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// A number of bytes: `8MiB`.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    const EXAMPLE: &str = "write a whole number with its unit (B, kB, MB, GB, KiB, MiB, GiB), such as `8MiB`";
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return wrong("is not a size", EXAMPLE);
    }
    if unit.is_empty() {
        return wrong("has no unit of size", format!("write it with one, such as `{text}B`"));
    }
    if number.len() > 1 && number.starts_with('0') {
        return wrong("has leading zeros", "write it without them");
    }
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit.trim_start()) else {
        return wrong("is not a size", suggest_size(text).unwrap_or_else(|| EXAMPLE.to_owned()));
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)) {
        Some(bytes) if bytes <= 1 << 50 => Ok(bytes),
        _ => wrong("is too large", EXAMPLE),
    }
}

/// What to write for a size with its unit in other words: `8mb`, `8M`, `8 megabytes`.
fn suggest_size(text: &str) -> Option<String> {
    let (number, unit) = number_and_word(text)?;
    let unit = match unit.as_str() {
        "k" | "kb" | "ki" | "kib" | "kilobyte" | "kilobytes" => "KiB",
        "m" | "mb" | "mi" | "mib" | "megabyte" | "megabytes" => "MiB",
        "g" | "gb" | "gi" | "gib" | "gigabyte" | "gigabytes" => "GiB",
        "b" | "byte" | "bytes" => "B",
        _ => return None,
    };
    Some(format!("write `{number}{unit}`"))
}

/// A plain number as it is written in the file: 1 and not 1.0.
pub(super) fn show_number(number: f64) -> serde_json::Value {
    serde_json::from_slice(number.to_string().as_bytes()).unwrap_or_default()
}

/// An amount of USD in millionths: `$5`, `0.28`. Read digit by digit, and exact.
pub(super) fn micro_usd(text: &str) -> Result<u64, Wrong> {
    const EXAMPLE: &str = "write an amount of USD, such as `$5` or `0.28`";
    let amount = text.strip_prefix('$').unwrap_or(text);
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !are_digits(whole) || !are_digits(decimals) || amount.ends_with('.') {
        return wrong("is not an amount of USD", EXAMPLE);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return wrong("has leading zeros", "write it without them");
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > 6 {
        return wrong("has more than six decimals", "write at most six: a millionth of a dollar is the smallest step");
    }
    match (whole.parse::<u64>(), format!("{decimals:0<6}").parse::<u64>()) {
        (Ok(whole), Ok(micro)) if whole < 1_000_000 => Ok(whole * 1_000_000 + micro),
        _ => wrong("is a million dollars or more", EXAMPLE),
    }
}

/// A whole number within bounds.
pub(super) fn whole(text: &str, least: u32, most: u32) -> Result<u32, Wrong> {
    let remedy = format!("write a whole number from {least} to {most}");
    if text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong("has leading zeros", "write it without them");
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong("is not a whole number", remedy);
    }
    match text.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => wrong(format!("is not between {least} and {most}"), remedy),
    }
}

/// A plain number within bounds, in decimals: `1.25`.
pub(super) fn number(text: &str, least: f64, most: f64) -> Result<f64, Wrong> {
    let remedy = format!("write a number from {least} to {most}");
    let parse = |text: &str| match text.parse::<f64>() {
        Ok(number) if !text.contains(['e', 'E']) && is_json_number(text) => Some(number),
        _ => None,
    };
    let within = |number: &f64| (least..=most).contains(number);
    if let Some(share) = text.strip_suffix('%').and_then(|share| parse(share.trim_end())) {
        // Rounded as text: the quotient itself may lie a hair beyond the bound that was meant.
        let meant = format!("{:.4}", share / 100.0);
        let meant = meant.trim_end_matches('0').trim_end_matches('.');
        let fits = parse(meant).is_some_and(|number| within(&number));
        return wrong("is a share, not a plain number", if fits { format!("write `{meant}`") } else { remedy });
    }
    match parse(text) {
        Some(number) if within(&number) => Ok(number),
        Some(_) => wrong(format!("is not between {least} and {most}"), remedy),
        None => wrong("is not a number", remedy),
    }
}

/// `true` or `false`, and nothing that only looks like one of them.
pub(super) fn switch(text: &str) -> Result<bool, Wrong> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        "yes" | "on" | "True" | "TRUE" | "1" => wrong("is neither true nor false", "write `true`"),
        "no" | "off" | "False" | "FALSE" | "0" => wrong("is neither true nor false", "write `false`"),
        _ => wrong("is neither true nor false", "write `true` or `false`"),
    }
}

/// The most that a provider takes of a number in a request.
pub(super) fn limit(text: &str) -> Result<f64, Wrong> {
    const EXAMPLE: &str = "write the largest number that the provider takes, such as `8192` or `0.95`";
    // Beyond this a whole number is no longer exact, and nothing in a request is as large.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    if !is_json_number(text) {
        return wrong("is not a number", EXAMPLE);
    }
    match text.parse::<f64>() {
        Ok(number) if number < 0.0 => wrong("is below 0", "remove it where there is no limit"),
        Ok(number) if number <= LARGEST => Ok(number),
        _ => wrong("is too large", EXAMPLE),
    }
}

/// A single value as JSON: in quotes a text, without them what both YAML and JSON take it for.
pub(super) fn json(text: &str, plain: bool) -> Result<String, Wrong> {
    if text.contains("${") {
        return wrong(
            "has a reference, which is not resolved here",
            "write the value itself; keys belong to `api_keys`",
        );
    }
    if plain && (matches!(text, "true" | "false") || is_json_number(text)) {
        let finite = text.parse().map_or(true, f64::is_finite);
        return if finite { Ok(text.to_owned()) } else { wrong("is too large", "write a smaller number") };
    }
    if plain && matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off") {
        let remedy = format!("write `true` or `false`; if a text is meant, write it in quotes: \"{text}\"");
        return wrong("can be read in two ways", remedy);
    }
    if plain && is_number_of_yaml(text) {
        let remedy = format!("write it in plain digits, such as `0.5`; if a text is meant, in quotes: \"{text}\"");
        return wrong("is not a number in JSON", remedy);
    }
    Ok(serde_json::Value::from(text).to_string())
}

fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// Whether some reader of YAML takes it for a number: `.5`, `+1`, `1_000`, `0x1f`, `.inf`.
fn is_number_of_yaml(text: &str) -> bool {
    let bare = text.strip_prefix(['-', '+']).unwrap_or(text).to_ascii_lowercase();
    let radix = |prefix: &str, base: u32| {
        let rest = bare.strip_prefix(prefix);
        rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c == '_' || c.is_digit(base)))
    };
    let decimal =
        bare.starts_with(|c: char| c.is_ascii_digit() || c == '.') && bare.contains(|c: char| c.is_ascii_digit());
    matches!(bare.as_str(), ".inf" | ".nan")
        || radix("0x", 16)
        || radix("0o", 8)
        || radix("0b", 2)
        || (decimal && bare.replace('_', "").parse::<f64>().is_ok())
}

/// A name: unique labels of metrics are made of it.
pub(super) fn name(text: &str) -> Result<String, Wrong> {
    const REMEDY: &str = "use 1 to 64 letters, digits, dots, dashes and underscores";
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(good) {
        return wrong("is not a name", REMEDY);
    }
    if text == "none" {
        return wrong("is a name that metrics use for unsplit traffic", "choose another name");
    }
    Ok(text.to_owned())
}

/// A day, as its first moment in UTC: `2027-01-14`.
pub(super) fn date(text: &str) -> Result<UnixMillis, Wrong> {
    read_date(text).map_or_else(|| wrong("is not a date", "write year, month and day, such as `2027-01-14`"), Ok)
}

/// A moment: `2026-11-23T09:00:00Z`, with any offset.
pub(super) fn moment(text: &str) -> Result<UnixMillis, Wrong> {
    read_rfc3339(text)
        .map_or_else(|| wrong("is not a timestamp", "write date, time and offset, such as `2026-11-23T09:00:00Z`"), Ok)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Minutes east of UTC: `+02:00`.
fn parse_offset(text: &str) -> Option<i16> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let minutes = clock(rest).filter(|minutes| *minutes <= 14 * 60)?;
    Some(sign * i16::try_from(minutes).ok()?)
}

/// Minutes after midnight: `09:30`; `24:00` is the end of the day.
fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (digits(hour, 2)?, digits(minute, 2)?);
    let minutes = (minute < 60).then_some(hour * 60 + minute)?;
    u16::try_from(minutes).ok().filter(|minutes| *minutes <= 24 * 60)
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A weekly window: `mon-fri 09:00-17:00 +02:00`.
pub(super) fn hours(text: &str) -> Result<Hours, Wrong> {
    parse_hours(&text.to_ascii_lowercase()).map_or_else(
        || {
            wrong(
                "is not a weekly window",
                "write days, times and (unless UTC) the offset, such as `mon-fri 09:00-17:00 +02:00`",
            )
        },
        Ok,
    )
}

fn parse_hours(text: &str) -> Option<Hours> {
    let mut words = text.split_whitespace().peekable();
    let mut days = [false; 7];
    if words.peek()?.starts_with(|c: char| c.is_ascii_alphabetic()) {
        for part in words.next()?.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let index = |name: &str| DAYS.iter().position(|day| *day == name);
            let (mut day, last) = (index(first)?, index(last)?);
            days[day] = true;
            while day != last {
                day = (day + 1) % 7;
                days[day] = true;
            }
        }
    } else {
        days = [true; 7];
    }
    let (from, to) = words.next()?.split_once('-')?;
    let (from, to) = (clock(from)?, clock(to)?);
    let offset = words.next().map_or(Some(0), parse_offset)?;
    (words.next().is_none() && from != to && from < 24 * 60).then_some(Hours { days, from, to, offset })
}
