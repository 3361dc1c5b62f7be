//! For how long a provider asks not to be asked again.
//!
//! Reads `retry-after-ms` (of OpenAI and Azure), else `Retry-After` in both of its forms (RFC 9110, 10.2.3): seconds,
//! which some give a fraction, or a date. A date counts from the answer's own `Date`, so that two clocks that disagree
//! do not matter; from Serin's clock only where there is none. Decides nothing about what follows. Invariant: what
//! cannot be read is as good as absent, and so is a date that has passed.

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

use crate::decide::units::{Millis, UnixMillis};

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The wait that an answer asks for; `now`: Serin's own clock.
pub(crate) fn retry_after(headers: &HeaderMap, now: UnixMillis) -> Option<Millis> {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(millis) = text(&RETRY_AFTER_MS).and_then(|text| number(text, 1.0)) {
        return Some(millis);
    }
    let asked = text(&RETRY_AFTER)?;
    number(asked, 1000.0).or_else(|| {
        let until = date(asked)?;
        let from = text(&DATE).and_then(date).unwrap_or(now);
        until.0.checked_sub(from.0).filter(|wait| *wait > 0).map(Millis)
    })
}

fn number(text: &str, unit: f64) -> Option<Millis> {
    let millis = (text.parse::<f64>().ok()? * unit).ceil();
    (0.0..1e12).contains(&millis).then(|| Millis(whole(millis)))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the caller has checked the range")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn date(text: &str) -> Option<UnixMillis> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";
    const NOW: UnixMillis = UnixMillis(784_123_200_000);

    fn read(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        retry_after(&headers.collect(), NOW).map(|Millis(millis)| millis)
    }

    #[test]
    fn seconds_and_milliseconds() {
        for (value, millis) in [
            ("1", Some(1000)),
            (" 2 ", Some(2000)),
            ("0", Some(0)),
            ("0.25", Some(250)),
            ("-1", None),
            ("1e30", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(read(&[("retry-after", value)]), millis, "{value:?}");
        }
        assert_eq!(read(&[("retry-after-ms", "120"), ("retry-after", "7")]), Some(120));
        assert_eq!(read(&[("retry-after-ms", "?"), ("retry-after", "7")]), Some(7000));
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_date_counts_from_the_answer_s_own_and_else_from_now() {
        let at = "Sun, 06 Nov 1994 12:00:02 GMT";
        assert_eq!(read(&[("retry-after", at)]), Some(2000));
        // Its clock is an hour behind.
        let behind = "Sun, 06 Nov 1994 11:00:00 GMT";
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 11:00:01 GMT"), ("date", behind)]), Some(1000));
        assert_eq!(read(&[("retry-after", at), ("date", "yesterday")]), Some(2000));
        // The other two forms that are still to be read.
        assert_eq!(read(&[("retry-after", "Sunday, 06-Nov-94 12:00:03 GMT")]), Some(3000));
        assert_eq!(read(&[("retry-after", "Sun Nov  6 12:00:04 1994")]), Some(4000));
        // Past, and before all dates.
        assert_eq!(read(&[("retry-after", NOON)]), None);
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 10:00:00 GMT")]), None);
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1932 10:00:00 GMT")]), None);
        assert_eq!(read(&[("retry-after", "Sun, 31 Feb 1994 25:61:61 GMT")]), None);
    }
}
