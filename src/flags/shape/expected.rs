//! What the schema of a value says, in the words of an error.
//!
//! Says what should stand there, with an example where the schema has one. Judges nothing: whether a value fits is
//! decided by [`shape`](super).

use serde_json::{Map, Value};

use super::super::schema;

pub(super) fn allows(schema: &Map<String, Value>, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|allowed| allowed == kind),
        _ => false,
    }
}

/// Whether its shape is not judged here: lists and maps without a word on the values in them.
pub(super) fn takes_anything(schema: &Map<String, Value>) -> bool {
    let values = |key: &str| schema.get(key).is_some_and(Value::is_object);
    allows(schema, "array") && allows(schema, "object") && !values("items") && !values("additionalProperties")
}

/// Whether its texts end in a percent sign.
fn is_share(schema: &Map<String, Value>) -> bool {
    schema.get("pattern").and_then(Value::as_str).is_some_and(|pattern| pattern.contains('%'))
}

pub(super) fn expected(schema: &Map<String, Value>) -> String {
    let words: [(&str, &str); 6] = [
        ("boolean", "true or false"),
        ("integer", "a whole number"),
        ("number", if is_share(schema) { "a share" } else { "a number" }),
        ("string", "a text"),
        ("array", "a list"),
        ("object", "keys with values"),
    ];
    let mut kinds: Vec<&str> = words.iter().filter(|(kind, _)| allows(schema, kind)).map(|(_, word)| *word).collect();
    // An id may look like a number; a number may only be a reference where its pattern says so.
    if allows(schema, "integer") && !schema.contains_key("pattern") {
        kinds.retain(|word| *word != "a whole number");
    }
    // The text beside a number or a switch is only for references.
    if kinds.len() > 1 && !kinds.contains(&"a list") && schema.contains_key("pattern") {
        kinds.retain(|word| *word != "a text");
    }
    kinds.join(" or ")
}

pub(super) fn write(schema: &Map<String, Value>) -> String {
    match schema::example(schema).as_str() {
        "..." => format!("write {}", expected(schema)),
        example => format!("write {}, such as `{example}`", expected(schema)),
    }
}
