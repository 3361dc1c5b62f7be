//! Text that is never shown, whoever holds it.
//!
//! Owns the one type that keys, tokens and secret values are kept in. It refuses to be displayed or serialized, and its
//! `Debug` output has no content. Invariant: the text leaves only through [`Secret::reveal`].

use std::fmt;

/// Text that must never be shown: it has no `Display`, no `Serialize`, and a `Debug` without content.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text out of sight.
    #[must_use]
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself, for the one header or comparison that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
