//! What the tree reads, another reader of YAML reads too.
//!
//! An editor, a linter or a GitOps controller reads flags.yaml as well; were it to read something else in it, what
//! people reviewed would not be what is in force.

use std::path::Path;
use std::{fmt, fs};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::arbitrary::GOOD;
use crate::flags::text::admit;
use crate::flags::tree::{Kind, Node, parse};

/// Reads the same keys in the same order, the same lengths, the same texts.
struct Same<'t>(&'t Node);

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match &self.0.kind {
            Kind::List(_) => deserializer.deserialize_seq(self),
            Kind::Map(_) => deserializer.deserialize_map(self),
            Kind::Scalar { .. } | Kind::Unfit => deserializer.deserialize_str(self),
        }
    }
}

impl<'de> Visitor<'de> for Same<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.kind)
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<(), E> {
        if self.0.text() == Some(found) { Ok(()) } else { Err(E::custom(format!("another text: {found:?}"))) }
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

/// What the other reader says against a text that the tree takes.
fn differs(text: &str) -> Option<String> {
    let text = admit(text).ok()?;
    let tree = parse(text).ok()?;
    let read = Same(&tree).deserialize(serde_yaml::Deserializer::from_str(text));
    read.err().map(|error| format!("{text:?}: {error}"))
}

#[test]
fn a_tab_in_the_indentation_of_a_block_is_refused_and_elsewhere_is_a_blank() {
    for text in ["\ta: 1", "a:\n \tb: 1\n", "a:\n\tb: 1\n", "a:\n  - b\n \t- c\n"] {
        let problem = parse(text).unwrap_err().problem;
        assert_eq!(problem, "a tab in the indentation", "{text:?}");
    }
    for text in ["a: {b: 1,\n\tc: 2}\n", "a: b \t# c\n", "a: |\n  b\n  \tc\n"] {
        assert_eq!(differs(text), None);
        assert!(parse(text).is_ok(), "{text:?}");
    }
    assert!(parse("a: b\n\t\n\t# c\nd: e\n").is_ok());
}

#[test]
fn a_text_that_ends_with_the_file_has_its_line_break_or_needs_none() {
    for text in ["a: |\n  b", "a: >\n  b", "a: |+\n  b"] {
        let problem = parse(text).unwrap_err().problem;
        assert_eq!(problem, "the file ends within this text, without a line break", "{text:?}");
    }
    for text in ["a: |-\n  b", "a: |\n  b\n", "a: |\n  b\n# c", "a: b", "a: |\n  b\nc: d"] {
        assert_eq!(differs(text), None);
        assert!(parse(text).is_ok(), "{text:?}");
    }
}

#[test]
fn what_is_accepted_is_read_the_same_elsewhere() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("flags.yaml");
    for text in [GOOD, &fs::read_to_string(shipped).unwrap()] {
        assert_eq!(differs(text), None);
        assert!(parse(text).is_ok(), "{text}");
    }
}
