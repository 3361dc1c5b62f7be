//! flags.yaml at the edge: bytes in, a checked [`Policy`](crate::decide::policy::Policy) or every error out.
//!
//! The way of a file: [`text`] refuses what no parser should see; [`tree`] reads it with the place of every value;
//! [`shape`] holds the tree against the schema, which is made from the description of all keys ([`keys`]), and marks
//! what does not fit; [`compile`] reads each value where it stands and gives it meaning. No stage stops at its first
//! error, so one reading tells everything that is wrong, each with its place and its remedy.
//!
//! Nothing here knows what is in force: who reads a file decides what to do about it. Invariant: no text of a secret is
//! in an error, a warning or [`Compiled::shown`](compile::Compiled::shown).

mod bounds;
pub mod compile;
mod environment;
mod error;
mod file_in_force;
mod key_pair;
mod keys;
mod later;
mod loaded_flags;
mod mask;
mod memory;
mod pattern;
mod place;
mod reference;
mod scalar;
pub mod schema;
mod shape;
mod syntax;
mod text;
mod tree;
mod url;
pub mod watch;

#[cfg(test)]
mod tests;

pub use environment::Environment;
pub use error::{FlagsError, render};
pub use loaded_flags::{LoadedFlags, read, read_text};
pub use scalar::read_length;
pub use syntax::explain_yaml;
pub use url::read_base_url;
