//! The ids that an answer makes or speaks of: what its provider keeps.
//!
//! Reads an answer as it passes, whole or a stream of events, in whatever pieces it comes. An id is given out as soon
//! as it and the type of its object are there. Invariant: of one answer no more than [`MOST_LEARNED`] ids are given
//! out.

use super::id::is_id;
use super::lexer::{Lexer, Read};
use super::rules::{KeyRole, ObjectType};

/// A list that is longer than this is of no single request.
const MOST_LEARNED: u32 = 1000;

/// Reads one answer.
#[derive(Debug)]
pub struct AnswerScanner {
    lexer: Lexer,
    /// Whether it is kept itself, and so are its items.
    kept: bool,
    given: u32,
}

impl AnswerScanner {
    /// `kept`: whether the provider keeps the answer itself, where it is one that was generated.
    #[must_use]
    pub fn new(kept: bool) -> AnswerScanner {
        AnswerScanner { lexer: Lexer::default(), kept, given: 0 }
    }

    /// Reads the next piece, and gives out what it completes. The same id may come more than once.
    pub fn feed(&mut self, piece: &[u8], mut learn: impl FnMut(&str)) {
        let AnswerScanner { lexer, kept, given } = self;
        let mut give = |id: &[u8]| {
            if is_id(id)
                && *given < MOST_LEARNED
                && let Ok(id) = str::from_utf8(id)
            {
                *given += 1;
                learn(id);
            }
        };
        lexer.feed(piece, |read| match read {
            Read::Value(KeyRole::Reference(_) | KeyRole::Holder(_), id) => give(id),
            Read::Value(..) => {}
            Read::Object(frame) => {
                let is_kept = match (frame.kind, frame.below) {
                    (ObjectType::Response, _) => *kept,
                    (ObjectType::Kept, _) | (_, KeyRole::Holder(_)) => true,
                    (ObjectType::Other, KeyRole::Items) => *kept,
                    _ => false,
                };
                if is_kept && let Some(id) = frame.id.take() {
                    give(&id);
                }
            }
        });
    }
}
