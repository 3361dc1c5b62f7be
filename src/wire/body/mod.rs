//! Reading a few fields of a JSON request body, and replacing one, without taking the body apart.
//!
//! Owns [`peek`], which finds the [`Wanted`] fields wherever they stand, however their keys are spelled and whatever
//! lies around them, and [`rewrite_model`], which changes the model's name and no other byte. It refuses to choose
//! between two values of one key: the provider might choose the other. Invariant: every slice that a [`Peek`] gives
//! lies in the body that it was made from.

mod rules;
mod scan;
mod wanted;

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use scan::Scan;
use wanted::{Field, INPUT, INSTRUCTIONS, MESSAGES, MODEL, STREAM, SYSTEM};

pub use rules::FieldRules;
pub use wanted::Wanted;

/// What was found in a body.
#[derive(Clone, Debug)]
pub struct Peek<'a> {
    wanted: &'a Wanted,
    body: &'a [u8],
    found: Vec<(Field, &'a str)>,
    model: Option<Cow<'a, str>>,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum PeekError {
    /// The request must be refused: whoever reads it next may read something else.
    #[error(
        "the request body has the key `{key}` more than once; send it once, since Serin and the provider might each \
         read a different one"
    )]
    Duplicate {
        /// Its path from the top: `user`, `metadata.user_id`.
        key: String,
    },
    /// It is not a JSON object; its fields count as absent, and the provider may say what it thinks of it.
    #[error("the request body is not a JSON object: {0}")]
    NotJson(serde_json::Error),
}

/// Finds the wanted fields of a body.
///
/// # Errors
/// [`PeekError::Duplicate`] for a second `model`, `user` or other user id (or a second object on the way to one), and
/// [`PeekError::NotJson`] for what is not one JSON object. Of other fields the last one counts.
pub fn peek<'a>(body: &'a [u8], wanted: &'a Wanted) -> Result<Peek<'a>, PeekError> {
    let mut scan = Scan::new(wanted);
    let walked = scan.body(body);
    if let Some(field) = scan.duplicate {
        return Err(PeekError::Duplicate { key: wanted.path(field) });
    }
    walked.map_err(PeekError::NotJson)?;
    let mut peek = Peek { wanted, body, found: scan.found, model: None };
    peek.model = peek.raw(MODEL).and_then(string);
    Ok(peek)
}

impl<'a> Peek<'a> {
    /// The model's name, decoded; `None` when there is none or it is no text.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether a streamed answer is asked for: `"stream": true`.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.raw(STREAM) == Some("true")
    }

    /// The value at a path that was wanted: a text decoded, a number as it is written; `None` for anything else.
    #[must_use]
    pub fn text(&self, path: &[String]) -> Option<Cow<'a, str>> {
        let raw = self.raw(self.wanted.find(path)?)?;
        match raw.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => Some(Cow::Borrowed(raw)),
            _ => string(raw),
        }
    }

    /// The JSON text of `messages`; this and the three below need a [`Wanted`] for conversations.
    #[must_use]
    pub fn messages(&self) -> Option<&'a str> {
        self.raw(MESSAGES)
    }

    /// The JSON text of `input`.
    #[must_use]
    pub fn input(&self) -> Option<&'a str> {
        self.raw(INPUT)
    }

    /// The JSON text of `system`.
    #[must_use]
    pub fn system(&self) -> Option<&'a str> {
        self.raw(SYSTEM)
    }

    /// The JSON text of `instructions`.
    #[must_use]
    pub fn instructions(&self) -> Option<&'a str> {
        self.raw(INSTRUCTIONS)
    }

    /// Where a slice that this peek gave lies in the body.
    #[must_use]
    pub fn range_of(&self, raw: &'a str) -> Option<Range<usize>> {
        let start = raw.as_ptr().addr().checked_sub(self.body.as_ptr().addr())?;
        let end = start.checked_add(raw.len())?;
        (end <= self.body.len()).then_some(start..end)
    }

    fn raw(&self, field: Field) -> Option<&'a str> {
        self.found.iter().find(|(known, _)| *known == field).map(|(_, raw)| *raw)
    }
}

/// The text that a JSON string stands for; `None` for any other value, and for half of a surrogate pair.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// The body with another model's name; every other byte stays. A body without a model's name comes back as it is.
///
/// `peek` must have been made from this body.
#[must_use]
pub fn rewrite_model(body: &Bytes, peek: &Peek<'_>, new: &str) -> Bytes {
    if peek.model().is_none_or(|old| old == new) {
        return body.clone();
    }
    let Some(range) = peek.raw(MODEL).and_then(|raw| peek.range_of(raw)) else { return body.clone() };
    let (Some(before), Some(after)) = (body.get(..range.start), body.get(range.end..)) else { return body.clone() };
    // Writing text as JSON into memory has no way to fail.
    let Ok(name) = serde_json::to_vec(new) else { return body.clone() };
    let mut rewritten = BytesMut::with_capacity(before.len() + name.len() + after.len());
    rewritten.put_slice(before);
    rewritten.put_slice(&name);
    rewritten.put_slice(after);
    rewritten.freeze()
}

#[cfg(test)]
mod tests;
