//! Edits of a text that leave every other byte alone.
//!
//! Owns where a new list item, a new key or another text goes, for documents in blocks and in brackets, with the
//! indentation and the line breaks that the document has. A comment above a key stays with its key. Refuses a place
//! that it does not understand, with what to write instead; it never guesses.

use std::ops::Range;

use saphyr_parser::ScalarStyle;

use super::problem::problem;
use super::tree::{Entry, Kind, Node};
use super::value::{Value, plain_or_quoted, quoted};
use crate::flags::FlagsError;

/// A part of the text, and what is written in its place.
#[derive(Debug)]
pub(super) struct Edit {
    range: Range<usize>,
    text: String,
    /// What it belongs to, where another edit is made at the same place.
    side: Side,
}

/// What a text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// The line above.
    Above,
    /// Its own line.
    Here,
    /// The line below.
    Below,
}

/// Makes the edits. At one place, what belongs to the line above comes first; else the order is the one given.
///
/// # Errors
/// Where two edits change the same part of the text.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> Result<String, FlagsError> {
    edits.sort_by_key(|edit| (edit.range.start, edit.side));
    let mut out = String::with_capacity(text.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>());
    let mut done = 0;
    for edit in edits {
        let Some(kept) = text.get(done..edit.range.start) else {
            let line = text[..edit.range.start].matches('\n').count() + 1;
            let remedy = "give each variable once, and write each value of the manifest on a line of its own";
            return Err(problem(line, 0, "two edits of the same value", remedy));
        };
        out.push_str(kept);
        out.push_str(&edit.text);
        done = edit.range.end;
    }
    out.push_str(&text[done..]);
    Ok(out)
}

/// Finds the places in one text.
#[derive(Clone, Copy)]
pub(super) struct Editor<'t> {
    pub(super) text: &'t str,
}

impl<'t> Editor<'t> {
    /// Puts items before the first one of a list that is the value of a key, whatever that value is by now.
    pub(super) fn prepend(self, entry: &Entry, items: &[Value]) -> Result<Edit, FlagsError> {
        let list = &entry.value;
        if list.is_null() {
            return self.fill(entry, items);
        }
        let Kind::List(present) = &list.kind else {
            let name = entry.key.text().unwrap_or_default();
            return Err(not_here(list, format!("`{name}` is no list"), "write it as a list"));
        };
        if let Some(bracket) = self.bracket(list) {
            return match present.first() {
                None if self.ends_line(bracket, "[]") => self.fill(entry, items),
                first => Ok(self.within(bracket, first.is_some(), items.iter().map(Value::flow))),
            };
        }
        let Some(first) = present.first() else {
            return Err(not_here(list, "an empty list", "write `[]`"));
        };
        let line = self.line_start(first.start);
        let before = &self.text[line..first.start];
        let column = before.len() - before.trim_start_matches(' ').len();
        // `- - a`, an item below its dash and the like.
        if before.trim() != "-" {
            let remedy = "begin the list on a line of its own, and each item on the line of its `- `";
            return Err(not_here(first, "a list that cannot be added to", remedy));
        }
        let lines = items.iter().flat_map(|item| item.item_lines(column)).collect();
        Ok(self.lines_before(line, column, lines))
    }

    /// Puts a key with its value before another key of the same map.
    pub(super) fn add_before(self, map: &Node, next: &Entry, key: &str, value: &Value) -> Result<Edit, FlagsError> {
        if let Some(bracket) = self.bracket(map) {
            return Ok(self.within(bracket, true, [format!("{}: {}", quoted(key), value.flow())].into_iter()));
        }
        let line = self.line_start(next.key.start);
        let before = &self.text[line..next.key.start];
        if !before.chars().all(|c| c == ' ') {
            let name = next.key.text().unwrap_or_default();
            let remedy = format!("begin the line with `{name}:`");
            return Err(not_here(&next.key, format!("no key can be put before `{name}`"), remedy));
        }
        Ok(self.lines_before(line, before.len(), value.entry_lines(key, before.len())))
    }

