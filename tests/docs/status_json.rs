//! `docs/status-json.md` names every field of the status, and no other: a field that is renamed or removed fails here.
//!
//! The names are read from the types themselves, by a deserializer that is given nothing and notes what each type asks
//! for. So a field counts although it is absent from an answer, and nobody keeps a second list.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::value::{Error, StringDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serin::app::api::StatusReply;

/// The fields of each type, by its name.
type Fields = BTreeMap<&'static str, BTreeSet<&'static str>>;

/// Answers whatever is asked for with the least that fits, and notes the fields of every type.
struct Notes<'a>(&'a mut Fields);

macro_rules! answers {
    ($($method:ident $visit:ident $value:expr),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> { visitor.$visit($value) })*
    };
}

impl<'de> Deserializer<'de> for Notes<'_> {
    type Error = Error;

    answers!(
        deserialize_any visit_bool false, deserialize_bool visit_bool false, deserialize_i8 visit_i8 0,
        deserialize_i16 visit_i16 0, deserialize_i32 visit_i32 0, deserialize_i64 visit_i64 0, deserialize_u8 visit_u8 0,
        deserialize_u16 visit_u16 0, deserialize_u32 visit_u32 0, deserialize_u64 visit_u64 0,
        deserialize_f32 visit_f32 0.0, deserialize_f64 visit_f64 0.0, deserialize_char visit_char 'a',
    );

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    // A text that is a time as well.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str("1970-01-01T00:00:00.000Z")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(One(self.0, 1))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(One(self.0, length))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Each(self.0, vec!["key"]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.entry(name).or_default().extend(fields);
        visitor.visit_map(Each(self.0, fields.iter().rev().copied().collect()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(variants.first().copied().unwrap_or_default().into_deserializer())
    }

    serde::forward_to_deserialize_any! { bytes byte_buf unit unit_struct tuple_struct identifier ignored_any i128 u128 }
}

/// So many elements.
struct One<'a>(&'a mut Fields, usize);

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.1 == 0 {
            return Ok(None);
        }
        self.1 -= 1;
        seed.deserialize(Notes(self.0)).map(Some)
    }
}

/// A value for each of these keys, the last first.
struct Each<'a>(&'a mut Fields, Vec<&'static str>);

impl<'de> MapAccess<'de> for Each<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let key: Option<StringDeserializer<Error>> = self.1.last().map(|key| (*key).to_owned().into_deserializer());
        key.map(|key| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.1.pop();
        seed.deserialize(Notes(self.0))
    }
}

/// The names in the first column of each section's table.
fn documented(page: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut section = "";
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        } else if let Some(name) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) {
            assert!(found.entry(section).or_default().insert(name), "{section} has `{name}` twice");
        }
    }
    found
}

#[test]
fn the_page_names_every_field_of_the_status_and_no_other() {
    let mut fields = Fields::new();
    StatusReply::deserialize(Notes(&mut fields)).unwrap();
    assert!(fields.len() > 20 && fields["Rollout"].contains("percent"), "{fields:?}");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/status-json.md")).unwrap();
    let documented = documented(&page);
    let names: BTreeMap<&str, BTreeSet<&str>> = fields.into_iter().collect();
    for (name, fields) in &names {
        assert_eq!(documented.get(name), Some(fields), "docs/status-json.md, section {name}");
    }
    let extra: Vec<_> = documented.keys().filter(|section| !names.contains_key(*section)).collect();
    assert!(extra.is_empty(), "docs/status-json.md has sections of types that the status does not have: {extra:?}");
}
