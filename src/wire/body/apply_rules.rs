//! Carries field rules out on a JSON text: one pass over it, one copy, and no byte changed that no rule names.
//!
//! Each object on the way is read once for the keys that rules name; the rules are then played through, in their order,
//! on what stands under those keys, and only the result is written. Rules below a key travel with what stands there,
//! so that a renamed object takes its rules along. Where a key comes twice no reader is favoured: renamed or set, the
//! last one stays; dropped, none does; capped or walked into, each is. Invariant: JSON in, JSON out, and what is
//! kept in memory besides the result grows with the rules and the members they name, never with the depth of the text.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::members::{Broken, Member, Members};
use super::rules::FieldRules;
use super::value::{behind_space, is_space};

/// One rule, at the object where the rest of its path begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'r> {
    path: &'r [String],
    change: Change<'r>,
}

#[derive(Clone, Copy, Debug)]
enum Change<'r> {
    Rename(&'r str),
    Drop,
    /// The JSON text of the new value.
    Set(&'r str),
    Max(f64),
}

/// The steps of these rules, in the order in which they count, behind one that sets `first` where that is given.
pub(super) fn steps<'r>(first: Option<(&'r [String], &'r str)>, rules: &'r FieldRules) -> Vec<Step<'r>> {
    let step = |path: &'r [String], change| Step { path, change };
    let first = first.map(|(path, value)| step(path, Change::Set(value)));
    let rename = rules.rename.iter().map(|(path, key)| step(path, Change::Rename(key)));
    let drop = rules.drop.iter().map(|path| step(path, Change::Drop));
    let set = rules.set.iter().map(|(path, value)| step(path, Change::Set(value)));
    let max = rules.max.iter().map(|(path, most)| step(path, Change::Max(*most)));
    first.into_iter().chain(rename).chain(drop).chain(set).chain(max).collect()
}

/// The text after these steps; `None` when none of them changed anything, or it is no JSON object.
pub(super) fn rewritten(text: &[u8], steps: &[Step<'_>]) -> Option<Bytes> {
    match spliced(text, steps) {
        Ok(Cow::Owned(after)) => Some(Bytes::from(after)),
        Ok(Cow::Borrowed(_)) | Err(Broken) => None,
    }
}

fn spliced<'t>(text: &'t [u8], steps: &[Step<'_>]) -> Result<Cow<'t, [u8]>, Broken> {
    let mut splice = Splice { text, copied: 0, out: Vec::new() };
    rewrite_object(&mut splice, 0, steps)?;
    Ok(splice.finish())
}

/// A text that is copied up to a place, with the replacements that were made.
struct Splice<'t> {
    text: &'t [u8],
    copied: usize,
    out: Vec<u8>,
}

impl<'t> Splice<'t> {
    /// Ranges come in ascending order and do not overlap.
    fn replace(&mut self, range: Range<usize>, by: &[u8]) -> Result<(), Broken> {
        if self.text.get(range.clone()).ok_or(Broken)? == by {
            return Ok(());
        }
        if self.out.is_empty() {
            self.out.reserve(self.text.len() + by.len());
        }
        self.out.extend_from_slice(self.text.get(self.copied..range.start).ok_or(Broken)?);
        self.out.extend_from_slice(by);
        self.copied = range.end;
        Ok(())
    }

    fn finish(mut self) -> Cow<'t, [u8]> {
        if self.copied == 0 && self.out.is_empty() {
            return Cow::Borrowed(self.text);
        }
        self.out.extend_from_slice(self.text.get(self.copied..).unwrap_or_default());
        Cow::Owned(self.out)
    }
}

/// A key that some rule names, in one object.
struct Slot<'r> {
    key: &'r str,
    /// The last of the members that had this key in the text.
    last: Option<usize>,
    /// What stands under this key after the steps so far.
    stands: Option<Content<'r>>,
}

struct Content<'r> {
    /// The slot whose members it was read from, and whose last place it takes; `None`: it is appended.
    origin: Option<usize>,
    /// Of several members only the last stays.
    alone: bool,
    /// The JSON text that was set; `None`: as it stands in the body.
    text: Option<&'r str>,
    /// Steps that go on below it.
    below: Vec<Step<'r>>,
    max: f64,
}

impl<'r> Content<'r> {
    fn found(origin: usize) -> Content<'r> {
        Content { origin: Some(origin), alone: false, text: None, below: Vec::new(), max: f64::INFINITY }
    }

    fn set(origin: Option<usize>, text: &'r str) -> Content<'r> {
        Content { origin, alone: true, text: Some(text), below: Vec::new(), max: f64::INFINITY }
    }
}

/// A member whose key some rule names.
struct Named {
    slot: usize,
    member: Member,
    /// Whether a member that no rule names stands before it.
    follows: bool,
}

