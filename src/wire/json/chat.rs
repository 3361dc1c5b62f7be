//! What the JSON of chat completions and completions says: a chunk of a stream and a whole answer alike.
//!
//! Owns where output lies (any member of a delta or message besides its role), which choices have ended, and how
//! these dialects say that they failed, in the variants that providers have of it. [`adds_nothing`] tells without
//! parsing that a chunk cannot change what is known; it may miss some such chunks, never claim one too many.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::de::MapAccess;

use super::raw::{behind_colon, is_nothing, is_text, plain_text};
use super::said::{Choices, Said};
use super::walk::{self, Member, Object};
use crate::wire::finish::Finish;
use crate::wire::usage::Counts;

/// A chunk or a whole answer, and whether it counts tokens for no choice in particular.
pub(in super::super) fn read(json: &[u8]) -> serde_json::Result<(Said<'_>, bool)> {
    let mut top = Top::default();
    walk::read(json, &mut top)?;
    let mut said = top.said;
    if top.is_error && said.error.is_none() {
        said.error = Some(json);
    }
    said.foreign = top.choices.is_none() && !top.native && said.error.is_none();
    let only_usage = top.choices == Some(0) && said.counts.usage().is_some();
    Ok((said, only_usage))
}

#[derive(Default)]
struct Top<'a> {
    said: Said<'a>,
    /// How many choices it lists.
    choices: Option<usize>,
    /// `"object": "error"`.
    is_error: bool,
    /// It has a member of this dialect's besides choices.
    native: bool,
}

impl<'a> Object<'a> for Top<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"choices" => {
                let mut listed = 0;
                self.said.shaped = value.list(|choice: Choice<'a>| {
                    listed += 1;
                    self.said.choices.note(choice.index, choice.ended);
                    self.said.output |= choice.output;
                    self.said.finish = self.said.finish.max(choice.finish);
                    self.said.error = self.said.error.or(choice.error).or(choice.failed);
                })?;
                self.choices = Some(listed);
            }
            b"usage" => {
                self.native = true;
                value.object(&mut self.said.counts)?;
            }
            b"error" => {
                self.native = true;
                note_error(value.raw()?, &mut self.said.error);
            }
            b"object" => self.is_error = is_text(value.raw()?, "error"),
            // Groq's own, with an error when it stopped early.
            b"x_groq" => {
                self.native = true;
                let mut own = Groq(&mut self.said);
                value.object(&mut own)?;
            }
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// An empty error is none: so SDKs have it.
pub(in super::super) fn note_error<'a>(raw: &'a str, error: &mut Option<&'a [u8]>) {
    if !is_nothing(raw) {
        *error = Some(raw.as_bytes());
    }
}

struct Groq<'s, 'a>(&'s mut Said<'a>);

impl<'a> Object<'a> for Groq<'_, 'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"usage" => value.object(&mut self.0.counts),
            b"error" => {
                note_error(value.raw()?, &mut self.0.error);
                Ok(())
            }
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Choice<'a> {
    index: u32,
    ended: bool,
    output: bool,
    error: Option<&'a [u8]>,
    finish: Option<Finish>,
    /// The reason for its end that says that the provider failed.
    failed: Option<&'a [u8]>,
}

impl<'a> Object<'a> for Choice<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"index" => self.index = value.raw()?.parse().unwrap_or(0),
            b"finish_reason" => self.finish_for(value.raw()?),
            // OpenRouter's: the reason as its own provider gave it.
            b"native_finish_reason" => {
                let raw = value.raw()?;
                if plain_text(raw).is_some_and(Finish::is_native_failure) {
                    self.fail(raw);
                }
            }
            b"delta" | b"message" => {
                let mut message = Message::default();
                value.object(&mut message)?;
                self.output |= message.output;
                if message.refusal {
                    self.finish = self.finish.max(Some(Finish::Filtered));
                }
            }
            b"text" => self.output |= !is_nothing(value.raw()?),
            b"error" => note_error(value.raw()?, &mut self.error),
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl<'a> Choice<'a> {
    fn finish_for(&mut self, raw: &'a str) {
        self.ended = !is_nothing(raw);
        if self.ended {
            let finish = plain_text(raw).map_or(Finish::Other, Finish::of);
            self.finish = self.finish.max(Some(finish));
            if finish == Finish::Error {
                self.fail(raw);
            }
        }
    }

    fn fail(&mut self, reason: &'a str) {
        self.ended = true;
        self.finish = Some(Finish::Error);
        self.failed.get_or_insert(reason.as_bytes());
    }
}

