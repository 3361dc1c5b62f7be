//! What a value may be, in the words of the reference: read from the JSON Schema of its key.
//!
//! Says nothing that the schema does not: the type, the words, the bounds, and the number of entries. A kind that is
//! not known here is [`UNNAMED`], which a test refuses, so that none is called by a wrong name.

use serde_json::{Map, Value};

/// In place of a kind that has no name here yet: `tests/docs` fails on it.
const UNNAMED: &str = "a value without a name in examples/reference_pages:";

/// What a key takes.
pub(super) fn kind(schema: &Map<String, Value>) -> String {
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    let has_keys = schema.contains_key("properties");
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
    }
    match types(schema).as_slice() {
        ["object"] if has_keys => "keys, see there".to_owned(),
        ["object", "string"] if has_keys => "keys, see there, or `off`".to_owned(),
        ["object"] => format!("a map from names that you choose, each with: {}", inner(schema, "additionalProperties")),
        ["object", "array"] if has_keys => "keys, see there, or a list of such conditions".to_owned(),
        ["object", "array"] => "a condition, or a list of conditions".to_owned(),
        ["array"] => format!("a list, each entry: {}{}", inner(schema, "items"), at_most(schema)),
        ["array", "string"] if schema.get("items").is_some_and(|item| item["properties"].is_object()) => {
            format!("a list, each entry a text or keys (see there), or one text{}", at_most(schema))
        }
        ["array", "string"] => format!("a list of texts, or one text{}", at_most(schema)),
        ["array", "object"] => format!("a list, or a map from texts to {}", inner(schema, "additionalProperties")),
        ["boolean", "array", "string"] => format!("`true`, `false`, or a list of texts{}", at_most(schema)),
        ["string", "integer"] => "a text or a whole number".to_owned(),
        ["boolean", "string"] => "`true` or `false`".to_owned(),
        ["integer", "string"] => format!("a whole number{}", within(schema, "")),
        ["string", "number"] if pattern.contains('%') => share(schema, pattern),
        ["number", "string"] => format!("a number{}", within(schema, "")),
        ["string", "number", "boolean", "array", "object"] => "any value of JSON".to_owned(),
        ["string"] if pattern.contains("KiB") => "a size".to_owned(),
        ["string"] if pattern.contains("ms|s|m|h|d") => {
            let above = if pattern.contains("(0(ms") { " above zero" } else { "" };
            let never = if pattern.starts_with("^(never|") { ", or `never`" } else { "" };
            format!("a duration{above}{never}")
        }
        ["string"] => "a text".to_owned(),
        other => format!("{UNNAMED} {other:?}"),
    }
}

fn types(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    }
}

/// What stands in a list or below a name.
fn inner(schema: &Map<String, Value>, key: &str) -> String {
    match schema.get(key).and_then(Value::as_object) {
        Some(inner) => kind(inner),
        None => "anything".to_owned(),
    }
}

fn at_most(schema: &Map<String, Value>) -> String {
    schema.get("maxItems").map_or_else(String::new, |most| format!(", at most {most}"))
}

fn within(schema: &Map<String, Value>, unit: &str) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(", {least}{unit} to {most}{unit}"),
        (Some(least), None) => format!(", {least}{unit} or more"),
        (None, Some(most)) => format!(", at most {most}{unit}"),
        (None, None) => String::new(),
    }
}

/// A share whose pattern begins with a digit above zero takes 0.01% and more.
fn share(schema: &Map<String, Value>, pattern: &str) -> String {
    let most = schema.get("maximum").map_or_else(|| "100".to_owned(), ToString::to_string);
    let from = if schema.get("minimum").and_then(Value::as_u64) == Some(0) { "0%" } else { "0.01%" };
    let word = ["auto", "off"].iter().find(|word| pattern.contains(&format!("|{word}|")));
    let word = word.map_or_else(String::new, |word| format!(", or `{word}`"));
    format!("a share, {from} to {most}%{word}")
}
