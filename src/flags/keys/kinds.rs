//! The kinds of value that keys take, as JSON Schema says them, and the way a key is described.
//!
//! A single value is a text to the compiler, whatever YAML would make of it: `7.50`, `1e3` and `${WORKERS}` are read as
//! they stand, so that a share is never a float and a reference can stand anywhere. So each kind takes a text as well:
//! the value in quotes, or a reference. Nothing here judges a text; [`scalar`](crate::flags::scalar) does.

use serde_json::{Map, Value, json};

use super::super::bounds::{MOST_ENTRIES, MOST_FALLBACKS, MOST_IDS};
use super::super::pattern;

/// What one value may be, as a JSON Schema.
pub(in crate::flags) type Schema = Map<String, Value>;

/// A key on its way into the schema of its map.
pub(super) struct Key {
    name: &'static str,
    schema: Schema,
    required: bool,
}

pub(super) fn key(name: &'static str, schema: Schema) -> Key {
    Key { name, schema, required: false }
}

impl Key {
    /// The map cannot be without it.
    pub(super) fn required(self) -> Key {
        Key { required: true, ..self }
    }

    /// What it means where the file has no such key.
    pub(super) fn default(self, value: impl Into<Value>) -> Key {
        self.with("default", value)
    }

    /// A list of values that may stand there; the first one is shown in errors.
    pub(super) fn examples(self, values: Value) -> Key {
        self.with("examples", values)
    }

    /// The sentences that an editor shows.
    pub(super) fn says(self, sentences: &str) -> Key {
        self.with("description", sentences)
    }

    /// Further restricts the values.
    pub(super) fn with(mut self, keyword: &str, value: impl Into<Value>) -> Key {
        self.schema.insert(keyword.to_owned(), value.into());
        self
    }
}

/// The fields of a JSON object.
fn schema(value: Value) -> Schema {
    match value {
        Value::Object(schema) => schema,
        _ => Schema::new(),
    }
}

/// A map with these keys and no others.
pub(super) fn map<const N: usize>(keys: [Key; N]) -> Schema {
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut map = schema(json!({"type": "object", "additionalProperties": false}));
    if !required.is_empty() {
        map.insert("required".to_owned(), required.into());
    }
    let properties = keys.into_iter().map(|key| (key.name.to_owned(), key.schema.into()));
    map.insert("properties".to_owned(), Value::Object(properties.collect()));
    map
}

/// The same with a sentence of its own, for what stands in a list or below a name.
pub(super) fn described<const N: usize>(sentence: &str, keys: [Key; N]) -> Schema {
    let mut map = map(keys);
    map.insert("description".to_owned(), sentence.into());
    map
}

/// A map whose keys the user chooses.
pub(super) fn entries(value: Schema) -> Schema {
    schema(json!({"type": "object", "maxProperties": MOST_ENTRIES, "additionalProperties": value}))
}

/// A list of at most so many.
pub(super) fn list(most: usize, item: Schema) -> Schema {
    schema(json!({"type": "array", "maxItems": most, "items": item}))
}

/// A map in whose place the word `off` may stand, or a reference to it.
pub(super) fn or_off(mut map: Schema) -> Schema {
    map.insert("type".to_owned(), json!(["object", "string"]));
    map.insert("pattern".to_owned(), pattern::or_reference("off").into());
    map
}

pub(super) fn text() -> Schema {
    schema(json!({"type": "string"}))
}

pub(super) fn word(words: &[&str]) -> Schema {
    schema(json!({"type": "string", "enum": words}))
}

/// Texts; a single one needs no brackets.
pub(super) fn texts() -> Schema {
    schema(json!({"type": ["array", "string"], "maxItems": MOST_ENTRIES, "items": text()}))
}

/// Texts, or maps with these keys in their place; a single text needs no brackets.
pub(super) fn texts_or<const N: usize>(keys: [Key; N]) -> Schema {
    let mut item = map(keys);
    item.insert("type".to_owned(), json!(["object", "string"]));
    schema(json!({"type": ["array", "string"], "maxItems": MOST_ENTRIES, "items": item}))
}

/// A user's id; digits need no quotes.
pub(super) fn id() -> Schema {
    schema(json!({"type": ["string", "integer"]}))
}

/// A share from 0% or from above that, up to 10% or 100%: `5%`, or 5 for the same.
pub(super) fn share(least: u8, most: u8) -> Schema {
    some_share(least, most, None)
}

