//! Places in the structure of a file, as people write them: `rollouts[0].match.header["x-team"]`.
//!
//! The compiler walks the tree and the schema with an [`At`], so that every finding has its line and column, and every
//! absent key its default. A place that the file does not have points at the nearest one that it has: a missing key is
//! told where it should stand. A value that does not fit its key is there, and has neither text nor parts.

use std::rc::Rc;

use serde_json::Value;

use super::schema;
use super::text::Spot;
use super::tree::{Entry, Kind, Node};

/// Appends a key to a path.
pub(super) fn push_key(path: &mut String, key: &str) {
    let key = &super::mask::short(key);
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-/".contains(c));
    if plain {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        path.push_str(&format!("[{:?}]", key));
    }
}

/// A place that the compiler is at, whether the file has something there or not.
#[derive(Clone)]
pub(super) struct At {
    /// What is there, if anything.
    node: Option<Rc<Node>>,
    /// What may be there.
    schema: &'static Value,
    /// The nearest place that exists.
    spot: Spot,
    /// Where its key is, or that of what it would stand in.
    key_spot: Spot,
    /// The path from the root.
    pub(super) path: String,
}

impl At {
    /// The whole file.
    pub(super) fn root(tree: &Rc<Node>) -> At {
        At {
            spot: tree.spot,
            key_spot: tree.spot,
            node: Some(Rc::clone(tree)),
            schema: schema::json(),
            path: String::new(),
        }
    }

    /// A place that was found by walking the tree itself.
    pub(super) fn exactly(spot: Spot, path: String) -> At {
        At { node: None, schema: &Value::Null, spot, key_spot: spot, path }
    }

    /// The value of this key.
    pub(super) fn key(&self, key: &str) -> At {
        match self.entries().iter().find(|entry| entry.key == key) {
            Some(entry) => self.below(entry),
            None => At { node: None, path: self.path_of(key), schema: self.schema_of(key), ..self.clone() },
        }
    }

    fn below(&self, Entry { key, spot, value }: &Entry) -> At {
        let (path, schema) = (self.path_of(key), self.schema_of(key));
        At { spot: value.spot, key_spot: *spot, node: Some(Rc::clone(value)), schema, path }
    }

    fn path_of(&self, key: &str) -> String {
        let mut path = self.path.clone();
        push_key(&mut path, key);
        path
    }

    fn schema_of(&self, key: &str) -> &'static Value {
        match &self.schema["properties"][key] {
            Value::Null => &self.schema["additionalProperties"],
            schema => schema,
        }
    }

    /// The same, but about the key and not its value.
    pub(super) fn name(&self) -> At {
        At { spot: self.key_spot, ..self.clone() }
    }

    /// The item of this index; a lone value stands for a list of one.
    pub(super) fn item(&self, index: usize) -> At {
        let Some(Kind::List(items)) = self.node.as_deref().map(|node| &node.kind) else { return self.clone() };
        let (path, schema) = (format!("{}[{index}]", self.path), &self.schema["items"]);
        match items.get(index) {
            Some(node) => At { node: Some(Rc::clone(node)), schema, spot: node.spot, key_spot: node.spot, path },
            None => At { node: None, schema, spot: self.spot, key_spot: self.key_spot, path },
        }
    }

    /// Whether the file has this key here, be its value right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries().iter().any(|entry| entry.key == key)
    }

    /// Whether something is here that its key takes.
    pub(super) fn fits(&self) -> bool {
        self.node.as_deref().is_some_and(|node| !matches!(node.kind, Kind::Unfit))
    }

    /// Whether the map here has a key that is not known: what seems to be missing may be what it means.
    pub(super) fn has_unknown_key(&self) -> bool {
        self.node.as_deref().is_some_and(|node| node.has_unknown_key)
    }

    /// What is here, if anything.
    pub(super) fn node(&self) -> Option<&Node> {
        self.node.as_deref()
    }

    /// The text of a single value.
    pub(super) fn text(&self) -> Option<&str> {
        self.node.as_deref().and_then(Node::text)
    }

    /// The default of this key, as it would stand in the file.
    pub(super) fn default(&self) -> Option<String> {
        match &self.schema["default"] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            default => Some(default.to_string()),
        }
    }

    /// The least and the most that a number may be here.
    pub(super) fn bounds(&self) -> (&'static Value, &'static Value) {
        (&self.schema["minimum"], &self.schema["maximum"])
    }

    /// The texts of a list, or of a lone value that stands for it.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self.node.as_deref().map(|node| &node.kind) {
            Some(Kind::List(items)) => items.iter().filter_map(|item| item.text()).collect(),
            Some(Kind::Scalar { text, .. }) => vec![text],
            _ => Vec::new(),
        }
    }

    /// The same, or those of the default where nothing is here.
    pub(super) fn texts_or_default(&self) -> Vec<&str> {
        match &self.schema["default"] {
            Value::Array(texts) if !self.fits() => texts.iter().filter_map(Value::as_str).collect(),
            _ => self.texts(),
        }
    }

    /// The items of a list, or a lone value that stands for it.
    pub(super) fn items(&self) -> Vec<At> {
        let count = match self.node.as_deref().map(|node| &node.kind) {
            Some(Kind::List(items)) => items.len(),
            Some(Kind::Scalar { .. }) => 1,
            _ => 0,
        };
        (0..count).map(|index| self.item(index)).collect()
    }

    /// The keys of a map with their values, in the order of the file.
    pub(super) fn entries(&self) -> &[Entry] {
        match self.node.as_deref().map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// Whether a map is here with anything in it.
    pub(super) fn has_entries(&self) -> bool {
        !self.entries().is_empty()
    }

    /// The names that the user chose in a map, each with its place, where the value is one that may be there.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, At)> {
        let named = self.entries().iter().map(|entry| (entry.key.as_str(), self.below(entry)));
        named.filter(|(_, at)| at.fits())
    }

    /// Where the text of this place begins, or that of what it would stand in.
    pub(super) fn spot(&self) -> Spot {
        self.spot
    }
}
