//! What is kept of a complaint: a message and a few names, each short and on one line.
//!
//! Owns the limits of what is kept. Reads no body and decides nothing: [`complaint`](super) reads, and its other parts
//! say what a complaint is about. Invariant: nothing that is kept has a line break, or is longer than its limit.

use crate::wire::printable::printable;

/// The longest message that is kept, in bytes.
pub(super) const LONGEST_MESSAGE: usize = 512;
/// The longest type, code or parameter.
pub(super) const LONGEST_NAME: usize = 128;

/// What a provider said when it refused or failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// In its words, shortened and on one line; empty when it said nothing.
    pub message: String,
    /// The error's `type`.
    pub kind: Option<String>,
    /// The error's `code`; where Azure says why a content filter refused, that.
    pub code: Option<String>,
    /// The parameter that it names.
    pub param: Option<String>,
    /// For how many milliseconds it asks not to be asked again, in a member of its own.
    pub retry_after: Option<u64>,
}

impl Complaint {
    /// Whether there is nothing in it that says what is wrong.
    pub(super) fn is_wordless(&self) -> bool {
        self.message.is_empty() && self.code.is_none() && self.kind.is_none() && self.param.is_none()
    }

    /// Whether it is an error in the terms of an API: no page of something in between, and no path that is unknown.
    #[must_use]
    pub fn is_structured(&self) -> bool {
        (self.code.is_some() || self.kind.is_some() || self.param.is_some()) && !self.is_named(&["unknown_url"])
    }

    /// Whether code or type is one of these.
    pub(super) fn is_named(&self, names: &[&str]) -> bool {
        let any = |given: &Option<String>| given.as_deref().is_some_and(|given| names.contains(&given));
        any(&self.code) || any(&self.kind)
    }
}

/// The text on one line and not longer than this.
pub(super) fn bounded(text: &str, most: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&printable(word));
        if line.len() > most {
            line.truncate(line.floor_char_boundary(most - '…'.len_utf8()));
            line.push('…');
            break;
        }
    }
    line
}
