//! Makes sure that the two YAML readers took the same from a text.
//!
//! The tree gives places and judges the shape, `serde_yaml` fills the mirror; were they to read one text differently,
//! what was checked would not be what is in force. So every accepted text is walked once more by `serde_yaml` along
//! the tree: the same keys in the same order, the same lengths, the same texts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::FlagsError;
use super::syntax::tab_in_indentation;
use super::tree::{Kind, Node};

/// Whether `serde_yaml` reads this tree in this text.
pub(super) fn check(tree: &Node, text: &str) -> Result<(), FlagsError> {
    Same(tree).deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| differs(&error, text))
}

/// What `serde_yaml` says against a text that the tree had no objection to.
fn differs(error: &serde_yaml::Error, text: &str) -> FlagsError {
    let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
    if let Some(error) = tab_in_indentation(text, line) {
        return error;
    }
    FlagsError::at(
        line,
        column,
        "two YAML readers take this in different ways",
        "write it more plainly: one key a line, texts with special characters in double quotes",
    )
}

struct Same<'t>(&'t Node);

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match &self.0.kind {
            Kind::Scalar { .. } => deserializer.deserialize_str(self),
            Kind::List(_) => deserializer.deserialize_seq(self),
            Kind::Map(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Same<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0.kind {
            Kind::Scalar { .. } => "a scalar",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        })
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<(), E> {
        match &self.0.kind {
            Kind::Scalar { text, .. } if text == found => Ok(()),
            _ => Err(E::custom("another text")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let Kind::List(nodes) = &self.0.kind {
            for node in nodes {
                items.next_element_seed(Same(node))?.ok_or_else(|| A::Error::custom("a shorter list"))?;
            }
        }
        items.next_element::<String>()?.map_or(Ok(()), |_| Err(A::Error::custom("a longer list")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Kind::Map(entries) = &self.0.kind {
            for entry in entries {
                match map.next_key::<String>()? {
                    Some(key) if key == entry.key => map.next_value_seed(Same(&entry.value))?,
                    _ => return Err(A::Error::custom("another key")),
                }
            }
        }
        map.next_key::<String>()?.map_or(Ok(()), |_| Err(A::Error::custom("a further key")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    #[test]
    fn only_the_very_same_reading_agrees() {
        let text = "a: [x, 1.50, \"y: z\"]\nb: { c: 007 }\n";
        let tree = parse(text).unwrap();
        assert_eq!(check(&tree, text), Ok(()));
        assert_eq!(check(&tree, "b: { c: 007 }\na: [x, 1.50, 'y: z']\n").unwrap_err().line, 1);
        for other in [
            "a: [x, 1.5, 'y: z']\nb: { c: 007 }",
            "a: [x, 1.50]\nb: { c: 007 }",
            "a: [x, 1.50, 'y: z', w]\nb: { c: 007 }",
            "a: [x, 1.50, 'y: z']\nb: { c: 007 }\nd: 1",
            "a: [x, 1.50, 'y: z']\nb: c",
            "a: [x, 1.50, 'y: z']",
        ] {
            let error = check(&tree, other).unwrap_err();
            assert_eq!(error.problem, "two YAML readers take this in different ways", "{other}");
        }
        assert_eq!(check(&tree, "a:\n\t- x\n").unwrap_err().problem, "a tab in the indentation");
    }
}
