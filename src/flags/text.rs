//! What no parser should see: files too large, too deep, or not text at all. All of it in one pass over the bytes.
//!
//! The limits are far above any file a human keeps and low enough that the slowest parser behind them ends in
//! milliseconds: libyaml's scanner takes time quadratic in the depth of brackets.

use super::error::FlagsError;

/// The largest file that is read, in bytes.
pub(super) const LARGEST: usize = 1024 * 1024;

/// How deep maps and lists may be nested. What the file can say needs six.
pub(super) const DEEPEST: usize = 32;

/// How many values a file may have: twice as many users as one list may name.
pub(super) const MOST_VALUES: usize = 250_000;

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
}

/// The text of a file's bytes, without its byte-order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, FlagsError> {
    if bytes.len() > LARGEST {
        return Err(too_large());
    }
    if (bytes.starts_with(&[0xFF, 0xFE]) && !bytes.starts_with(&[0xFF, 0xFE, 0, 0])) || bytes.starts_with(&[0xFE, 0xFF])
    {
        return Err(FlagsError::at(1, 1, "the file is UTF-16", "save it as UTF-8"));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        // UTF-16 and UTF-32 have a NUL in every ASCII character; no other text has any.
        let wide = at < 4 && bytes.iter().take(64).filter(|byte| **byte == 0).count() >= bytes.len().min(64) / 3;
        let (line, column) = last_place(&String::from_utf8_lossy(&bytes[..at]));
        return Err(if wide {
            FlagsError::at(1, 1, "the file is UTF-16 or UTF-32", "save it as UTF-8")
        } else {
            FlagsError::at(line, column, "a NUL byte, which a text cannot contain", "check that this is the right file")
        });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let (line, column) = last_place(&good);
        FlagsError::at(
            line,
            column,
            format!("the byte 0x{:02x} is not UTF-8", bytes[error.valid_up_to()]),
            "save the file as UTF-8",
        )
    })
}

/// The text itself, if a parser may see it.
pub(super) fn admit(text: &str) -> Result<&str, FlagsError> {
    if text.len() > LARGEST {
        return Err(too_large());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(FlagsError::whole("the file is empty", "begin with `providers:`; the README has a whole example"));
    }
    control_character(text)?;
    brackets_and_commas(text)?;
    Ok(text)
}

/// YAML readers do not agree on characters that nobody sees.
fn control_character(text: &str) -> Result<(), FlagsError> {
    let hidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}') || c == '\u{feff}';
    let Some((index, found)) = text.char_indices().find(|(_, c)| hidden(*c)) else { return Ok(()) };
    let (line, column) = last_place(&text[..index]);
    let problem = format!("the control character U+{:04X}", u32::from(found));
    Err(FlagsError::at(line, column, problem, "remove it; an editor may not show it"))
}

/// Counts commas and what is open of `[` and `{`, quotes and comments or not: a file people keep does not come near the limit.
fn brackets_and_commas(text: &str) -> Result<(), FlagsError> {
    let (mut depth, mut commas) = (0usize, 0usize);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => commas += 1,
            _ => {}
        }
        if commas > MOST_VALUES {
            let (line, column) = last_place(&text[..index]);
            return Err(too_many(line, column));
        }
        if depth > 2 * DEEPEST {
            let (line, column) = last_place(&text[..index]);
            return Err(too_deep(line, column));
        }
    }
    Ok(())
}

/// The error of a file that is nested too deep, found here or in the tree.
pub(super) fn too_deep(line: usize, column: usize) -> FlagsError {
    FlagsError::at(
        line,
        column,
        format!("nested more than {DEEPEST} levels deep"),
        "check the brackets and the indentation: nothing in this file needs more than six levels",
    )
}

/// The error of a file with more values than anybody wrote, found here or in the tree.
pub(super) fn too_many(line: usize, column: usize) -> FlagsError {
    let problem = format!("the file has more than {MOST_VALUES} values");
    FlagsError::at(line, column, problem, "check that this is the right file")
}

fn too_large() -> FlagsError {
    FlagsError::whole("the file is larger than 1 MiB", "check that this is the right file")
}

/// Line and column right behind the end of a text, from 1.
fn last_place(text: &str) -> (usize, usize) {
    let line = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let last = text.rsplit('\n').next().unwrap_or("");
    (line, last.chars().count() + 1)
}
