//! Text that is never shown, whoever holds it.
//!
//! Owns the one type that keys, tokens and secret values are kept in. It refuses to be displayed or serialized, and its
//! `Debug` output has no content. Invariant: the text leaves only through [`Secret::reveal`], and the last four characters
//! of a long one through [`Secret::tail`].

use std::fmt;

/// Of a shorter text four characters are too much.
const SHORTEST_WITH_TAIL: usize = 16;

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

    /// Its last four characters, by which its owner tells it from others; empty where that would show much of it.
    #[must_use]
    pub fn tail(&self) -> String {
        let length = self.0.chars().count();
        if length < SHORTEST_WITH_TAIL { String::new() } else { self.0.chars().skip(length - 4).collect() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
