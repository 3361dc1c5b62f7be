//! What an editor takes by the schema, `check` takes, and the reverse: for every share, length, size, number and switch.
//!
//! The values are tried at every such key of the schema. Only what no schema can say is left out, and is listed here.

use proptest::prelude::*;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use serde_json::{Map, Value};

use crate::flags::compile::compile;
use crate::flags::{Environment, FlagsError, schema};

/// A key of the file that has a single value of a kind, on its way from the root; `*` is any name, `[]` any item.
struct Field {
    way: Vec<String>,
    schema: Map<String, Value>,
    pattern: PikeVM,
}

fn collect(schema: &Value, way: &[String], fields: &mut Vec<Field>) {
    let Some(object) = schema.as_object() else { return };
    let below = |step: &str| way.iter().cloned().chain([step.to_owned()]).collect::<Vec<_>>();
    if let (Some(pattern), None) = (object.get("pattern").and_then(Value::as_str), object.get("properties")) {
        let pattern = PikeVM::new(pattern).unwrap();
        fields.push(Field { way: way.to_vec(), schema: object.clone(), pattern });
    }
    for (name, inner) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        collect(inner, &below(name), fields);
    }
    for (key, step) in [("additionalProperties", "*"), ("items", "[]")] {
        if let Some(inner) = object.get(key) {
            collect(inner, &below(step), fields);
        }
    }
}

fn fields() -> Vec<Field> {
    let mut fields = Vec::new();
    collect(schema::json(), &[], &mut fields);
    fields
}

impl Field {
    /// What an editor makes of a value.
    fn takes(&self, value: &Value) -> bool {
        let allows = |kind: &str| match &self.schema["type"] {
            Value::Array(kinds) => kinds.iter().any(|allowed| allowed == kind),
            only => only == kind,
        };
        match value {
            Value::String(text) => allows("string") && self.pattern.is_match(&mut self.pattern.create_cache(), text),
            Value::Bool(_) => allows("boolean"),
            Value::Number(number) => {
                let kind = allows("number") || (allows("integer") && !number.is_f64());
                kind && within(&self.schema, number.as_f64().unwrap())
                    && self
                        .schema
                        .get("not")
                        .is_none_or(|not| !within(not.as_object().unwrap(), number.as_f64().unwrap()))
            }
            _ => false,
        }
    }

    /// A file that has nothing wrong but this value, perhaps, and the place of the value in errors.
    fn file(&self, written: &str) -> (String, String) {
        let mut root = serde_json::json!({
            "providers": {"a": {"base_url": "http://localhost"}, "b": {"base_url": "http://localhost:1"}},
            "rollouts": [{"name": "r", "stable": "a", "canary": "b", "percent": "auto"}],
            "access_log": {"to": "stdout"},
        });
        let (mut node, mut place) = (&mut root, String::new());
        for (number, step) in self.way.iter().enumerate() {
            let leaf = number + 1 == self.way.len();
            // The names of a split are those of variants.
            let name = if self.way.iter().any(|step| step == "split") { "on" } else { "max_tokens" };
            let step = if step == "*" { if leaf { name } else { "a" } } else { step.as_str() };
            if step == "[]" {
                place.push_str("[0]");
                if !node.is_array() {
                    *node = Value::Array(vec![Value::Null]);
                }
                node = &mut node[0];
            } else {
                place.push_str(if place.is_empty() { "" } else { "." });
                place.push_str(step);
                if node.is_null() {
                    *node = Value::Object(Map::new());
                }
                node = node.as_object_mut().unwrap().entry(step).or_insert(Value::Null);
            }
        }
        *node = Value::from("@@");
        (root.to_string().replace("\"@@\"", written), place)
    }
}

fn within(schema: &Map<String, Value>, number: f64) -> bool {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    bound("minimum").is_none_or(|least| number >= least)
        && bound("maximum").is_none_or(|most| number <= most)
        && bound("exclusiveMinimum").is_none_or(|least| number > least)
        && bound("exclusiveMaximum").is_none_or(|most| number < most)
}

/// What an editor reads where this is written.
fn read(written: &str) -> Value {
    serde_yaml::from_str(written).unwrap()
}

