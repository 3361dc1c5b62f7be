//! The members of one object of a JSON text, each with the places of its key and its value.
//!
//! Made for texts that are known to be JSON: it finds where things end and judges nothing. Values are skipped by a loop
//! that only counts how deep it is, so nesting costs no stack, and bytes that are no UTF-8 are skipped as any others.
//! Whatever it is given it ends and does not panic; what cannot be followed is [`Broken`].

use std::borrow::Cow;
use std::ops::Range;

/// The text is no JSON after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// With its quotes.
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// Reads an object member by member.
#[derive(Debug)]
pub(super) struct Members<'t> {
    text: &'t [u8],
    at: usize,
    begun: bool,
}

impl<'t> Members<'t> {
    /// For the object that begins at `start`, or behind whitespace there.
    pub(super) fn new(text: &'t [u8], start: usize) -> Result<Members<'t>, Broken> {
        let open = behind_space(text, start);
        if text.get(open) != Some(&b'{') {
            return Err(Broken);
        }
        Ok(Members { text, at: open + 1, begun: false })
    }

    /// Where reading goes on: right behind the opening brace, or behind the last value that was given.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The next member; `None` at the closing brace.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Broken> {
        let mut at = behind_space(self.text, self.at);
        match self.text.get(at) {
            Some(b'}') => return Ok(None),
            Some(b',') if self.begun => at = behind_space(self.text, at + 1),
            _ if self.begun => return Err(Broken),
            _ => {}
        }
        if self.text.get(at) != Some(&b'"') {
            return Err(Broken);
        }
        let key = at..string_end(self.text, at).ok_or(Broken)?;
        let colon = behind_space(self.text, key.end);
        if self.text.get(colon) != Some(&b':') {
            return Err(Broken);
        }
        let start = behind_space(self.text, colon + 1);
        let value = start..value_end(self.text, start).ok_or(Broken)?;
        (self.at, self.begun) = (value.end, true);
        Ok(Some(Member { key, value }))
    }
}

/// The key that quoted bytes spell; `None` for one that no text can be equal to.
pub(super) fn spelled(quoted: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        serde_json::from_slice::<String>(quoted).ok().map(|key| Cow::Owned(key.into_bytes()))
    } else {
        Some(Cow::Borrowed(inner))
    }
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The first place from `at` on that is no whitespace.
pub(super) fn behind_space(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| is_space(*byte)) {
        at += 1;
    }
    at
}

fn string_end(text: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += text.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn value_end(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start)? {
        b'"' => string_end(text, start),
        b'{' | b'[' => {
            let (mut at, mut depth) = (start, 0_usize);
            loop {
                at += text.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))?;
                match text.get(at)? {
                    b'"' => {
                        at = string_end(text, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    _ => depth -= 1,
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let rest = text.get(start..)?;
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || is_space(*byte);
            let length = rest.iter().position(ends).unwrap_or(rest.len());
            (length > 0).then_some(start + length)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pair<'t> = (&'t [u8], &'t [u8]);

    fn read(text: &[u8]) -> Result<Vec<Pair<'_>>, Broken> {
        let mut members = Members::new(text, 0)?;
        let mut found = Vec::new();
        while let Some(Member { key, value }) = members.next()? {
            found.push((&text[key], &text[value]));
        }
        Ok(found)
    }

    #[test]
    fn keys_and_values_are_found_whatever_stands_around_them() {
        let text = b" {\t\"a\" :1e5\n,\"b\\\"}\":\"x,}\\\\\" , \"c\":{\"d\":[{}, \"]\"]},\"\":null\r}";
        let expected: [Pair<'_>; 4] = [
            (b"\"a\"", b"1e5"),
            (b"\"b\\\"}\"", b"\"x,}\\\\\""),
            (b"\"c\"", b"{\"d\":[{}, \"]\"]}"),
            (b"\"\"", b"null"),
        ];
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read(b"{ }").unwrap(), []);
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!("{{\"a\":{}1{}}}", "[{\"x\":".repeat(100_000), "}]".repeat(100_000));
        assert_eq!(read(deep.as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_object_is_broken() {
        for text in [
            "",
            " ",
            "[]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1 2}",
            "{\"a\":[}",
            "{,}",
            "{a:1}",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_compared_as_they_are_spelled() {
        assert_eq!(spelled(br#""us\u0065r""#).as_deref(), Some(&b"user"[..]));
        assert_eq!(spelled(b"\"\xff\"").as_deref(), Some(&b"\xff"[..]));
        assert_eq!(spelled(br#""\ud800""#), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_run_on(text in "[{}\\[\\]\":,\\\\a1 ]{0,60}", start in 0..70_usize) {
            if let Ok(mut members) = Members::new(text.as_bytes(), start) {
                while let Ok(Some(member)) = members.next() {
                    prop_assert!(member.key.end < member.value.start && member.value.end <= text.len());
                }
            }
        }
    }
}
