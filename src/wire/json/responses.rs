//! What the JSON of responses says: an event of a stream, and a whole response.
//!
//! Owns which events only prepare (created, queued, in progress, the announcement of a message), which carry output,
//! and which end the answer. An item that is neither message nor reasoning (a call of a function or tool) is output by
//! being there. A response that is still queued or in progress is whole as it is: it was asked for in the background.

use serde::de::MapAccess;

use super::chat::note_error;
use super::objects::Part;
use super::raw::{is_nothing, is_text, plain_text};
use super::said::Said;
use super::walk::{self, Member, Object};
use crate::wire::finish::Finish;

/// The longest id or name that is kept.
const LONGEST_NAME: usize = 256;

/// How much an event matters, by its type alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Weight {
    /// It ends the answer well.
    Terminal,
    /// It says that the answer failed.
    Failure,
    /// It may carry output, and nothing else.
    Content,
    /// It prepares.
    Preamble,
}

/// The weight of the event of this type.
pub(in super::super) fn weight(kind: &str) -> Weight {
    match kind {
        "response.completed" | "response.incomplete" => Weight::Terminal,
        "response.failed" | "error" => Weight::Failure,
        _ if kind.ends_with(".delta") || kind.ends_with(".done") || kind.ends_with(".partial_image") => Weight::Content,
        "response.output_item.added" => Weight::Content,
        _ => Weight::Preamble,
    }
}

/// What the first event says of its response, for whoever has to speak of it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Opened {
    pub(in super::super) id: String,
    pub(in super::super) model: String,
    pub(in super::super) created_at: u64,
}

/// An event, and what it says of its response; `name` is the type of one that does not say its own.
pub(in super::super) fn event<'a>(json: &'a [u8], name: &str) -> serde_json::Result<(Said<'a>, Option<Opened>)> {
    let mut event = Event::default();
    walk::read(json, &mut event)?;
    let mut said = Said { sequence: event.sequence, error: event.error, ..Said::default() };
    // What is named an error is one, of whatever type.
    let kind = event.kind.filter(|_| name != "error").unwrap_or(name);
    said.foreign = kind.is_empty() && said.error.is_none();
    match weight(kind) {
        Weight::Terminal => {
            let response = &event.response;
            said.finish = response.finish().or(Some(Finish::of(kind.trim_start_matches("response."))));
            said.output = response.output;
            said.counts = response.said.counts;
            said.error = said.error.or(response.said.error);
            said.terminal = said.error.is_none();
        }
        Weight::Failure => said.error = said.error.or(event.response.said.error).or(Some(json)),
        Weight::Content => {
            said.output = match kind {
                "response.output_item.added" | "response.output_item.done" => event.item.is_output(),
                _ if kind.ends_with(".partial_image") => true,
                _ => event.content,
            };
            if event.refusal || event.item.refusal || kind.starts_with("response.refusal") && said.output {
                said.finish = Some(Finish::Filtered);
            }
        }
        Weight::Preamble => {}
    }
    let opened = if weight(kind) == Weight::Preamble { event.response.opened() } else { None };
    Ok((said, opened))
}

/// A whole response.
pub(in super::super) fn answer(json: &[u8]) -> serde_json::Result<Said<'_>> {
    let mut response = Response::default();
    walk::read(json, &mut response)?;
    let finish = response.finish();
    let mut said = response.said;
    said.finish = finish;
    let background = response.status.is_some_and(|status| matches!(status, "queued" | "in_progress"));
    said.output = response.output || background;
    said.foreign = !response.native && response.status.is_none();
    let states = ["completed", "incomplete", "queued", "in_progress"];
    let status = response.status.is_some_and(|status| states.contains(&status));
    // Without its type or its status it is read all the same, if there is something to read.
    said.shaped = (response.object && status) || (response.output && (status || response.status.is_none()));
    if matches!(response.status, Some("failed" | "cancelled")) && said.error.is_none() {
        said.error = Some(json);
    }
    Ok(said)
}

