//! What is changed in a JSON request body on its way to one provider, besides the model's name.
//!
//! Plain data: paths are lists of keys from the top, values are JSON texts. How they are carried out is the rewriter's
//! business. A path through what is no object leads nowhere. Where an object has a key more than once, a renamed or set
//! one is left once, the last of them; a dropped one not at all; and a number of any of them is capped. Invariant: no
//! path is empty, and no two rules of a kind name the same path.

/// Changes to the fields of a JSON body, in this order: rename, drop, set, max.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldRules {
    /// A field's new last key; nothing happens where the new one is there already (the old one is dropped).
    pub rename: Vec<(Vec<String>, String)>,
    /// Fields that are taken out.
    pub drop: Vec<Vec<String>>,
    /// Fields with the JSON text that they get, over what stands there; missing objects on the way are made.
    pub set: Vec<(Vec<String>, String)>,
    /// Numbers that may not be larger.
    pub max: Vec<(Vec<String>, f64)>,
}

impl FieldRules {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rename.is_empty() && self.drop.is_empty() && self.set.is_empty() && self.max.is_empty()
    }
}