/// A share up to 100%, or a word in its place.
pub(super) fn share_or(least: u8, word: &str) -> Schema {
    some_share(least, 100, Some(word))
}

fn some_share(least: u8, most: u8, word: Option<&str>) -> Schema {
    let mut share = quoted(["string", "number"], &pattern::share(least, most, word));
    share.insert("minimum".to_owned(), least.into());
    share.insert("maximum".to_owned(), most.into());
    if least == 0 {
        // A bare number between 0 and 1 can be read in two ways.
        let ambiguous = json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1});
        share.insert("not".to_owned(), ambiguous);
    }
    share
}

/// A length of time with its unit: `30m`.
pub(super) fn length() -> Schema {
    quoted("string", pattern::LENGTH)
}

/// A length of time above zero.
pub(super) fn some_length() -> Schema {
    quoted("string", pattern::SOME_LENGTH)
}

/// A length of time above zero, or `never`.
pub(super) fn some_length_or_never() -> Schema {
    quoted("string", &format!("never|{}", pattern::SOME_LENGTH))
}

/// A number of bytes with its unit: `8MiB`.
pub(super) fn size() -> Schema {
    quoted("string", pattern::SIZE)
}

/// A whole number within bounds.
pub(super) fn whole(least: u32, most: u32) -> Schema {
    let mut whole = quoted(["integer", "string"], pattern::WHOLE);
    whole.insert("minimum".to_owned(), least.into());
    whole.insert("maximum".to_owned(), most.into());
    whole
}

/// A number from 0 on.
pub(super) fn number() -> Schema {
    let mut number = quoted(["number", "string"], pattern::NUMBER);
    number.insert("minimum".to_owned(), 0.into());
    number
}

/// An amount of USD, with or without its sign: `$5`, `0.28`.
pub(super) fn usd() -> Schema {
    let mut usd = quoted(["number", "string"], pattern::USD);
    usd.insert("minimum".to_owned(), 0.into());
    usd.insert("exclusiveMaximum".to_owned(), 1_000_000.into());
    usd
}

/// The same above zero.
pub(super) fn some_usd() -> Schema {
    let mut usd = quoted(["number", "string"], pattern::SOME_USD);
    usd.insert("exclusiveMinimum".to_owned(), 0.into());
    usd.insert("exclusiveMaximum".to_owned(), 1_000_000.into());
    usd
}

/// A number within bounds.
pub(super) fn number_within(least: impl Into<Value>, most: impl Into<Value>) -> Schema {
    let mut number = number();
    number.insert("minimum".to_owned(), least.into());
    number.insert("maximum".to_owned(), most.into());
    number
}

/// `true` or `false`.
pub(super) fn switch() -> Schema {
    quoted(["boolean", "string"], "true|false")
}

/// A value of these types whose text has this pattern, or a reference.
fn quoted(types: impl Into<Value>, pattern: &str) -> Schema {
    schema(json!({"type": types.into(), "pattern": pattern::or_reference(pattern)}))
}

/// Users whose arm is fixed: a list (all on the canary), or a map from id to arm.
pub(super) fn pins() -> Schema {
    schema(json!({
        "type": ["array", "object"],
        "maxItems": MOST_IDS,
        "maxProperties": MOST_IDS,
        "items": id(),
        "additionalProperties": word(&["canary", "stable"]),
    }))
}

/// `true`, `false`, or providers in turn; a single one needs no brackets.
pub(super) fn fallback() -> Schema {
    schema(json!({"type": ["boolean", "array", "string"], "maxItems": MOST_FALLBACKS, "items": text()}))
}

/// A map or a list that is judged where it is compiled. The keys are what an editor knows of the map.
pub(super) fn nested<const N: usize>(keys: [Key; N]) -> Schema {
    let mut nested = schema(json!({"type": ["object", "array"]}));
    if N > 0 {
        nested.insert("additionalProperties".to_owned(), false.into());
        let properties = keys.into_iter().map(|key| (key.name.to_owned(), key.schema.into()));
        nested.insert("properties".to_owned(), Value::Object(properties.collect()));
    }
    nested
}

/// Any value of JSON.
pub(super) fn anything() -> Schema {
    schema(json!({"type": ["string", "number", "boolean", "array", "object"], "examples": [1]}))
}
