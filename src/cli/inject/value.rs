//! What is written into a manifest: texts, numbers, lists and maps, as YAML lines or as JSON.
//!
//! Owns how they look, and nothing of what they mean. In a document that is written in blocks they are lines of an
//! indentation; in one with brackets they are JSON on one line, which every reader of YAML takes. Keys keep the order
//! in which they are given.

use std::fmt::Write as _;

/// A value to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text, in quotes where it needs them.
    Text(String),
    /// A number or a truth value, as it stands.
    Bare(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Vec<(&'static str, Value)>),
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// A number or a truth value.
pub(super) fn bare(value: impl ToString) -> Value {
    Value::Bare(value.to_string())
}

/// A list of texts.
pub(super) fn texts(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|each| text(*each)).collect())
}

impl Value {
    /// As JSON on one line.
    pub(super) fn flow(&self) -> String {
        match self {
            Value::Text(text) => quoted(text),
            Value::Bare(text) => text.clone(),
            Value::List(items) => format!("[{}]", joined(items.iter().map(Value::flow))),
            Value::Map(entries) => {
                format!(
                    "{{{}}}",
                    joined(entries.iter().map(|(key, value)| format!("{}: {}", quoted(key), value.flow())))
                )
            }
        }
    }

    /// As the lines of a list's item, the dash in this column.
    pub(super) fn item_lines(&self, column: usize) -> Vec<String> {
        let mut lines = self.lines(column + 2);
        if let Some(first) = lines.first_mut() {
            first.replace_range(..column + 2, &format!("{:column$}- ", ""));
        }
        lines
    }

    /// As the lines of a key and its value, the key in this column.
    pub(super) fn entry_lines(&self, key: &str, column: usize) -> Vec<String> {
        let indentation = format!("{:column$}", "");
        let mut lines = match self {
            // A list of texts is short: `drop: [ALL]`.
            Value::List(items) if items.iter().all(|item| matches!(item, Value::Text(_))) => {
                let items = joined(items.iter().map(|item| item.lines(0).concat()));
                return vec![format!("{indentation}{key}: [{items}]")];
            }
            Value::List(_) | Value::Map(_) => self.lines(column + 2),
            _ => return vec![format!("{indentation}{key}: {}", self.lines(0).concat())],
        };
        lines.insert(0, format!("{indentation}{key}:"));
        lines
    }

    fn lines(&self, column: usize) -> Vec<String> {
        match self {
            Value::Text(text) => vec![format!("{:column$}{}", "", plain_or_quoted(text))],
            Value::Bare(text) => vec![format!("{:column$}{text}", "")],
            Value::List(items) => items.iter().flat_map(|item| item.item_lines(column)).collect(),
            Value::Map(entries) => entries.iter().flat_map(|(key, value)| value.entry_lines(key, column)).collect(),
        }
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Without quotes where every reader takes it for the same text.
pub(super) fn plain_or_quoted(text: &str) -> String {
    // `100m` and `64Mi` are no numbers; what only looks like one gets quotes.
    let quantity = text.ends_with(['m', 'i']);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || quantity && c.is_ascii_digit());
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-:@".contains(c)) && !text.ends_with(':');
    let word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let known = word.iter().any(|word| text.eq_ignore_ascii_case(word));
    if begins && rest && !known { text.to_owned() } else { quoted(text) }
}

/// In double quotes, as JSON has them.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
