//! Which of two media types the reader of an answer would rather have.
//!
//! Reads `Accept` (RFC 9110): types, wildcards, parameters and weights. The most specific entry that fits a type gives
//! its weight. What is malformed is passed over, so that a reader with one odd entry still gets what the others say.
//! Invariant: without the header, everything is as good as everything else.

/// How much a media type is wanted, in thousandths: 0 is not at all. `fits`: whether the version that an entry names
/// will do; an entry without one takes any. `None`: nothing is said about it.
#[must_use]
pub fn weight(accept: &str, name: &str, fits: impl Fn(&str) -> bool) -> Option<u16> {
    let (group, _) = name.split_once('/').unwrap_or((name, ""));
    let mut best: Option<(u8, u16)> = None;
    for entry in entries(accept) {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let specific = match range.split_once('/') {
            _ if range.eq_ignore_ascii_case(name) => 2,
            Some((of, "*")) if of.eq_ignore_ascii_case(group) => 1,
            Some(("*", "*")) => 0,
            _ => continue,
        };
        let (mut weight, mut will_do) = (Some(1000), true);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match key.trim() {
                key if key.eq_ignore_ascii_case("q") => weight = thousandths(value),
                key if key.eq_ignore_ascii_case("version") => will_do = fits(value),
                _ => {}
            }
        }
        let Some(weight) = weight.filter(|_| will_do) else { continue };
        if best.is_none_or(|best| best < (specific, weight)) {
            best = Some((specific, weight));
        }
    }
    best.map(|(_, weight)| weight)
}

/// Entries are parted by commas, but for those in quotes.
fn entries(accept: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    accept
        .split(move |c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// A weight: from 0 to 1, with three decimals at most.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let whole = match whole {
        "0" => 0,
        "1" => 1000,
        _ => return None,
    };
    let decimals: u16 = format!("{decimals:0<3}").parse().ok().filter(|_| digits)?;
    Some(whole + decimals).filter(|weight| *weight <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str, name: &str) -> Option<u16> {
        weight(accept, name, |version| version == "1.0.0")
    }

    #[test]
    fn the_most_specific_entry_that_fits_counts() {
        let accept = "text/*;q=0.3, text/plain;q=0.7, */*;q=0.1, application/x;q=0";
        for (name, expected) in
            [("text/plain", 700), ("text/html", 300), ("image/png", 100), ("application/x", 0), ("TEXT/Plain", 700)]
        {
            assert_eq!(of(accept, name), Some(expected), "{name}");
        }
        assert_eq!(of("text/html", "text/plain"), None);
        assert_eq!(of("", "text/plain"), None);
        assert_eq!(of("text/plain", "text/plain"), Some(1000));
    }

    #[test]
    fn an_entry_of_another_version_is_none() {
        let accept = "a/b;version=0.0.1;q=0.8, a/b; Version=\"1.0.0\"; Q=0.5, */*;q=0.1";
        assert_eq!(of(accept, "a/b"), Some(500));
        assert_eq!(of("a/b;version=2.0.0", "a/b"), None);
        assert_eq!(of("a/b;charset=utf-8;q=1.000", "a/b"), Some(1000));
    }

    #[test]
    fn what_is_malformed_is_passed_over() {
        for odd in ["a/b;q=2", "a/b;q=1.001", "a/b;q=0.1234", "a/b;q=", "a/b;q=-1", "a/b;q=.5", "b/c", ";;,,", "/"] {
            assert_eq!(of(odd, "a/b"), None, "{odd}");
            assert_eq!(of(&format!("{odd},a/b;q=0.5"), "a/b"), Some(500), "{odd}");
        }
        assert_eq!(of("x/y;t=\"a,a/b\";q=0.2, a/b;q=0.25", "a/b"), Some(250));
    }
}
