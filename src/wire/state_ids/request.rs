//! The ids that the body of a request names.
//!
//! A body that cannot name any is told by a few words that do not occur in it: looking for them costs next to nothing
//! beside reading it. Invariant: of one request no more than [`MOST_NAMED`] ids are taken, the first of each kind
//! before the others.

use memchr::memmem::Finder;

use super::id::{IdKind, is_id};
use super::lexer::{Lexer, Read};
use super::rules::{KeyRole, ObjectType};
use crate::wire::dialect::Dialect;

/// So many ids of one request are looked up at most.
pub const MOST_NAMED: usize = 16;

/// The words without which a body of an API names no id, compiled once.
#[derive(Debug)]
pub struct Needles {
    file: Finder<'static>,
    container: Finder<'static>,
    store: Finder<'static>,
    item: Finder<'static>,
    code: Finder<'static>,
    unstored: Finder<'static>,
}

impl Default for Needles {
    fn default() -> Needles {
        Needles {
            file: Finder::new("file_id"),
            container: Finder::new("container"),
            store: Finder::new("vector_store_id"),
            item: Finder::new("item_reference"),
            code: Finder::new("code_execution"),
            unstored: Finder::new("\"store\""),
        }
    }
}

impl Needles {
    /// Whether the body of a request of this API may name an id. `goes_on`: whether it has the members by which a
    /// request goes on from an earlier one.
    #[must_use]
    pub fn may_name(&self, dialect: Dialect, goes_on: bool, body: &[u8]) -> bool {
        let has = |needles: &[&Finder<'_>]| needles.iter().any(|needle| needle.find(body).is_some());
        match dialect {
            Dialect::Completions | Dialect::Embeddings => false,
            Dialect::ChatCompletions => goes_on || has(&[&self.file]),
            Dialect::Messages => has(&[&self.file, &self.container]),
            Dialect::Responses => goes_on || has(&[&self.file, &self.container, &self.store, &self.item]),
            Dialect::Plain => true,
        }
    }

    /// Whether the answer to this request may make something that is kept: `None`: nothing; else whether the answer
    /// itself is kept.
    #[must_use]
    pub fn answer_is_kept(&self, dialect: Dialect, body: &[u8]) -> Option<bool> {
        match dialect {
            Dialect::Responses => Some(!self.is_unstored(body)),
            Dialect::Messages => {
                (self.code.find(body).or_else(|| self.container.find(body)).is_some()).then_some(false)
            }
            _ => None,
        }
    }

    /// Whether it says `"store": false`. A text cannot: its quotes are escaped.
    fn is_unstored(&self, body: &[u8]) -> bool {
        self.unstored.find_iter(body).any(|at| {
            let rest = body.get(at + 7..).unwrap_or_default().trim_ascii_start();
            rest.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"false"))
        })
    }
}

/// Gives out the ids of a whole body of this API, the more specific first, and whether the request goes on from what
/// one stands for.
pub fn in_request(dialect: Dialect, body: &[u8], mut named: impl FnMut(&str, bool)) {
    let mut found: Vec<(IdKind, Box<[u8]>)> = Vec::new();
    let mut note = |kind: IdKind, id: &[u8]| {
        let known = found.iter().any(|(_, known)| **known == *id);
        // A chat's other members are the application's own.
        let is_of_api = match kind {
            IdKind::File | IdKind::Response => true,
            IdKind::Conversation => dialect != Dialect::ChatCompletions || id.starts_with(b"conv_"),
            _ => dialect != Dialect::ChatCompletions,
        };
        if is_id(id) && !known && is_of_api {
            if found.len() == MOST_NAMED {
                // What is named less specifically makes room.
                let Some(last) = found.iter_mut().max_by_key(|(kind, _)| *kind).filter(|last| last.0 > kind) else {
                    return;
                };
                *last = (kind, id.into());
            } else {
                found.push((kind, id.into()));
            }
        }
    };
    Lexer::default().feed(body, |read| match read {
        Read::Value(KeyRole::Reference(kind) | KeyRole::Holder(kind), id) => note(kind, id),
        Read::Value(..) => {}
        Read::Object(frame) => {
            let kind = match (frame.kind, frame.below) {
                (ObjectType::ItemReference, _) => Some(IdKind::Item),
                (_, KeyRole::Holder(kind)) => Some(kind),
                _ => None,
            };
            if let Some(kind) = kind
                && let Some(id) = frame.id.take()
            {
                note(kind, &id);
            }
        }
    });
    found.sort_by_key(|(kind, _)| *kind);
    for (kind, id) in &found {
        if let Ok(id) = str::from_utf8(id) {
            named(id, kind.goes_on());
        }
    }
}
