//! Values as they are written: what can be told of one without decoding it.
//!
//! Owns the few questions that readers ask of a raw value, and the finding of a value by the bytes of its key where a
//! whole walk would cost too much. Refuses what needs decoding: such a value is no answer here. Builds no values.

/// Whether a value says nothing: null, false, or empty.
pub(in crate::wire) fn is_nothing(raw: &str) -> bool {
    match raw {
        "null" | "\"\"" | "false" => true,
        _ => match raw.as_bytes() {
            [b'[' | b'{', inner @ .., _] => inner.trim_ascii().is_empty(),
            _ => false,
        },
    }
}

/// Whether a value is this text. Escapes are not undone: the texts asked for need none.
pub(in crate::wire) fn is_text(raw: &str, text: &str) -> bool {
    raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) == Some(text)
}

/// A value's text where that needs no decoding.
pub(in crate::wire) fn plain_text(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
}

/// The text of a top-level key that stands first in an object, where it needs no decoding.
pub(in crate::wire) fn first_text<'a>(json: &'a [u8], key: &str) -> Option<&'a str> {
    let rest = json.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    let rest = rest.strip_prefix(key.as_bytes())?.strip_prefix(b"\"")?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let end = memchr::memchr(b'"', rest.get(1..)?)?;
    plain_text(str::from_utf8(&rest[..end + 2]).ok()?)
}

/// What follows the first such key, wherever it stands, found by its bytes. Quotes within a text are escaped, so what
/// stands in quotes before a colon is a key.
pub(in crate::wire) fn value_of<'a>(json: &'a [u8], key: &str) -> Option<&'a [u8]> {
    memchr::memmem::find_iter(json, key).find_map(|at| {
        let quoted = at > 0 && json[at - 1] == b'"' && json.get(at + key.len()) == Some(&b'"');
        if quoted { behind_colon(&json[at + key.len() + 1..]) } else { None }
    })
}

/// The same as a number.
pub(in crate::wire) fn number_of(json: &[u8], key: &str) -> Option<u64> {
    let value = value_of(json, key)?;
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

/// The value that begins behind a colon.
pub(super) fn behind_colon(json: &[u8]) -> Option<&[u8]> {
    Some(json.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}
