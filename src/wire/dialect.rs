//! Which language a request and its answer speak, by the path below the mount.
//!
//! Owns the list of dialects and what is asked of each: whether its answers are generated (so that they can be empty,
//! and carry usage), and whose error shape its clients parse. What the bytes say is read by the readers beside it.
//! Anything unknown is [`Dialect::Plain`], of which nothing is assumed.

use super::path;

/// The language of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    ChatCompletions,
    /// `completions`: the same with `text` instead of a message.
    Completions,
    Responses,
    /// `messages`, Anthropic's.
    Messages,
    Embeddings,
    /// Everything else.
    Plain,
}

#[cfg(test)]
impl Dialect {
    /// Those whose answers are generated come first.
    pub(crate) const ALL: [Dialect; 6] = [
        Dialect::ChatCompletions,
        Dialect::Completions,
        Dialect::Responses,
        Dialect::Messages,
        Dialect::Embeddings,
        Dialect::Plain,
    ];
}

/// What has to end a stream of chat completions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DoneMarker {
    /// `[DONE]`, or a finish reason and an end.
    #[default]
    Optional,
    /// `[DONE]`: without it the answer is cut.
    Required,
}

impl Dialect {
    /// By a path below the mount, with its leading slash.
    #[must_use]
    pub fn of(path: &str) -> Dialect {
        Dialect::spelled(path)
            .or_else(|| path::respelled(path).and_then(|plain| Dialect::spelled(&plain)))
            .unwrap_or(Dialect::Plain)
    }

    fn spelled(path: &str) -> Option<Dialect> {
        match path {
            "/chat/completions" => Some(Dialect::ChatCompletions),
            "/completions" => Some(Dialect::Completions),
            "/responses" => Some(Dialect::Responses),
            "/messages" => Some(Dialect::Messages),
            "/embeddings" => Some(Dialect::Embeddings),
            _ => None,
        }
    }

    /// Whether answers are generated: they may be streamed, and may turn out empty.
    #[must_use]
    pub const fn generates(self) -> bool {
        !matches!(self, Dialect::Embeddings | Dialect::Plain)
    }
}
