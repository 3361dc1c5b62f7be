//! Reading one parameter out of a URL's query.
//!
//! Names and values are taken apart as HTML forms write them: `+` is a space, `%41` is `A`, a `%` that begins no
//! escape stands for itself. Values are bytes, since nothing promises that they decode to UTF-8.

use std::borrow::Cow;

/// The values that a query gives to a parameter, in order; one without `=` is empty.
pub fn values<'a>(query: &'a str, name: &str) -> impl Iterator<Item = Cow<'a, [u8]>> {
    query.split('&').filter_map(move |pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*decoded(found) == *name.as_bytes()).then(|| decoded(value))
    })
}

/// The name of a pair of a query, with its escapes undone.
#[must_use]
pub fn name(pair: &str) -> Cow<'_, [u8]> {
    decoded(pair.split_once('=').map_or(pair, |(name, _)| name))
}

/// The value of a pair of a query, with its escapes undone; empty without `=`.
#[must_use]
pub fn value(pair: &str) -> Cow<'_, [u8]> {
    decoded(pair.split_once('=').map_or("", |(_, value)| value))
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text.as_bytes());
    }
    // A plus that was escaped is decoded after this, hence stays a plus.
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_encoding::percent_decode_str(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(query: &str, name: &str) -> Option<String> {
        values(query, name).next().map(|value| String::from_utf8(value.into_owned()).unwrap())
    }

    #[test]
    fn a_parameter_is_found_wherever_it_stands() {
        assert_eq!(first("user=a", "user").as_deref(), Some("a"));
        assert_eq!(first("x=1&user=a&user=b", "user").as_deref(), Some("a"));
        assert_eq!(first("xuser=1&USER=2", "user"), None);
    }

    #[test]
    fn escapes_are_undone_in_names_and_values() {
        assert_eq!(first("us%65r=a%20b+c%2Bd", "user").as_deref(), Some("a b c+d"));
        assert_eq!(first("user=J%C3%BCrgen", "user").as_deref(), Some("Jürgen"));
        assert_eq!(first("user=100%&x", "user").as_deref(), Some("100%"));
    }

    #[test]
    fn a_parameter_without_a_value_is_empty() {
        assert_eq!(first("user", "user").as_deref(), Some(""));
        assert_eq!(first("user=", "user").as_deref(), Some(""));
        assert_eq!(first("", "user"), None);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_given_as_they_are() {
        assert_eq!(values("user=%FF%fe", "user").next().unwrap().as_ref(), [0xff, 0xfe]);
    }
}
