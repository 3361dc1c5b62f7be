//! What is found in a request body: the wanted fields, wherever they stand and however their keys are spelled.
//!
//! Owns [`Peek`] and how a JSON body becomes one. Refuses to choose between two values of one key: the provider might
//! choose the other. Changes nothing. Invariant: every slice that a [`Peek`] gives lies in the body that it was made
//! from.

use std::borrow::Cow;
use std::ops::Range;

use super::scan::{self, Stop};
use super::wanted::{
    CONVERSATION, Field, INPUT, INSTRUCTIONS, MESSAGES, MODEL, MOST_OUTPUT, PREVIOUS, STREAM, SYSTEM, Wanted,
};
use crate::wire::multipart::Malformed;

/// What was found in a body.
#[derive(Clone, Debug)]
pub struct Peek<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) body: &'a [u8],
    pub(super) found: Vec<(Field, &'a str)>,
    pub(super) model: Option<Cow<'a, str>>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Json,
    /// A form; with the place of the model's own `Content-Length`, where its part has one.
    Form(Option<Range<usize>>),
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
    /// It is no form with this boundary; its fields count as absent, too.
    #[error("the request body is not a multipart form: {0}")]
    NotForm(Malformed),
}

/// Finds the wanted fields of a body.
///
/// # Errors
/// [`PeekError::Duplicate`] for a second `model`, `user` or other user id (or a second object on the way to one), and
/// [`PeekError::NotJson`] for what is not one JSON object. Of other fields the last one counts.
pub fn peek<'a>(body: &'a [u8], wanted: &'a Wanted) -> Result<Peek<'a>, PeekError> {
    let found = scan::found(body, wanted).map_err(|stop| match stop {
        Stop::Twice(field) => PeekError::Duplicate { key: wanted.path(field) },
        Stop::Broken => PeekError::NotJson(scan::why_broken(body)),
    })?;
    let mut peek = Peek { wanted, body, found, model: None, kind: Kind::Json };
    peek.model = peek.raw(MODEL).and_then(string);
    Ok(peek)
}

impl<'a> Peek<'a> {
    /// The model's name, decoded; `None` when there is none or it is no text.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether a streamed answer is asked for: `"stream": true`, and what readers of forms take for it.
    #[must_use]
    pub fn stream(&self) -> bool {
        match (&self.kind, self.raw(STREAM)) {
            (Kind::Json, raw) => raw == Some("true"),
            (Kind::Form(_), raw) => raw.is_some_and(|raw| raw.eq_ignore_ascii_case("true") || raw == "1"),
        }
    }

    /// Whether the request goes on from state that some provider keeps: an earlier answer, or a conversation.
    #[must_use]
    pub fn is_state_bearing(&self) -> bool {
        [PREVIOUS, CONVERSATION].into_iter().any(|field| self.raw(field).is_some_and(|raw| raw != "null"))
    }

    /// How many tokens an answer may have, the largest number where there are several; this needs a [`Wanted`] with it.
    #[must_use]
    pub fn most_output(&self) -> Option<u64> {
        MOST_OUTPUT.into_iter().filter_map(|field| self.raw(field)?.parse().ok()).max()
    }

    /// The value at a path that was wanted: a text decoded, a number as it is written; `None` for anything else.
    #[must_use]
    pub fn text(&self, path: &[String]) -> Option<Cow<'a, str>> {
        let raw = self.raw(self.wanted.find(path)?)?;
        if matches!(self.kind, Kind::Form(_)) {
            return (!raw.is_empty()).then_some(Cow::Borrowed(raw));
        }
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

    /// What it was made from.
    pub(in crate::wire) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Where a slice that this peek gave lies in the body.
    #[must_use]
    pub fn range_of(&self, raw: &'a str) -> Option<Range<usize>> {
        let start = raw.as_ptr().addr().checked_sub(self.body.as_ptr().addr())?;
        let end = start.checked_add(raw.len())?;
        (end <= self.body.len()).then_some(start..end)
    }

    pub(super) fn raw(&self, field: Field) -> Option<&'a str> {
        self.found.iter().find(|(known, _)| *known == field).map(|(_, raw)| *raw)
    }
}

/// The text that a JSON string stands for; `None` for any other value, and for half of a surrogate pair.
pub(in crate::wire) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}
