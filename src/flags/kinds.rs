//! The kinds of value that flags.yaml is made of, as serde and the schema see them.
//!
//! A scalar is kept as the text that was written, whatever YAML would make of it: `7.50`, `1e3` and `${WORKERS}` reach
//! the compiler as they stand, so that a share is never a float and a reference can stand anywhere. Nothing here
//! judges a text; [`scalar`](super::scalar) does.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{defaults, pattern};

macro_rules! scalars {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(transparent)]
        pub(super) struct $name(pub(super) String);

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

scalars! {
    /// A text.
    Text = json_schema!({"type": "string"});
    /// A user's id; digits need no quotes.
    Id = json_schema!({"type": ["string", "integer"]});
    /// A share: `5%`, or 5 for the same.
    Rate = pattern::share(0, 100, None);
    /// A share above zero.
    SomeRate = pattern::share(1, 100, None);
    /// A small chance, above zero.
    Chance = pattern::share(1, 10, None);
    /// A share, or `auto` where the ramp decides.
    Intent = pattern::share(0, 100, Some("auto"));
    /// A share above zero, or `off` where there is none.
    Ceiling = pattern::share(1, 100, Some("off"));
    /// A length of time with its unit: `30m`.
    Length = pattern::text(pattern::LENGTH);
    /// A length of time above zero.
    SomeLength = pattern::text(pattern::SOME_LENGTH);
    /// A length of time above zero, or `never`.
    Delay = pattern::text(&format!("never|{}", pattern::SOME_LENGTH));
    /// A number of bytes with its unit: `8MiB`.
    Size = pattern::text(pattern::SIZE);
    /// A whole number.
    Whole = pattern::or_quoted("integer", pattern::WHOLE);
    /// Any number.
    Number = pattern::or_quoted("number", pattern::NUMBER);
    /// `true` or `false`.
    Switch = pattern::or_quoted("boolean", "true|false");
}

/// A map whose keys the user chooses, in the order of the file.
#[derive(Clone, Debug)]
pub(super) struct Entries<V>(pub(super) Vec<(String, V)>);

impl<V> Default for Entries<V> {
    fn default() -> Entries<V> {
        Entries(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<V>, D::Error> {
        struct InOrder<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for InOrder<V> {
            type Value = Entries<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

impl<V: JsonSchema> JsonSchema for Entries<V> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", V::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": defaults::MOST_ENTRIES,
            "additionalProperties": generator.subschema_for::<V>(),
        })
    }
}

/// Texts; a single one needs no brackets.
#[derive(Clone, Debug)]
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(text)) = items.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["array", "string"], "maxItems": defaults::MOST_ENTRIES, "items": {"type": "string"}})
    }
}

/// Users whose arm is fixed: a list (all on the canary), or a map from id to arm.
#[derive(Clone, Debug)]
pub(super) enum Pins {
    /// All of them on the canary.
    Canary(Vec<Id>),
    /// Each on its own arm.
    Arms(Entries<Text>),
}

impl<'de> Deserialize<'de> for Pins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pins, D::Error> {
        struct ListOrMap;
        impl<'de> Visitor<'de> for ListOrMap {
            type Value = Pins;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of user ids, or a map from user id to `canary` or `stable`")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Pins, A::Error> {
                let mut ids = Vec::new();
                while let Some(id) = items.next_element()? {
                    ids.push(id);
                }
                Ok(Pins::Canary(ids))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Pins, A::Error> {
                Entries::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Pins::Arms)
            }
        }
        deserializer.deserialize_any(ListOrMap)
    }
}

impl JsonSchema for Pins {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Pins".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["array", "object"],
            "maxItems": defaults::MOST_IDS,
            "maxProperties": defaults::MOST_IDS,
            "items": {"type": ["string", "integer"]},
            "additionalProperties": {"type": "string", "enum": ["canary", "stable"]},
        })
    }
}
