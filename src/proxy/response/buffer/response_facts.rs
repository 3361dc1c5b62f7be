//! What is known of an answer while it is buffered, and why buffering ended.
//!
//! What a generated answer is, its first bytes say and not its content type. Owns the values that the buffering and its
//! conclusion share; decides nothing.

use super::hold::HoldUntil;
use crate::decide::outcome::BodyEnd;
use crate::proxy::response::declared::DeclaredKind;

/// By what it is known what an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Not yet: by its first byte, or by an observer if that is no brace.
    Unseen,
    /// It is one JSON object.
    Object,
    /// By its content type.
    Label(HoldUntil),
}

/// What is known of an answer while it is buffered.
#[derive(Debug)]
pub(super) struct ResponseFacts {
    pub(super) form: Form,
    /// By its content type.
    pub(super) kind: DeclaredKind,
    pub(super) announced: u64,
    /// Whether its bytes are not encoded.
    pub(super) plain: bool,
}

/// Why buffering ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BufferingEnd {
    /// Enough was seen, or more than may be held.
    Enough,
    /// The answer ended.
    End(BodyEnd),
}
