//! Places in the structure of a file, as people write them: `rollouts[0].match.header["x-team"]`.
//!
//! The compiler walks the mirror and an [`At`] side by side, so that every finding has its line and column. A place
//! that the file does not have points at the nearest one that it has: a missing key is told where it should stand.

use std::rc::Rc;

use super::tree::{Kind, Node, Spot};

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
        At { spot: tree.spot, key_spot: tree.spot, node: Some(Rc::clone(tree)), path: String::new() }
    }

    /// A place that was found by walking the tree itself.
    pub(super) fn exactly(spot: Spot, path: String) -> At {
        At { node: None, spot, key_spot: spot, path }
    }

    /// The value of this key.
    pub(super) fn key(&self, key: &str) -> At {
        let mut path = self.path.clone();
        push_key(&mut path, key);
        match self.entry(key) {
            Some((node, key_spot)) => At { spot: node.spot, key_spot, node: Some(node), path },
            None => At { node: None, spot: self.spot, key_spot: self.key_spot, path },
        }
    }

    /// The same, but about the key and not its value.
    pub(super) fn name(&self) -> At {
        At { spot: self.key_spot, ..self.clone() }
    }

    /// The item of this index; a lone value stands for a list of one.
    pub(super) fn item(&self, index: usize) -> At {
        match self.node.as_deref().map(|node| &node.kind) {
            Some(Kind::List(items)) => {
                let path = format!("{}[{index}]", self.path);
                match items.get(index) {
                    Some(node) => At { spot: node.spot, key_spot: node.spot, node: Some(Rc::clone(node)), path },
                    None => At { node: None, spot: self.spot, key_spot: self.key_spot, path },
                }
            }
            _ => self.clone(),
        }
    }

    /// Whether the file has this key here, be its value right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// What is here, if anything.
    pub(super) fn node(&self) -> Option<&Node> {
        self.node.as_deref()
    }

    /// Where the text of this place begins, or that of what it would stand in.
    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    fn entry(&self, key: &str) -> Option<(Rc<Node>, Spot)> {
        match &self.node.as_deref()?.kind {
            Kind::Map(entries) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| (Rc::clone(&entry.value), entry.spot))
            }
            _ => None,
        }
    }
}