/// A delta or message.
#[derive(Default)]
struct Message {
    /// It has anything besides its role.
    output: bool,
    /// It says that the model would not answer.
    refusal: bool,
}

impl<'a> Object<'a> for Message {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"role" | b"provider_specific_fields" => value.skip(),
            _ => {
                let filled = !is_nothing(value.raw()?);
                self.output |= filled;
                self.refusal |= filled && key == b"refusal";
                Ok(())
            }
        }
    }
}

/// The keys by which a chunk can matter once there was output.
struct Keys {
    escape: Finder<'static>,
    error: Finder<'static>,
    usage: Finder<'static>,
    /// The end of the key for a reason, its own and a router's.
    reason: Finder<'static>,
    index: Finder<'static>,
    choices: Finder<'static>,
    content: Finder<'static>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    escape: Finder::new(r"\u"),
    error: Finder::new(r#""error""#),
    usage: Finder::new(r#""usage""#),
    reason: Finder::new(r#"finish_reason""#),
    index: Finder::new(r#""index""#),
    choices: Finder::new(r#""choices""#),
    content: Finder::new(r#""content""#),
});

/// Whether a chunk, after output, cannot change what is known: it ends no choice, brings no new one, counts nothing and
/// is no error. Quotes within a text are escaped, so the bytes of a key in its quotes are found wherever the key is;
/// only a key that is itself written with `\u` could hide, and what has such an escape is not judged here.
pub(in super::super) fn adds_nothing(chunk: &[u8], known: Choices) -> bool {
    let keys = &*KEYS;
    let is_null = |value: &[u8]| value.starts_with(b"null");
    // A choice without an index is the first.
    known.has(0)
        && keys.reason.find_iter(chunk).all(|at| is_null(value_after(chunk, at + keys.reason.needle().len())))
        && keys.index.find_iter(chunk).all(|at| {
            let value = value_after(chunk, at + keys.index.needle().len());
            small_number(value).is_some_and(|index| known.has(index))
        })
        && keys.usage.find_iter(chunk).all(|at| is_null(value_after(chunk, at + keys.usage.needle().len())))
        && keys.error.find(chunk).is_none()
        && keys.escape.find(chunk).is_none()
}

/// How far from the end of an answer its usage is looked for at a glance.
const LONGEST_USAGE: usize = 1024;

/// What an answer says, where its bytes show without parsing all of them that it holds a text, and what it took; `None`
/// where they do not.
/// Only for one that is known to be whole. An error beside a text is a remark, so none is looked for.
pub(in super::super) fn glance(answer: &[u8]) -> Option<Said<'_>> {
    let keys = &*KEYS;
    if answer.first() != Some(&b'{') || answer.trim_ascii_end().last() != Some(&b'}') {
        return None;
    }
    let choices = keys.choices.find(answer)?;
    // They are its own, and not those of something within it.
    if memchr::memchr2(b'{', b'[', &answer[1..choices]).is_some() {
        return None;
    }
    let rest = &answer[choices..];
    let content = keys.content.find(rest)? + keys.content.needle().len();
    if !matches!(value_after(rest, content), [b'"', first, ..] if *first != b'"') {
        return None;
    }
    // One reason of one choice; where there are more, or a router's besides, all of it is read.
    let reason = keys.reason.find(answer)?;
    let behind = &answer[reason + keys.reason.needle().len()..];
    if answer[reason - 1] != b'"' || keys.reason.find(behind).is_some() {
        return None;
    }
    let finish = match behind_colon(behind).unwrap_or_default() {
        value if value.starts_with(b"\"stop\"") => Finish::Stop,
        value if value.starts_with(b"\"length\"") => Finish::Length,
        value if value.starts_with(b"\"tool_calls\"") => Finish::ToolCalls,
        _ => return None,
    };
    let mut said = Said { output: true, finish: Some(finish), ..Said::default() };
    let tail = &answer[answer.len().saturating_sub(LONGEST_USAGE)..];
    let at = keys.usage.find(tail)? + keys.usage.needle().len();
    let value = value_after(tail, at);
    match Counts::of_plain(value) {
        Some(counts) => said.counts = counts,
        None => walk::read_first(value, &mut said.counts).ok()?,
    }
    keys.usage.find(&tail[at..]).is_none().then_some(said)
}

/// What follows a key: the value behind its colon.
fn value_after(json: &[u8], at: usize) -> &[u8] {
    behind_colon(&json[at..]).unwrap_or_default()
}

fn small_number(value: &[u8]) -> Option<u32> {
    match *value {
        [digit @ b'0'..=b'9', b',' | b'}' | b' ', ..] => Some(u32::from(digit - b'0')),
        _ => None,
    }
}
