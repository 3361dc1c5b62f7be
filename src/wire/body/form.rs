//! A multipart form as a request body: its fields are found, and its model renamed, as those of JSON are.
//!
//! A field is a part with a name and without a file; what its bytes say is its text, be it `true` or a number. It
//! refuses what JSON bodies are refused for, a `model` or a user id that comes twice. Only the model can be changed:
//! no field rule knows of forms. Invariant: a form that cannot be read to its end has no fields and stays as it is.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::edits::replaced;
use super::peek::{Kind, Peek, PeekError};
use super::wanted::{Field, MODEL, Wanted};
use crate::wire::multipart::Parts;

/// Finds the wanted fields of a form. `boundary` is the one that its header names.
///
/// # Errors
/// [`PeekError::Duplicate`] as in JSON, and [`PeekError::NotForm`] for what cannot be read to its end.
pub fn peek_form<'a>(body: &'a [u8], boundary: &str, wanted: &'a Wanted) -> Result<Peek<'a>, PeekError> {
    let mut found: Vec<(Field, &'a str)> = Vec::new();
    let mut length = None;
    for part in Parts::new(body, boundary) {
        let part = part.map_err(PeekError::NotForm)?;
        let field = part.name.as_deref().filter(|_| !part.opaque).and_then(|name| wanted.of_form(name));
        let Some(field) = field else { continue };
        // What is no text is as good as empty.
        let text = body.get(part.value).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
        match found.iter_mut().find(|(known, _)| *known == field) {
            Some(_) if wanted.is_unique(field) => return Err(PeekError::Duplicate { key: wanted.path(field) }),
            Some((_, known)) => *known = text,
            None => found.push((field, text)),
        }
        if field == MODEL {
            length = part.length;
        }
    }
    let mut peek = Peek { wanted, body, found, model: None, kind: Kind::Form(length) };
    peek.model = peek.raw(MODEL).filter(|text| !text.is_empty()).map(Cow::Borrowed);
    Ok(peek)
}

/// The form with another model's name; `length` is the place of the number that tells how long the name is.
pub(super) fn rename_model(body: &Bytes, peek: &Peek<'_>, length: Option<&Range<usize>>, new: &str) -> Option<Bytes> {
    // A line break could be taken for the beginning of a boundary.
    if new.contains('\r') {
        return None;
    }
    let name = (peek.range_of(peek.raw(MODEL)?)?, new);
    match length {
        Some(length) => replaced(body, &[(length.clone(), &new.len().to_string()), name]),
        None => replaced(body, &[name]),
    }
}

#[cfg(test)]
mod tests;
