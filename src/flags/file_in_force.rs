//! What a file that somebody sent may read: only what the file in force reads too.
//!
//! A secret is compared and never shown, so a reference that stands anywhere in the file in force leads somewhere in
//! any secret. Every other value is shown in the answer. There a reference leads somewhere only if the file in force
//! has the same text at the same place, since its value is shown already. Reads no variable and no file. Invariant: a
//! sent file cannot move a reference to where its value is shown.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use super::place::push_key;
use super::tree::{Kind, Node, parse};

/// The texts of the file in force, by their places.
#[derive(Clone, Debug)]
pub(super) struct FileInForce {
    text: Arc<str>,
    values: Arc<BTreeSet<(String, String)>>,
}

impl FileInForce {
    pub(super) fn of(text: &str) -> FileInForce {
        let mut values = BTreeSet::new();
        // The file in force was read once; where it cannot be read any more, nothing is allowed.
        if let Ok(tree) = parse(text) {
            collect(&tree, String::new(), &mut values);
        }
        FileInForce { text: text.into(), values: Arc::new(values) }
    }

    /// Whether it has this reference.
    pub(super) fn refers_to(&self, name: &str) -> bool {
        self.text.contains(&format!("${{{name}}}"))
    }

    /// Whether it has this text at this place.
    pub(super) fn has(&self, path: &str, text: &str) -> bool {
        self.values.contains(&(path.to_owned(), text.to_owned()))
    }

    /// Whether it has this text as a whole value anywhere.
    pub(super) fn has_value(&self, text: &str) -> bool {
        self.values.iter().any(|(_, value)| value == text)
    }
}

fn collect(node: &Rc<Node>, path: String, values: &mut BTreeSet<(String, String)>) {
    match &node.kind {
        Kind::Scalar { text, .. } => drop(values.insert((path, text.clone()))),
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{path}[{index}]"), values);
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                let mut below = path.clone();
                push_key(&mut below, &entry.key);
                collect(&entry.value, below, values);
            }
        }
        Kind::Unfit => {}
    }
}
