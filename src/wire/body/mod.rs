//! Reading a few fields of a request body, JSON or form, and changing some, without taking the body apart.
//!
//! Owns [`peek()`] and [`peek_form`], which find the [`Wanted`] fields wherever they stand, however their keys are
//! spelled and whatever lies around them, and [`rewrite()`], which changes the model's name and what [`FieldRules`]
//! name, and no other byte. It refuses to choose between two values of one key: the provider might choose the other.
//! Invariant: every slice that a [`Peek`] gives lies in the body that it was made from.

mod apply_rules;
mod edits;
mod form;
mod members;
mod peek;
mod rewrite;
mod rules;
mod scan;
mod value;
mod wanted;

pub use form::peek_form;
pub(super) use peek::string;
pub use peek::{Peek, PeekError, peek};
pub use rewrite::rewrite;
pub use rules::FieldRules;
pub use wanted::Wanted;

#[cfg(test)]
mod tests;