#[derive(Default)]
struct Event<'a> {
    kind: Option<&'a str>,
    /// Some text in a delta, or in what is done.
    content: bool,
    /// A part that says that the model would not answer.
    refusal: bool,
    item: Item<'a>,
    response: Response<'a>,
    error: Option<&'a [u8]>,
    sequence: Option<u64>,
}

impl<'a> Object<'a> for Event<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"type" => self.kind = plain_text(value.raw()?),
            b"sequence_number" => self.sequence = value.raw()?.parse().ok(),
            b"delta" | b"text" | b"refusal" | b"arguments" | b"input" | b"code" | b"transcript" => {
                self.content |= !is_nothing(value.raw()?);
            }
            b"part" => {
                let mut part = Part::default();
                value.object(&mut part)?;
                self.content |= part.is_output();
                self.refusal |= part.is_refusal();
            }
            b"item" => value.object(&mut self.item)?,
            b"response" => value.object(&mut self.response)?,
            b"error" => note_error(value.raw()?, &mut self.error),
            _ => value.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Response<'a> {
    said: Said<'a>,
    status: Option<&'a str>,
    /// Its type says that it is one.
    object: bool,
    output: bool,
    native: bool,
    refusal: bool,
    /// Why it is incomplete.
    reason: Option<&'a str>,
    id: Option<&'a str>,
    model: Option<&'a str>,
    created_at: u64,
}

impl Response<'_> {
    fn opened(&self) -> Option<Opened> {
        let bounded = |text: &str| text[..text.floor_char_boundary(LONGEST_NAME)].to_owned();
        let (id, model) = (self.id?, self.model.unwrap_or_default());
        Some(Opened { id: bounded(id), model: bounded(model), created_at: self.created_at })
    }

    /// Why it ended; `None` while it has not.
    fn finish(&self) -> Option<Finish> {
        let finish = match self.status? {
            "completed" => Finish::Stop,
            "incomplete" => self.reason.map_or(Finish::Other, Finish::of),
            "failed" | "cancelled" => Finish::Error,
            "queued" | "in_progress" => return None,
            _ => Finish::Other,
        };
        Some(if self.refusal { finish.max(Finish::Filtered) } else { finish })
    }
}

/// Why a response is incomplete.
#[derive(Default)]
struct Incomplete<'a>(Option<&'a str>);

impl<'a> Object<'a> for Incomplete<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"reason" => self.0 = plain_text(value.raw()?),
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl<'a> Object<'a> for Response<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"status" => self.status = plain_text(value.raw()?),
            b"object" => self.object = is_text(value.raw()?, "response"),
            b"output" => {
                self.native = true;
                value.list(|item: Item<'a>| {
                    self.output |= item.is_output();
                    self.refusal |= item.refusal;
                })?;
            }
            b"id" => self.id = plain_text(value.raw()?),
            b"model" => self.model = plain_text(value.raw()?),
            b"created_at" => self.created_at = value.raw()?.parse().unwrap_or_default(),
            b"incomplete_details" => {
                let mut details = Incomplete::default();
                value.object(&mut details)?;
                self.reason = details.0;
            }
            b"usage" => value.object(&mut self.said.counts)?,
            b"error" => {
                self.native = true;
                note_error(value.raw()?, &mut self.said.error);
            }
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// One item of an output.
#[derive(Default)]
struct Item<'a> {
    kind: Option<&'a str>,
    filled: bool,
    refusal: bool,
}

impl Item<'_> {
    fn is_output(&self) -> bool {
        self.filled || self.kind.is_some_and(|kind| !matches!(kind, "message" | "reasoning"))
    }
}

impl<'a> Object<'a> for Item<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"type" => self.kind = plain_text(value.raw()?),
            b"content" | b"summary" => {
                value.list(|part: Part<'a>| {
                    self.filled |= part.is_output();
                    self.refusal |= part.is_refusal();
                })?;
            }
            _ => value.skip()?,
        }
        Ok(())
    }
}
