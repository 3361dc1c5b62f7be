//! The members of one object of a JSON text, each with the places of its key and its value.
//!
//! What a full parser refuses up to the last member that was given is [`Broken`], with two exceptions: bytes that are
//! no UTF-8 pass, and so do control characters in the object's own keys, since what a reader cannot make out it must
//! not take for the end. Values are skipped and not taken apart, so nesting costs no stack. Whatever it is given it
//! ends and does not panic.

use std::borrow::Cow;
use std::ops::Range;

use super::value::{behind_key, behind_space, key_end, token, value_end};

/// The text is no JSON after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// With its quotes.
    pub(super) key: Range<usize>,
    escaped: bool,
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

    /// Whether the object ends here, and the text with it.
    pub(super) fn ends_text(&self) -> bool {
        let brace = behind_space(self.text, self.at);
        self.text.get(brace) == Some(&b'}') && behind_space(self.text, brace + 1) == self.text.len()
    }

    /// The next member; `None` at the closing brace.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Broken> {
        let (mut at, byte) = token(self.text, self.at).ok_or(Broken)?;
        match byte {
            b'}' => return Ok(None),
            b',' if self.begun => at = behind_space(self.text, at + 1),
            _ if self.begun => return Err(Broken),
            _ => {}
        }
        let (end, escaped) = key_end(self.text, at).ok_or(Broken)?;
        let (start, first) = behind_key(self.text, end).ok_or(Broken)?;
        let value = start..value_end(self.text, start, first).ok_or(Broken)?;
        (self.at, self.begun) = (value.end, true);
        Ok(Some(Member { key: at..end, escaped, value }))
    }
}

impl Member {
    /// The key that it spells; `None` for one that no text can be equal to.
    pub(super) fn spelled<'t>(&self, text: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        if self.escaped {
            let quoted = text.get(self.key.clone())?;
            return serde_json::from_slice::<String>(quoted).ok().map(|key| Cow::Owned(key.into_bytes()));
        }
        text.get(self.key.start + 1..self.key.end - 1).map(Cow::Borrowed)
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
        while let Some(Member { key, value, .. }) = members.next()? {
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
        for (text, key) in [
            (&br#"{"us\u0065r":1}"#[..], Some(&b"user"[..])),
            (b"{\"\xff\":1}", Some(b"\xff")),
            (b"{\"\x01\":1}", Some(b"\x01")),
            (br#"{"\ud800":1}"#, None),
        ] {
            let member = Members::new(text, 0).unwrap().next().unwrap().unwrap();
            assert_eq!(member.spelled(text).as_deref(), key);
        }
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
