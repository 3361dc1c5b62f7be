//! Where a value of a JSON text ends, and whether it is a value at all.
//!
//! Judges as strictly as a full parser what stands between the values: brackets, commas, colons, literals, numbers, and
//! strings with their escapes. It looks at each byte a few times at most and builds nothing. It refuses to judge text:
//! bytes that are no UTF-8 and halves of surrogate pairs pass. Invariant: nesting costs a bit for each level and never
//! a stack frame; whatever it is given it ends and does not panic.

use std::mem;

use memchr::memchr2;

/// The end of the value that begins at `start` with the byte `first`; `None` when it is no value.
#[inline]
pub(super) fn value_end(text: &[u8], start: usize, first: u8) -> Option<usize> {
    if matches!(first, b'{' | b'[') { nested_end(text, start) } else { plain_end(text, start, first) }
}

/// The end of the object or list that begins at `start`.
#[inline(never)]
fn nested_end(text: &[u8], start: usize) -> Option<usize> {
    let mut object = text.get(start) == Some(&b'{');
    let mut open = Nesting::new(object);
    let (mut at, mut byte) = token(text, start + 1)?;
    let mut empty = byte == closing(object);
    loop {
        // Behind an opening bracket or a comma, unless the object or list is empty.
        if !empty {
            if object {
                (at, byte) = behind_key(text, string_end(text, at)?)?;
            }
            if matches!(byte, b'{' | b'[') {
                object = byte == b'{';
                open.enter(object);
                (at, byte) = token(text, at + 1)?;
                empty = byte == closing(object);
                continue;
            }
            (at, byte) = token(text, plain_end(text, at, byte)?)?;
        }
        // Behind a value, or at the bracket that closes an empty object or list.
        while byte != b',' || empty {
            if byte != closing(object) {
                return None;
            }
            if !open.leave() {
                return Some(at + 1);
            }
            (object, empty) = (open.in_object(), false);
            (at, byte) = token(text, at + 1)?;
        }
        (at, byte) = token(text, at + 1)?;
    }
}

const fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

/// Where the value begins whose key ends at `at`, and its first byte.
pub(super) fn behind_key(text: &[u8], at: usize) -> Option<(usize, u8)> {
    let (colon, byte) = token(text, at)?;
    if byte == b':' { token(text, colon + 1) } else { None }
}

/// The end of a key, in which control characters pass; and whether it has escapes.
pub(super) fn key_end(text: &[u8], open: usize) -> Option<(usize, bool)> {
    quoted_end(text, open, true)
}

/// The end of a string, as [`value_end`] has it.
fn string_end(text: &[u8], open: usize) -> Option<usize> {
    quoted_end(text, open, false).map(|(end, _)| end)
}

#[inline]
fn quoted_end(text: &[u8], open: usize, controls: bool) -> Option<(usize, bool)> {
    let [b'"', rest @ ..] = text.get(open..)? else { return None };
    // Most of what is quoted ends in its first word.
    if let Some(word) = rest.first_chunk() {
        let plain = specials(u64::from_le_bytes(*word)).trailing_zeros() as usize / 8;
        if word.get(plain) == Some(&b'"') {
            return Some((open + plain + 2, false));
        }
    }
    long_quoted_end(text, rest, controls)
}

/// The end of quoted bytes of which `rest` is left.
#[inline(never)]
fn long_quoted_end(text: &[u8], mut rest: &[u8], controls: bool) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        rest = plain_skipped(rest);
        rest = match rest {
            [b'"', behind @ ..] => return Some((text.len() - behind.len(), escaped)),
            [b'\\', behind @ ..] => {
                escaped = true;
                match behind {
                    [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', behind @ ..] => behind,
                    [b'u', a, b, c, d, behind @ ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => behind,
                    _ => return None,
                }
            }
            [(..b' '), behind @ ..] if controls => behind,
            [(..b' '), ..] => return None,
            _ => {
                let (plain, behind) = rest.split_at(memchr2(b'"', b'\\', rest)?);
                // Without an early end, so that many bytes are compared at once.
                let least = plain.iter().fold(u8::MAX, |least, byte| least.min(*byte));
                if least < b' ' && !controls {
                    return None;
                }
                behind
            }
        };
    }
}

/// From the first byte on that is a quote, a backslash or a control character; or behind some words without one.
fn plain_skipped(mut rest: &[u8]) -> &[u8] {
    for _ in 0..WORDS {
        let Some((word, behind)) = rest.split_first_chunk() else { break };
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return rest.get(special.trailing_zeros() as usize / 8..).unwrap_or_default();
        }
        rest = behind;
    }
    rest
}

/// How many words are looked at before a string counts as long, and a search through it as worth its start.
const WORDS: usize = 4;

/// The high bit of each special byte of eight; above the first one others may be marked that are none.
const fn specials(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let quote = word ^ (EACH * b'"' as u64);
    let backslash = word ^ (EACH * b'\\' as u64);
    let control = word.wrapping_sub(EACH * b' ' as u64) & !word;
    let zeros = (quote.wrapping_sub(EACH) & !quote) | (backslash.wrapping_sub(EACH) & !backslash);
    (zeros | control) & (EACH << 7)
}