    /// Puts a key with its value after another key of the same map, whose value is a text on one line.
    pub(super) fn add_after(self, map: &Node, last: &Entry, key: &str, value: &Value) -> Result<Edit, FlagsError> {
        if let Some(bracket) = self.bracket(map) {
            return Ok(self.within(bracket, true, [format!("{}: {}", quoted(key), value.flow())].into_iter()));
        }
        let (_, end) = self.written(&last.value)?;
        let lines = value.entry_lines(key, self.column_of(&last.key));
        Ok(self.lines_after(end, lines))
    }

    /// Writes another text in the place of this one, in its kind of quotes.
    pub(super) fn replace(self, node: &Node, text: &str, in_brackets: bool) -> Result<Edit, FlagsError> {
        let (start, end) = self.written(node)?;
        let text = match self.text[start..].chars().next() {
            Some('\'') if !text.contains('\'') => format!("'{text}'"),
            Some('"' | '\'') => quoted(text),
            _ if in_brackets => quoted(text),
            _ => plain_or_quoted(text),
        };
        Ok(Edit { range: start..end, text, side: Side::Here })
    }

    /// Writes a text as the value of a key that has none.
    pub(super) fn give(self, entry: &Entry, text: &str, in_brackets: bool) -> Result<Edit, FlagsError> {
        let colon = self.colon(&entry.key)?;
        let text = if in_brackets { quoted(text) } else { plain_or_quoted(text) };
        Ok(Edit { range: colon..colon, text: format!(" {text}"), side: Side::Here })
    }

    /// Whether a map or a list is written with a bracket.
    pub(super) fn in_brackets(self, node: &Node) -> bool {
        self.bracket(node).is_some()
    }

    /// Writes items in the place of an empty value.
    fn fill(self, entry: &Entry, items: &[Value]) -> Result<Edit, FlagsError> {
        let colon = self.colon(&entry.key)?;
        let flow = Value::List(items.to_vec()).flow();
        let value = &entry.value;
        let end = match &value.kind {
            Kind::Scalar { text, .. } if text.is_empty() => colon,
            Kind::Scalar { .. } => self.written(value)?.1,
            _ => self.bracket(value).map_or(colon, |bracket| bracket + 2),
        };
        let line = self.line_start(entry.key.start);
        let column = entry.key.start - line;
        let in_block = self.text[line..entry.key.start].chars().all(|c| c == ' ');
        // What is between the key and a value on another line stays: it may be a comment.
        let below = end > colon && self.text[colon..value.start].contains('\n');
        if !in_block || !self.ends_line(end, "") {
            let (start, text) = if below { (value.start, flow) } else { (colon, format!(" {flow}")) };
            return Ok(Edit { range: start..end, text, side: Side::Here });
        }
        let eol = self.line_break(line);
        let lines: Vec<String> = items.iter().flat_map(|item| item.item_lines(column + 2)).collect();
        let lines = lines.join(eol);
        let (start, text) =
            if below { (self.line_start(value.start), lines) } else { (colon, format!("{eol}{lines}")) };
        Ok(Edit { range: start..end, text, side: Side::Here })
    }

    /// The place behind the colon of a key.
    fn colon(self, key: &Node) -> Result<usize, FlagsError> {
        let end = self.written(key)?.1;
        let rest = self.text[end..].trim_start_matches([' ', '\t']);
        match rest.starts_with(':') {
            true => Ok(self.text.len() - rest.len() + 1),
            false => Err(not_here(key, "a key without its colon", "write it as `key: value`")),
        }
    }

    /// The parts right behind an opening bracket, with commas.
    fn within(self, bracket: usize, more: bool, parts: impl Iterator<Item = String>) -> Edit {
        let mut text = parts.collect::<Vec<_>>().join(", ");
        if more {
            text.push(',');
            if !self.text[bracket + 1..].starts_with(char::is_whitespace) {
                text.push(' ');
            }
        }
        Edit { range: bracket + 1..bracket + 1, text, side: Side::Here }
    }

