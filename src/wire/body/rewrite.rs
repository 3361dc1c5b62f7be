//! A request body as a provider gets it: its name for the model, and the fields that its rules name.
//!
//! Owns what is changed in JSON and what in a form; [`apply_rules`](super::apply_rules) and [`form`] carry
//! it out. Reads no field that the peek has not found. Invariant: a body that nothing applies to comes back uncopied.

use bytes::Bytes;

use super::apply_rules::{rewritten, steps};
use super::edits::replaced;
use super::form;
use super::peek::{Kind, Peek};
use super::rules::FieldRules;
use super::wanted::MODEL;

/// The body as a provider gets it: with the new name of its model, where one is given, and after the rules; every other
/// byte stays. What nothing applies to comes back as it is, uncopied. In a form only the model is changed.
///
/// `peek` must have been made from this body.
#[must_use]
pub fn rewrite(body: &Bytes, peek: &Peek<'_>, model: Option<&str>, rules: &FieldRules) -> Bytes {
    let new = model.filter(|new| peek.model().is_some_and(|old| old != *new));
    match &peek.kind {
        Kind::Form(length) => new.and_then(|new| form::rename_model(body, peek, length.as_ref(), new)),
        Kind::Json => {
            // Writing text as JSON into memory has no way to fail.
            let name = new.and_then(|new| serde_json::to_string(new).ok());
            if rules.is_empty() {
                name.and_then(|name| replaced(body, &[(peek.range_of(peek.raw(MODEL)?)?, &name)]))
            } else {
                let path = ["model".to_owned()];
                let first = name.as_deref().map(|name| (&path[..], name));
                rewritten(body, &steps(first, rules))
            }
        }
    }
    .unwrap_or_else(|| body.clone())
}
