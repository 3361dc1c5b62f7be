//! Objects that have the same shape in several dialects.
//!
//! Owns what is taken from a part of an item or a block of a message, and from an object that is no answer. Knows no
//! dialect: the readers of each say where such objects lie. Invariant: the announcement of a text is no output.

use serde::de::MapAccess;

use super::raw::{is_nothing, plain_text};
use super::walk::{Member, Object};

/// One part of an item, or one block of a message.
#[derive(Default)]
pub(in crate::wire) struct Part<'a> {
    kind: Option<&'a str>,
    filled: bool,
}

impl Part<'_> {
    /// Whether it says that the model would not answer.
    pub(in crate::wire) fn is_refusal(&self) -> bool {
        self.filled && self.kind == Some("refusal")
    }

    /// Whether it is more than the announcement of a text.
    pub(in crate::wire) fn is_output(&self) -> bool {
        const TEXTS: [&str; 6] = ["text", "output_text", "refusal", "thinking", "reasoning_text", "summary_text"];
        self.filled || self.kind.is_some_and(|kind| !TEXTS.contains(&kind))
    }
}

impl<'a> Object<'a> for Part<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"type" => self.kind = plain_text(value.raw()?),
            b"text" | b"refusal" | b"thinking" | b"transcript" => self.filled |= !is_nothing(value.raw()?),
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// What an object is that is no answer: whether it has any members, and whether it tells of a job.
#[derive(Default)]
pub(in crate::wire) struct Strange {
    pub(in crate::wire) members: bool,
    pub(in crate::wire) job: bool,
}

impl<'a> Object<'a> for Strange {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        const UNDER_WAY: [&str; 9] = [
            "queued",
            "pending",
            "processing",
            "in_progress",
            "running",
            "accepted",
            "created",
            "scheduled",
            "starting",
        ];
        self.members = true;
        if !matches!(key, b"status" | b"state") {
            return value.skip();
        }
        let status = plain_text(value.raw()?).map(str::to_ascii_lowercase);
        self.job |= status.is_some_and(|status| UNDER_WAY.contains(&status.as_str()));
        Ok(())
    }
}
