//! Moments as others write them: RFC 3339 and the dates of HTTP, in milliseconds since 1970.
//!
//! Owns the calendar that reading them takes. Reads no clock. Invariant: a day that does not exist is no moment, and
//! neither is one before 1970.

/// The number of a day since 1970-01-01; `None` before it.
#[must_use]
pub fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let (era, of_era) = (year / 400, year % 400);
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

/// Year, month and day of a count of days since 1970-01-01. Years begin in March here, so that the leap day is the
/// last of its year.
#[must_use]
pub fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // since 0000-03-01
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The date of an HTTP header, in any of its three forms.
#[must_use]
pub fn http_date(text: &str) -> Option<u64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// RFC 3339 with any offset, seconds and their fraction optional.
#[must_use]
pub fn rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (time, offset) = time.split_at(at);
    let minutes_east = if offset.eq_ignore_ascii_case("z") { 0 } else { read_offset(offset)? };
    let [year, month, day] = parts(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').map_or((time, None), |(time, fraction)| (time, Some(fraction)));
    let [hour, minute, second] = match time.matches(':').count() {
        1 if fraction.is_none() => parts(&format!("{time}:00"), ':', [2, 2, 2])?,
        _ => parts(time, ':', [2, 2, 2])?,
    };
    let millis = fraction.map_or(Some(0), read_fraction)?;
    if year < 1970 || !(1..=12).contains(&month) || day < 1 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let number = days(year, month, day)?;
    if self::date(number) != (year, month, day) {
        return None;
    }
    let local = i64::try_from((number * 24 + hour) * 60 + minute).ok()?;
    let minutes = u64::try_from(local - minutes_east).ok()?;
    Some((minutes * 60 + second) * 1000 + millis)
}

fn parts<const N: usize>(text: &str, between: char, lengths: [usize; N]) -> Option<[u64; N]> {
    let mut found = [0; N];
    let mut words = text.split(between);
    for (place, length) in found.iter_mut().zip(lengths) {
        *place = digits(words.next()?, length)?;
    }
    words.next().is_none().then_some(found)
}

fn digits(text: &str, length: usize) -> Option<u64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Milliseconds; what is finer is dropped.
fn read_fraction(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{text:0<3}").get(..3)?.parse().ok())?
}

/// Minutes east of UTC: `+02:00`.
fn read_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let [hours, minutes] = parts(rest, ':', [2, 2])?;
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 14 * 60).then_some(sign * i64::try_from(total).ok()?)
}
