//! Which endpoint a path below the mount names, however it is spelled.
//!
//! A base URL with a stray slash makes `//chat/completions`, and servers take it for the same. Owns what makes no
//! difference: repeated slashes, one at the end, and letters, digits, `-`, `.`, `_` and `~` that were percent-encoded.
//! Everything else names another endpoint: upper case, `%2F`, dot segments. Only for telling endpoints apart: what goes
//! to a provider is what came. Invariant: the plain spelling is its own plain spelling, and costs no allocation.

use std::borrow::Cow;

/// The spelling of a path that all spellings of the same endpoint share.
#[must_use]
pub fn plain(path: &str) -> Cow<'_, str> {
    if is_plain(path) { Cow::Borrowed(path) } else { Cow::Owned(spelled(path)) }
}

/// The same; `None` where the path is spelled so already.
#[must_use]
pub fn respelled(path: &str) -> Option<String> {
    (!is_plain(path)).then(|| spelled(path))
}

fn is_plain(path: &str) -> bool {
    let mut before = 0;
    for byte in path.bytes() {
        if byte == b'%' || (byte == b'/' && before == b'/') {
            return false;
        }
        before = byte;
    }
    before != b'/' || path.len() == 1
}

fn spelled(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let escaped = (first == '%').then(|| unescaped(rest)).flatten();
        let (character, length) = escaped.map_or((first, first.len_utf8()), |letter| (letter, 3));
        if character != '/' || !plain.ends_with('/') {
            plain.push(character);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    if plain.len() > 1 && plain.ends_with('/') {
        plain.pop();
    }
    plain
}

/// What the escape at the beginning of `text` stands for, where it need not have been one.
fn unescaped(text: &str) -> Option<char> {
    let digit = |at: usize| char::from(*text.as_bytes().get(at)?).to_digit(16);
    let letter = char::from_u32(digit(1)? * 16 + digit(2)?)?;
    (letter.is_ascii_alphanumeric() || "-._~".contains(letter)).then_some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_endpoint_are_one() {
        for path in [
            "/chat/completions",
            "/chat/completions/",
            "//chat/completions",
            "/chat//completions",
            "///chat///completions///",
            "/%63hat/completion%73",
            "/chat/%63%6F%6d%70letions",
        ] {
            assert_eq!(plain(path), "/chat/completions", "{path}");
        }
    }

    #[test]
    fn other_endpoints_stay_other() {
        for (path, expected) in [
            ("", ""),
            ("/", "/"),
            ("//", "/"),
            ("/Chat/Completions", "/Chat/Completions"),
            ("/chat%2Fcompletions", "/chat%2Fcompletions"),
            ("/chat%2fcompletions/", "/chat%2fcompletions"),
            ("/chat/completions%20", "/chat/completions%20"),
            ("/chat/completions%", "/chat/completions%"),
            ("/chat/completions%6", "/chat/completions%6"),
            ("/chat/completions%6g", "/chat/completions%6g"),
            ("/x/%2e%2e/chat", "/x/../chat"),
            ("/%C3%A9/é", "/%C3%A9/é"),
            ("/%2563hat", "/%2563hat"),
        ] {
            assert_eq!(plain(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_plain_spelling_is_its_own(path in "(/|%|%6[0-9a-g]|%2f|[a-cé.]){0,12}") {
            let once = plain(&path).into_owned();
            prop_assert!(!once.contains("//"));
            prop_assert_eq!(respelled(&path).is_some(), once != path || path.contains('%'));
            // Decoding makes no new escape, so a second pass changes nothing.
            prop_assert_eq!(plain(&once).into_owned(), once);
        }
    }
}
