//! Reading one cookie out of a `cookie` header.
//!
//! The header is taken as RFC 6265 has servers see it: `name=value` pairs between semicolons, names case-sensitive,
//! a value in double quotes without its quotes. Values are bytes as sent; cookies have no escapes to undo.

/// The values that a `cookie` header gives to a name, in order.
pub fn values<'a>(header: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    header.split(|&byte| byte == b';').filter_map(move |pair| {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (found, value) = (&pair[..equals], &pair[equals + 1..]);
        (found.trim_ascii() == name).then(|| unquoted(value.trim_ascii()))
    })
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first<'a>(header: &'a str, name: &str) -> Option<&'a str> {
        values(header.as_bytes(), name.as_bytes()).next().map(|value| str::from_utf8(value).unwrap())
    }

    #[test]
    fn a_pair_is_found_wherever_it_stands() {
        assert_eq!(first("uid=a", "uid"), Some("a"));
        assert_eq!(first("x=1; uid=a; y=2", "uid"), Some("a"));
        assert_eq!(first("x=1;uid = a ;y=2", "uid"), Some("a"));
    }

    #[test]
    fn names_fit_whole_and_in_their_case() {
        assert_eq!(first("my-uid=a; UID=b; uidx=c", "uid"), None);
    }

    #[test]
    fn quotes_are_taken_off_and_equals_signs_kept() {
        assert_eq!(first("uid=\"a b\"", "uid"), Some("a b"));
        assert_eq!(first("uid=a=b==", "uid"), Some("a=b=="));
        assert_eq!(first("uid=\"", "uid"), Some("\""));
        assert_eq!(first("uid=\"\"", "uid"), Some(""));
    }

    #[test]
    fn what_is_no_pair_is_passed_over() {
        assert_eq!(first("uid; ;=;uid=a", "uid"), Some("a"));
        assert_eq!(first("", "uid"), None);
    }

    #[test]
    fn escapes_stay_as_they_are() {
        assert_eq!(first("uid=a%20b", "uid"), Some("a%20b"));
    }
}