/// Whether an error is of what no schema can say: how a number is spelt, bounds of what is a text for YAML, other keys.
fn is_beyond(error: &FlagsError, quoted: bool) -> bool {
    let said = |parts: &[&str]| parts.iter().any(|part| error.problem.contains(part));
    said(&[
        "longer than ten years",
        "is not between 1s and 7d",
        "is not between 1KiB and 1MiB",
        "is too large for one body",
        "is less than 64KiB",
        "is more than 1d",
        "is more than 10m",
        "is too large",
        "is less than that for a single one",
        "moves no user",
    ]) || if quoted { said(&["is not between"]) } else { said(&["leading zeros", "more than two decimals"]) }
}

fn agrees(field: &Field, written: &str) {
    let (file, place) = field.file(written);
    let errors = compile(&file, &Environment::without_secrets()).err().unwrap_or_default();
    let errors: Vec<&FlagsError> = errors.iter().filter(|error| error.path == place).collect();
    let taken = field.takes(&read(written));
    if errors.iter().any(|error| is_beyond(error, written.starts_with('"'))) {
        return;
    }
    assert_eq!(taken, errors.is_empty(), "{place}: {written}\n{errors:?}\n{:?}", field.schema);
}

#[test]
fn what_is_shipped_is_taken() {
    let fields = fields();
    assert!(fields.len() > 40, "{}", fields.len());
    for field in &fields {
        let examples = field.schema.get("examples").and_then(Value::as_array).into_iter().flatten();
        for value in field.schema.get("default").into_iter().chain(examples) {
            assert!(field.takes(value), "{:?}: {value}", field.way);
        }
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_taken_by_neither() {
    let fields = fields();
    let field = |last: &str| fields.iter().find(|field| field.way.last().unwrap() == last).unwrap();
    for (key, written) in [
        ("percent", "0.1"),
        ("max_error_rate", "0.05"),
        ("percent", "\"0.1\""),
        ("start", "auto"),
        ("start", "0%"),
        ("false_alarm", "20%"),
        ("hold", "5"),
        ("every", "0s"),
        ("workers", "0"),
        ("drain", "05m"),
    ] {
        assert!(!field(key).takes(&read(written)), "{key}: {written}");
        agrees(field(key), written);
    }
    for (key, written) in
        [("percent", "0.1%"), ("percent", "0"), ("max_error_rate", "5"), ("hold", "0s"), ("ceiling", "off")]
    {
        assert!(field(key).takes(&read(written)), "{key}: {written}");
        agrees(field(key), written);
    }
}

/// A value as somebody might write it. Numbers are in plain digits, since a schema does not see how they are spelt.
fn written() -> impl Strategy<Value = String> {
    let whole = prop_oneof!["0|1|5|10|99|100|101|256|257|1000000", "[0-9]{1,4}"];
    let number = prop_oneof![3 => whole.clone(), 2 => (whole, "[0-9]{1,4}").prop_map(|(a, b)| format!("{a}.{b}"))];
    let unit = prop_oneof![
        Just(""),
        Just("%"),
        Just(" %"),
        Just("ms"),
        Just("s"),
        Just("m"),
        Just("h"),
        Just("d"),
        Just("w"),
        Just("B"),
        Just("kB"),
        Just("KiB"),
        Just(" MiB"),
        Just("mb"),
        Just("x"),
    ];
    let one = (number.clone(), unit.clone()).prop_map(|(number, unit)| format!("{number}{unit}"));
    let two = (one.clone(), number, unit).prop_map(|(one, number, unit)| format!("{one}{number}{unit}"));
    let word = prop_oneof![
        Just("auto"),
        Just("off"),
        Just("never"),
        Just("true"),
        Just("false"),
        Just("yes"),
        Just("-1"),
        Just("many"),
        Just("-5%"),
        Just("auto%"),
    ];
    let text = prop_oneof![4 => one, 2 => two, 1 => word.prop_map(str::to_owned)];
    (text, any::<bool>()).prop_map(|(text, quoted)| if quoted { format!("\"{text}\"") } else { text })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn an_editor_and_check_agree(written in written()) {
        for field in &fields() {
            agrees(field, &written);
        }
    }
}
