//! The JSON Schema of flags.yaml, and every default as YAML: both made from [`keys`], neither written by
//! hand.
//!
//! The shape check reads the same schema, so an editor's opinion of a file and Serin's cannot drift apart. Says which
//! keys there are and what shape each value has; what keys mean to each other is for the compiler.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::keys;

/// The schema, draft 7, without references: editors of every age read that.
pub fn json() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut schema = keys::file();
        schema.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
        schema.insert("title".to_owned(), "flags.yaml".into());
        Value::Object(schema)
    })
}

/// The schema as it is shipped: indented, with a final newline.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", json())
}

/// Every key with its default, as YAML; a key without one is a comment.
#[must_use]
pub fn defaults() -> String {
    let mut text =
        String::from("# Every key and its default. A key behind a # has none, or one that depends on others.\n");
    if let Some(root) = json().as_object() {
        print_map(&mut text, root, 0, false);
    }
    text
}

fn print_map(text: &mut String, schema: &Map<String, Value>, indent: usize, mut in_item: bool) {
    let Some(Value::Object(properties)) = schema.get("properties") else { return };
    let mut keys: Vec<(&String, &Map<String, Value>)> =
        properties.iter().filter_map(|(key, value)| Some((key, value.as_object()?))).collect();
    // A name first, then single values, then what has parts of its own.
    keys.sort_by_key(|(key, value)| (*key != "name", has_parts(value), *key));
    for (key, value) in keys {
        let lead = if std::mem::take(&mut in_item) {
            format!("{}- ", " ".repeat(indent.saturating_sub(2)))
        } else {
            " ".repeat(indent)
        };
        let nested = value.contains_key("properties");
        let named =
            value.get("additionalProperties").and_then(Value::as_object).filter(|v| v.contains_key("properties"));
        let listed = value.get("items").and_then(Value::as_object).filter(|v| v.contains_key("properties"));
        let has_defaults = named.is_some_and(any_default) || listed.is_some_and(any_default);
        if let Some(default) = value.get("default") {
            text.push_str(&format!("{lead}{key}: {}\n", scalar(default)));
        } else if nested && any_default(value) && (value.contains_key("required") || value.contains_key("anyOf")) {
            // Not there by itself, since it takes a key that has no default.
            let mut block = String::new();
            print_map(&mut block, value, 2, false);
            text.push_str(&format!("{lead}# {key}:\n"));
            block.lines().for_each(|line| text.push_str(&format!("{lead}# {}\n", line.replacen("# ", "", 1))));
        } else if nested && any_default(value) {
            text.push_str(&format!("{lead}{key}:\n"));
            print_map(text, value, indent + 2, false);
        } else if let (Some(named), true) = (named, has_defaults) {
            text.push_str(&format!("{lead}{key}:\n{}  NAME:\n", " ".repeat(indent)));
            print_map(text, named, indent + 4, false);
        } else if let (Some(listed), true) = (listed, has_defaults) {
            let mut block = String::new();
            print_map(&mut block, listed, 4, true);
            // Of all lists a file without rollouts alone makes little sense.
            if key == "rollouts" {
                text.push_str(&format!("{lead}{key}:\n{block}"));
            } else {
                text.push_str(&format!("{lead}# {key}:\n"));
                block.lines().for_each(|line| text.push_str(&format!("{lead}# {}\n", line.replacen("# ", "", 1))));
            }
        } else if lead.trim().is_empty() {
            text.push_str(&format!("{lead}# {key}: {}\n", example(value)));
        } else {
            // A list's item begins with its required name.
            text.push_str(&format!("{lead}{key}: {}\n", example(value)));
        }
    }
}

fn has_parts(schema: &Map<String, Value>) -> bool {
    let below = |key: &str| schema.get(key).is_some_and(|inner| inner.get("properties").is_some());
    schema.contains_key("properties") || below("items") || below("additionalProperties")
}

fn any_default(schema: &Map<String, Value>) -> bool {
    let Some(Value::Object(properties)) = schema.get("properties") else { return false };
    properties
        .values()
        .any(|value| value.as_object().is_some_and(|value| value.contains_key("default") || any_default(value)))
}

/// An example of a key's value, as it may stand in the file; `...` where the schema has none.
#[must_use]
pub fn example(schema: &Map<String, Value>) -> String {
    if let Some(first) = schema.get("examples").and_then(Value::as_array).and_then(|list| list.first()) {
        return scalar(first);
    }
    match (schema.get("default"), schema.get("properties")) {
        (Some(default), _) => scalar(default),
        (None, Some(Value::Object(properties))) => {
            let required = schema.get("required").and_then(Value::as_array);
            let shown = properties.iter().find(|(key, value)| match required {
                Some(required) => required.iter().any(|name| name == key.as_str()),
                None => value.get("default").is_some() || value.get("examples").is_some(),
            });
            shown.map_or_else(
                || "{}".to_owned(),
                |(key, value)| format!("{{ {key}: {} }}", value.as_object().map_or_else(String::new, example)),
            )
        }
        _ => "...".to_owned(),
    }
}

/// A value in YAML's flow notation, with quotes where it needs them.
#[must_use]
pub fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if needs_quotes(text) => format!("{text:?}"),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let key = |key: &str| if needs_quotes(key) { format!("{key:?}") } else { key.to_owned() };
            let parts: Vec<String> =
                entries.iter().map(|(name, value)| format!("{}: {}", key(name), scalar(value))).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        other => other.to_string(),
    }
}

fn needs_quotes(text: &str) -> bool {
    // A text may not begin with what YAML itself uses.
    let reserved = text.starts_with(['@', '`', '>', '|', '%', '&', '!', '?', '-', '"', '\'']);
    reserved || text.is_empty() || text.contains(['{', '}', '[', ']', ',', '*', '#']) || text.contains(": ")
}
