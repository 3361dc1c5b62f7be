//! Whether a value has the shape that a structured output was asked for.
//!
//! Reads of JSON Schema what the structured outputs of providers allow: types, required and further members, items,
//! enumerations, `anyOf`, and references to `$defs`. What it does not know it takes as met, so that nothing is called
//! broken for a rule that is not checked here. Bounded in depth.

use serde_json::Value;

const DEEPEST: usize = 48;

/// Whether the value fits the schema.
pub(super) fn fits(schema: &Value, value: &Value) -> bool {
    fits_below(schema, schema, value, DEEPEST)
}

fn fits_below(root: &Value, schema: &Value, value: &Value, deeper: usize) -> bool {
    let Some(deeper) = deeper.checked_sub(1) else { return true };
    if let Some(reference) = schema["$ref"].as_str() {
        let found = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return found.is_none_or(|schema| fits_below(root, schema, value, deeper));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return false;
    }
    if let Some(known) = schema.get("const")
        && known != value
    {
        return false;
    }
    if let Some(choices) = schema["anyOf"].as_array()
        && !choices.iter().any(|choice| fits_below(root, choice, value, deeper))
    {
        return false;
    }
    let is_typed = match &schema["type"] {
        Value::String(name) => is_of_type(name, value),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(|name| is_of_type(name, value)),
        _ => true,
    };
    is_typed && members_fit(root, schema, value, deeper) && items_fit(root, schema, value, deeper)
}

fn members_fit(root: &Value, schema: &Value, value: &Value, deeper: usize) -> bool {
    let Some(members) = value.as_object() else { return true };
    let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if !required.all(|name| members.contains_key(name)) {
        return false;
    }
    let properties = schema["properties"].as_object();
    members.iter().all(|(name, member)| match properties.and_then(|properties| properties.get(name)) {
        Some(schema) => fits_below(root, schema, member, deeper),
        None => match &schema["additionalProperties"] {
            Value::Bool(false) => false,
            further @ Value::Object(_) => fits_below(root, further, member, deeper),
            _ => true,
        },
    })
}

fn items_fit(root: &Value, schema: &Value, value: &Value, deeper: usize) -> bool {
    match (value.as_array(), &schema["items"]) {
        (Some(items), of @ Value::Object(_)) => items.iter().all(|item| fits_below(root, of, item, deeper)),
        _ => true,
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_schema_asks_for_is_there_and_of_its_type() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": ["integer", "null"]},
                "kind": {"enum": ["a", "b"]},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            },
            "required": ["name", "kind"],
            "additionalProperties": false,
            "$defs": {"tag": {"type": "object", "required": ["id"], "properties": {"id": {"type": "number"}}}},
        });
        let good = [
            json!({"name": "x", "kind": "a"}),
            json!({"name": "x", "kind": "b", "age": null, "tags": [{"id": 1.5}]}),
            json!({"name": "x", "kind": "b", "age": 3.0}),
        ];
        let bad = [
            json!("x"),
            json!({"kind": "a"}),
            json!({"name": 1, "kind": "a"}),
            json!({"name": "x", "kind": "c"}),
            json!({"name": "x", "kind": "a", "age": 1.5}),
            json!({"name": "x", "kind": "a", "more": 1}),
            json!({"name": "x", "kind": "a", "tags": [{"id": "1"}]}),
        ];
        assert!(good.iter().all(|value| fits(&schema, value)));
        assert!(!bad.iter().any(|value| fits(&schema, value)));
    }

    #[test]
    fn a_schema_that_goes_in_circles_ends() {
        let schema = json!({"anyOf": [{"$ref": "#"}], "$defs": {}});
        assert!(fits(&schema, &json!(1)));
    }
}
