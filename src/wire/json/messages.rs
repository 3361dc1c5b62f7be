//! What the JSON of Anthropic's messages says: an event of a stream, and a whole message.
//!
//! Owns which events only prepare (the start of the message, of a text or of thinking, pings), which carry output, and
//! that nothing but `message_stop` ends the answer. A block that is neither text nor thinking (the use of a tool) is
//! output by being there.

use serde::de::MapAccess;

use super::chat::note_error;
use super::objects::Part;
use super::raw::{is_nothing, plain_text};
use super::said::Said;
use super::walk::{self, Member, Object};
use crate::wire::finish::Finish;

/// An event; `name` is the type of one that does not say its own.
pub(in super::super) fn event<'a>(json: &'a [u8], name: &str) -> serde_json::Result<Said<'a>> {
    let mut top = Top::default();
    walk::read(json, &mut top)?;
    let mut said = top.said;
    said.foreign = top.kind.is_none() && name.is_empty() && said.error.is_none();
    // What is named an error is one, of whatever type.
    match top.kind.filter(|_| name != "error").unwrap_or(name) {
        "message_start" => said.output = top.message,
        "content_block_start" => said.output = top.block.is_output(),
        "content_block_delta" => said.output = true,
        "message_stop" => said.terminal = true,
        "error" => said.error = said.error.or(Some(json)),
        _ => {}
    }
    Ok(said)
}

/// A whole message.
pub(in super::super) fn answer(json: &[u8]) -> serde_json::Result<Said<'_>> {
    let mut top = Top::default();
    walk::read(json, &mut top)?;
    let mut said = top.said;
    said.output = top.content;
    said.foreign = top.kind.is_none() && !top.listed && said.error.is_none();
    // Without its type it is read all the same, if there is something to read.
    said.shaped &= top.kind == Some("message") || (top.kind.is_none() && said.output);
    if top.kind == Some("error") {
        said.error = said.error.or(Some(json));
    }
    Ok(said)
}

/// Whether the event of this type, after output, cannot change what is known.
pub(in super::super) fn adds_nothing(kind: &str) -> bool {
    matches!(kind, "content_block_delta" | "content_block_start" | "content_block_stop" | "ping")
}

/// An event or a message: their members differ in name.
#[derive(Default)]
struct Top<'a> {
    said: Said<'a>,
    kind: Option<&'a str>,
    /// Whether its own content holds output, and that of the message in it.
    content: bool,
    message: bool,
    /// Whether it has a content at all.
    listed: bool,
    block: Part<'a>,
}

impl<'a> Object<'a> for Top<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"type" => self.kind = plain_text(value.raw()?),
            b"content" => {
                self.listed = true;
                self.said.shaped = value.list(|block: Part<'a>| self.content |= block.is_output())?;
            }
            b"usage" => value.object(&mut self.said.counts)?,
            b"message" => {
                let mut message = Started::default();
                value.object(&mut message)?;
                self.message = message.content;
                self.said.counts.add(message.counts);
            }
            b"content_block" => value.object(&mut self.block)?,
            b"error" => note_error(value.raw()?, &mut self.said.error),
            b"stop_reason" => note_stop(value.raw()?, &mut self.said),
            b"delta" => {
                let mut delta = Delta(&mut self.said);
                value.object(&mut delta)?;
            }
            _ => value.skip()?,
        }
        Ok(())
    }
}

fn note_stop<'a>(raw: &'a str, said: &mut Said<'a>) {
    if !is_nothing(raw) {
        let finish = plain_text(raw).map_or(Finish::Other, Finish::of);
        said.finish = said.finish.max(Some(finish));
        if finish == Finish::Error && said.error.is_none() {
            said.error = Some(raw.as_bytes());
        }
    }
}

/// What has changed of the message, of which its end matters.
struct Delta<'s, 'a>(&'s mut Said<'a>);

impl<'a> Object<'a> for Delta<'_, 'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"stop_reason" => note_stop(value.raw()?, self.0),
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// The message that has started.
#[derive(Default)]
struct Started {
    counts: crate::wire::usage::Counts,
    content: bool,
}

impl<'a> Object<'a> for Started {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"content" => value.list(|block: Part<'a>| self.content |= block.is_output()).map(drop),
            b"usage" => value.object(&mut self.counts),
            _ => value.skip(),
        }
    }
}