fn rewrite_object(splice: &mut Splice<'_>, start: usize, steps: &[Step<'_>]) -> Result<(), Broken> {
    let mut slots = slots(steps);
    let mut members = Members::new(splice.text, start)?;
    let mut named: Vec<Named> = Vec::new();
    let mut others = false;
    while let Some(member) = members.next()? {
        match member.spelled(splice.text).and_then(|key| slots.iter().position(|slot| slot.key.as_bytes() == &*key)) {
            Some(slot) => {
                slots[slot].last = Some(named.len());
                slots[slot].stands.get_or_insert_with(|| Content::found(slot));
                named.push(Named { slot, member, follows: others });
            }
            None => others = true,
        }
    }
    let end = members.at();
    let appended = play(&mut slots, steps);
    let mut kept = false;
    for (index, Named { slot, member, follows }) in named.into_iter().enumerate() {
        let holds = |other: &&Slot<'_>| other.stands.as_ref().is_some_and(|content| content.origin == Some(slot));
        let holder = slots.iter().find(holds);
        let stays = holder.and_then(|holder| Some((holder.key, holder.stands.as_ref()?)));
        match stays.filter(|(_, content)| !content.alone || slots[slot].last == Some(index)) {
            Some((key, content)) => {
                if key != slots[slot].key {
                    splice.replace(member.key, &quoted(key))?;
                }
                rewrite_value(splice, member.value, content)?;
                kept = true;
            }
            None => splice.replace(with_comma(splice.text, &member, kept || follows), b"")?,
        }
    }
    let mut separated = !(kept || others);
    for slot in appended {
        let Some(Slot { key, stands: Some(content), .. }) = slots.get(slot) else { continue };
        let mut member = if separated { Vec::new() } else { vec![b','] };
        member.extend_from_slice(&quoted(key));
        member.push(b':');
        member.extend_from_slice(&written(content)?);
        splice.replace(end..end, &member)?;
        separated = false;
    }
    Ok(())
}

/// The keys that rules name here, each once.
fn slots<'r>(steps: &[Step<'r>]) -> Vec<Slot<'r>> {
    let mut slots: Vec<Slot<'r>> = Vec::with_capacity(steps.len());
    for step in steps {
        let renamed = match (step.path, step.change) {
            ([_], Change::Rename(key)) => Some(key),
            _ => None,
        };
        for key in step.path.first().map(String::as_str).into_iter().chain(renamed) {
            if slots.iter().all(|slot| slot.key != key) {
                slots.push(Slot { key, last: None, stands: None });
            }
        }
    }
    slots
}

/// Plays the steps through. The slots that are new in the object, in the order in which they were made.
fn play<'r>(slots: &mut [Slot<'r>], steps: &[Step<'r>]) -> Vec<usize> {
    let mut appended = Vec::new();
    let place = |slots: &[Slot<'r>], key: &str| slots.iter().position(|slot| slot.key == key);
    for step in steps {
        let Some((key, rest)) = step.path.split_first() else { continue };
        let Some(at) = place(slots, key) else { continue };
        match (step.change, &mut slots[at].stands) {
            (change, Some(content)) if !rest.is_empty() => content.below.push(Step { path: rest, change }),
            (Change::Rename(new), Some(_)) => {
                let Some(to) = place(slots, new).filter(|to| *to != at) else { continue };
                let content = slots[at].stands.take();
                if slots[to].stands.is_none() {
                    slots[to].stands = content.map(|content| Content { alone: true, ..content });
                }
            }
            (Change::Drop, stands @ Some(_)) => *stands = None,
            (Change::Set(text), Some(content)) => *content = Content::set(content.origin, text),
            (Change::Set(text), stands @ None) => {
                *stands = Some(match rest {
                    [] => Content::set(None, text),
                    _ => Content { below: vec![Step { path: rest, change: step.change }], ..Content::set(None, "{}") },
                });
                appended.push(at);
            }
            (Change::Max(most), Some(content)) => content.max = content.max.min(most),
            (_, None) => {}
        }
    }
    appended
}

fn rewrite_value(splice: &mut Splice<'_>, value: Range<usize>, content: &Content<'_>) -> Result<(), Broken> {
    if content.text.is_some() {
        return splice.replace(value, &written(content)?);
    }
    let text = splice.text.get(value.clone()).ok_or(Broken)?;
    match text.first() {
        Some(b'{') if !content.below.is_empty() => rewrite_object(splice, value.start, &content.below),
        _ => match capped(text, content.max) {
            Some(most) => splice.replace(value, most.as_bytes()),
            None => Ok(()),
        },
    }
}

/// A value that was set, after the steps that came behind.
fn written<'r>(content: &Content<'r>) -> Result<Cow<'r, [u8]>, Broken> {
    let text = content.text.unwrap_or("null").as_bytes();
    if text.starts_with(b"{") && !content.below.is_empty() {
        return spliced(text, &content.below);
    }
    Ok(capped(text, content.max).map_or(Cow::Borrowed(text), |most| Cow::Owned(most.into_bytes())))
}

/// The largest number allowed, where the value is a number and larger.
fn capped(value: &[u8], most: f64) -> Option<String> {
    if !matches!(value.first(), Some(b'-' | b'0'..=b'9')) || most == f64::INFINITY {
        return None;
    }
    let number: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    // Rust writes whole numbers without a point and none with an exponent.
    (number > most).then(|| most.to_string())
}

/// What goes with a member: the comma before it where something stays before it, else the comma behind it.
fn with_comma(text: &[u8], member: &Member, preceded: bool) -> Range<usize> {
    let (start, end) = (member.key.start, member.value.end);
    if preceded {
        let before_space = |end: usize| {
            text.get(..end).and_then(|text| text.iter().rposition(|byte| !is_space(*byte))).map_or(0, |last| last + 1)
        };
        // Behind the value before it there is one comma.
        return before_space(before_space(start).saturating_sub(1))..end;
    }
    let comma = behind_space(text, end);
    if text.get(comma) == Some(&b',') { start..behind_space(text, comma + 1) } else { start..end }
}

fn quoted(key: &str) -> Vec<u8> {
    // Writing text as JSON into memory has no way to fail.
    serde_json::to_vec(key).unwrap_or_default()
}
