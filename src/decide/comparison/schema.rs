//! Whether a value has the shape that a structured output was asked for.
//!
//! Reads of JSON Schema what the structured outputs of providers allow: types, required and further members, items,
//! enumerations, `anyOf`, and references to `$defs`. What it does not know it takes as met, so that nothing is called
//! broken for a rule that is not checked here. A schema is a client's: bounded in depth and in work.

use serde_json::Value;

const DEEPEST: usize = 48;
/// So many schemas and names are looked at in one check. References branch, so that depth alone bounds nothing.
const MOST_VISITS: usize = 20_000;

/// Whether the value fits the schema. One that takes too much work to tell fits.
pub(super) fn fits(schema: &Value, value: &Value) -> bool {
    let mut check = Check { root: schema, visits: MOST_VISITS };
    check.fits(schema, value, DEEPEST) || check.visits == 0
}

/// A check under way.
struct Check<'a> {
    root: &'a Value,
    /// What is left of [`MOST_VISITS`].
    visits: usize,
}

impl Check<'_> {
    fn fits(&mut self, schema: &Value, value: &Value, deeper: usize) -> bool {
        let Some(deeper) = deeper.checked_sub(1) else { return true };
        let listed = |name: &str| schema[name].as_array().map_or(0, Vec::len);
        let length = schema["$ref"].as_str().map_or(0, str::len);
        self.visits = self.visits.saturating_sub(1 + listed("enum") + listed("required") + length / 64);
        if self.visits == 0 {
            return true;
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let found = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return found.is_none_or(|schema| self.fits(schema, value, deeper));
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
            && !choices.iter().any(|choice| self.fits(choice, value, deeper))
        {
            return false;
        }
        let is_typed = match &schema["type"] {
            Value::String(name) => is_of_type(name, value),
            Value::Array(names) => names.iter().filter_map(Value::as_str).any(|name| is_of_type(name, value)),
            _ => true,
        };
        is_typed && self.members_fit(schema, value, deeper) && self.items_fit(schema, value, deeper)
    }

    fn members_fit(&mut self, schema: &Value, value: &Value, deeper: usize) -> bool {
        let Some(members) = value.as_object() else { return true };
        let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if !required.all(|name| members.contains_key(name)) {
            return false;
        }
        let properties = schema["properties"].as_object();
        members.iter().all(|(name, member)| match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => self.fits(schema, member, deeper),
            None => match &schema["additionalProperties"] {
                Value::Bool(false) => false,
                further @ Value::Object(_) => self.fits(further, member, deeper),
                _ => true,
            },
        })
    }

    fn items_fit(&mut self, schema: &Value, value: &Value, deeper: usize) -> bool {
        match (value.as_array(), &schema["items"]) {
            (Some(items), of @ Value::Object(_)) => items.iter().all(|item| self.fits(of, item, deeper)),
            _ => true,
        }
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

    #[test]
    fn a_schema_that_branches_in_circles_takes_no_time_and_fits() {
        let schema = json!({"type": "string", "anyOf": vec![json!({"$ref": "#"}); 10]});
        for value in [json!(1), json!("x")] {
            assert!(fits(&schema, &value));
        }
        let items = vec![json!({"$ref": "#"}); 10];
        let deep = json!({"type": "string", "anyOf": items, "properties": {"a": {"anyOf": items}}});
        assert!(fits(&deep, &json!({"a": {"a": {"a": 1}}})));
    }
}