pub(super) const fn is_space(byte: u8) -> bool {
    byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The first place from `at` on that is no whitespace.
pub(super) fn behind_space(text: &[u8], at: usize) -> usize {
    token(text, at).map_or(text.len().max(at), |(at, _)| at)
}

/// The next byte from `at` on that is no whitespace, and its place.
pub(super) fn token(text: &[u8], mut at: usize) -> Option<(usize, u8)> {
    loop {
        let byte = *text.get(at)?;
        if !is_space(byte) {
            return Some((at, byte));
        }
        at += 1;
    }
}

/// The end of a value that is neither object nor list.
#[inline]
fn plain_end(text: &[u8], start: usize, first: u8) -> Option<usize> {
    match first {
        b'"' => string_end(text, start),
        b'-' | b'0'..=b'9' => number_end(text, start),
        _ => match text.get(start..)? {
            [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => Some(start + 4),
            [b'f', b'a', b'l', b's', b'e', ..] => Some(start + 5),
            _ => None,
        },
    }
}

#[inline(never)]
fn number_end(text: &[u8], start: usize) -> Option<usize> {
    let whole = start + usize::from(text.get(start) == Some(&b'-'));
    let mut at = if text.get(whole) == Some(&b'0') { whole + 1 } else { digits_end(text, whole)? };
    if text.get(at) == Some(&b'.') {
        at = digits_end(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let signed = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = digits_end(text, at + 1 + usize::from(signed))?;
    }
    Some(at)
}

/// The end of one digit or more.
fn digits_end(text: &[u8], start: usize) -> Option<usize> {
    let digits = text.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then_some(start + digits)
}

/// Which brackets are open: a bit each, set for an object.
struct Nesting {
    /// The innermost, the last one lowest, below a bit that marks where they begin.
    bits: u64,
    /// Those around them, 63 each.
    outer: Vec<u64>,
}

impl Nesting {
    const EMPTY: u64 = 1;

    /// Nothing but this one.
    fn new(object: bool) -> Nesting {
        Nesting { bits: Self::EMPTY << 1 | u64::from(object), outer: Vec::new() }
    }

    /// Whether the innermost is an object.
    const fn in_object(&self) -> bool {
        self.bits & 1 == 1
    }

    fn enter(&mut self, object: bool) {
        if self.bits.leading_zeros() == 0 {
            self.outer.push(mem::replace(&mut self.bits, Self::EMPTY));
        }
        self.bits = self.bits << 1 | u64::from(object);
    }

    /// Leaves the innermost; false when it was the last one.
    fn leave(&mut self) -> bool {
        self.bits >>= 1;
        if self.bits == Self::EMPTY {
            match self.outer.pop() {
                Some(bits) => self.bits = bits,
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn what_kind_of_bracket_is_open_is_known_at_every_depth() {
        for depth in [1, 63, 64, 65, 128, 129, 1_000] {
            let object = |level: usize| level.is_multiple_of(3) || level.is_multiple_of(7);
            let opening: String = (0..depth).map(|level| if object(level) { "{\"a\":" } else { "[" }).collect();
            let closing: String = (0..depth).rev().map(|level| if object(level) { '}' } else { ']' }).collect();
            let text = format!("{opening}[]{closing}");
            assert_eq!(end(text.as_bytes(), 0), Some(text.len()), "{depth}");
            for wrong in 0..depth {
                let mut text = text.clone().into_bytes();
                let at = text.len() - 1 - wrong;
                text[at] = if text[at] == b'}' { b']' } else { b'}' };
                assert_eq!(end(&text, 0), None, "{depth} {wrong}");
            }
        }
    }

    #[test]
    fn a_value_is_judged_as_a_full_parser_judges_it() {
        for value in [
            "0",
            "-0",
            "10",
            "1.5e+3",
            "1E9",
            "01",
            "-",
            "+1",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x1",
            "1.e1",
            "--1",
            "NaN",
            "true",
            "tru",
            "truex",
            "null",
            "nul",
            "false",
            "False",
            "''",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\t\"",
            "\"\\\"",
            "\"\\\\\"",
            "\"\u{7f}\"",
            "{\"\u{1}\":1}",
            "{\"a\":1,}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\" 1}",
            "{1:2}",
            "{\"a\":}",
            "{,}",
            "[}",
            "{]",
            "[1}",
            "[]]",
            " [ ] ",
            "[ 1 , { \"a\" : [ ] } ]",
        ] {
            assert_eq!(is_value(value.as_bytes()), serde_json::from_str::<IgnoredAny>(value).is_ok(), "{value}");
        }
    }

    fn end(text: &[u8], start: usize) -> Option<usize> {
        value_end(text, start, *text.get(start)?)
    }

    fn is_value(text: &[u8]) -> bool {
        let end = end(text, behind_space(text, 0));
        end.is_some_and(|end| behind_space(text, end) == text.len())
    }

    proptest! {
        #[test]
        fn nothing_passes_that_a_full_parser_refuses(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "[", "]", "{", "}", "{\"a\":", ",\"b\" :", ",", ":", "\"", "\"x\"", "\\", "\\n", "\\u00e9", "true", "nul", "l",
                "1", "0", "-", ".", "e", "+", " ", "\n", "\t", "é", "[]", "{}",
            ]), 0..14),
        ) {
            let text = parts.concat();
            let judged = serde_json::from_str::<IgnoredAny>(&text);
            prop_assert_eq!(is_value(text.as_bytes()), judged.is_ok(), "{}", text);
        }
    }
}
