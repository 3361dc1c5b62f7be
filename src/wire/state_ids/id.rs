//! What an id stands for, and what can be one.
//!
//! Owns the order in which ids decide. Reads nothing. Invariant: what no provider would give out as an id is none, so
//! that a text that stands in the place of one is not looked up.

/// What an id stands for, the more specific first: where a request names several, the first decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IdKind {
    /// An earlier answer.
    Response,
    /// What answers are appended to.
    Conversation,
    /// The same of the Assistants API.
    Thread,
    /// One item of an earlier answer.
    Item,
    /// Where code ran.
    Container,
    Assistant,
    VectorStore,
    File,
}

impl IdKind {
    /// Whether a request goes on from it, so that whoever answers must have it.
    pub(super) const fn goes_on(self) -> bool {
        matches!(self, IdKind::Response | IdKind::Conversation | IdKind::Thread)
    }
}

/// The longest id; some gateways put a whole routing table into theirs.
pub(super) const LONGEST: usize = 512;

/// Whether this can be an id: something short in visible characters.
pub(super) fn is_id(text: &[u8]) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}
