//! Values of flags.yaml that may be of more than one shape: a word or a map, a switch or a list, anything at all.
//!
//! The mirror's side only: which shapes there are, for serde and for the schema. What a word means is judged by the
//! compiler, and a value that may be anything is read from the tree, where its quotes are known.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use super::defaults;
use super::kinds::Text;
use super::raw::{BreakerRule, SlowRule};

/// Any value of JSON. Its text and whether it is quoted are in the tree.
#[derive(Clone, Debug)]
pub(super) struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Anything, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Anything)
    }
}

impl JsonSchema for Anything {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Anything".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean", "array", "object"], "examples": [1]})
    }
}

/// The schema of a map in whose place the word `off` may stand, or a reference to it.
fn or_off(mut map: Schema) -> Schema {
    map.insert("type".to_owned(), serde_json::json!(["object", "string"]));
    map.insert("pattern".to_owned(), r"^(off|.*\$\{.+\}.*)$".into());
    map
}

/// `off`, or when it opens.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Breaker {
    /// One word.
    Word(Text),
    /// Its numbers.
    Rule(BreakerRule),
}

impl JsonSchema for Breaker {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Breaker".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_off(BreakerRule::json_schema(generator))
    }
}

/// `off`, or when an answer is slow.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Slow {
    /// One word.
    Word(Text),
    /// Its numbers.
    Rule(SlowRule),
}

impl JsonSchema for Slow {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Slow".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_off(SlowRule::json_schema(generator))
    }
}

/// `true`, `false`, or providers in turn; a single one needs no brackets.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Fallback {
    /// A switch, or one name.
    Word(Text),
    /// Names.
    List(Vec<Text>),
}

impl JsonSchema for Fallback {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Fallback".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["boolean", "array", "string"],
            "maxItems": defaults::MOST_FALLBACKS,
            "items": {"type": "string"},
        })
    }
}