    /// Lines before the line that begins here, and before the comments of that column above it.
    fn lines_before(self, mut line: usize, column: usize, lines: Vec<String>) -> Edit {
        let eol = self.line_break(line);
        while line > 0 {
            let above = self.line_start(line - 1);
            let comment = self.text[above..line].trim_start_matches(' ');
            // A `#` that is indented further may belong to a text of the key above.
            if !comment.starts_with('#') || line - above - comment.len() != column {
                break;
            }
            line = above;
        }
        Edit { range: line..line, text: lines.into_iter().map(|line| line + eol).collect(), side: Side::Below }
    }

    /// Lines after the line of this place.
    fn lines_after(self, at: usize, lines: Vec<String>) -> Edit {
        let eol = self.line_break(at);
        let (place, text) = match self.text[at..].find('\n') {
            Some(end) => (at + end + 1, lines.into_iter().map(|line| line + eol).collect()),
            None => (self.text.len(), lines.into_iter().map(|line| format!("{eol}{line}")).collect()),
        };
        Edit { range: place..place, text, side: Side::Above }
    }

    /// Where a text on one line begins and ends, quotes and all.
    fn written(self, node: &Node) -> Result<(usize, usize), FlagsError> {
        let unfit =
            || not_here(node, "a value that cannot be edited", "write it on one line, without `|`, `>`, `&` and `!`");
        let Kind::Scalar { style, .. } = &node.kind else { return Err(unfit()) };
        let rest = &self.text[node.start..];
        let end = match style {
            ScalarStyle::Plain => node.end,
            // The parser counts what follows them as well.
            ScalarStyle::SingleQuoted if rest.starts_with('\'') => node.start + single_quoted(rest),
            ScalarStyle::DoubleQuoted if rest.starts_with('"') => node.start + double_quoted(rest),
            _ => return Err(unfit()),
        };
        let written = &self.text[node.start..end];
        if written.starts_with(['&', '!']) || written.contains(['\n', '\r']) {
            return Err(unfit());
        }
        Ok((node.start, end))
    }

    /// Where the bracket of a map or list opens, if it is written with one.
    fn bracket(self, node: &Node) -> Option<usize> {
        // In blocks a list may be said to begin at its first item, which may have a bracket of its own.
        if node.start == node.end {
            return None;
        }
        let mut at = node.start;
        loop {
            let rest = &self.text[at..];
            let trimmed = rest.trim_start();
            at += rest.len() - trimmed.len();
            match trimmed.chars().next()? {
                '[' | '{' => return Some(at),
                '&' | '!' => at += trimmed.find(char::is_whitespace)?,
                _ => return None,
            }
        }
    }

    /// Whether nothing but this text follows on its line.
    fn ends_line(self, at: usize, text: &str) -> bool {
        let line = self.text[at..].split('\n').next().unwrap_or_default();
        line.strip_prefix(text).is_some_and(|rest| rest.trim().is_empty())
    }

    fn column_of(self, node: &Node) -> usize {
        node.column
    }

    fn line_start(self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// The line break of the line of this place, or of the one before.
    fn line_break(self, at: usize) -> &'t str {
        let end = self.text[at..].find('\n').map(|end| at + end).or_else(|| self.text[..at].rfind('\n'));
        match end {
            Some(end) if self.text[..end].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }
}

fn not_here(node: &Node, what: impl Into<String>, remedy: impl Into<String>) -> FlagsError {
    problem(node.line, node.column, what, remedy)
}

fn single_quoted(text: &str) -> usize {
    let mut at = 1;
    while let Some(found) = text[at..].find('\'') {
        at += found + 1;
        if !text[at..].starts_with('\'') {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn double_quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
