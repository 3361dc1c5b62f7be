//! Walking JSON from outside in one pass, building no values.
//!
//! Owns the walk: an [`Object`] is told its members one by one and takes from each what it needs; the rest is skipped.
//! It is lenient where providers differ (a value of another kind than expected says nothing, keys are compared decoded
//! and as bytes) and strict where JSON is (what is no JSON is an error). The modules below say what the answers and
//! events of each dialect mean. Invariant: the depth of calls is that of the shapes asked for, never that of the input.

pub(super) mod chat;
pub(super) mod messages;
pub(super) mod responses;

use std::borrow::Cow;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::finish::Finish;
use super::usage::Counts;

/// What one event, or one whole answer, says.
#[derive(Default)]
pub(super) struct Said<'a> {
    /// It holds real output.
    pub(super) output: bool,
    /// It says that the provider failed: JSON for [`super::complaint::read_complaint`].
    pub(super) error: Option<&'a [u8]>,
    /// It has nothing by which the dialect is known: somebody else's language.
    pub(super) foreign: bool,
    /// It has what a whole answer of the dialect has.
    pub(super) shaped: bool,
    /// It is the end of its answer.
    pub(super) terminal: bool,
    /// Why it ended, where it says so.
    pub(super) finish: Option<Finish>,
    pub(super) counts: Counts,
    pub(super) choices: chat::Choices,
    pub(super) sequence: Option<u64>,
}

/// Something that takes what it needs from the members of a JSON object.
pub(super) trait Object<'a> {
    /// Takes one member; its value must be taken exactly once.
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error>;
}

/// The value of one member.
pub(super) struct Member<'m, M>(&'m mut M);

impl<M> Member<'_, M> {
    pub(super) fn skip<'a>(self) -> Result<(), M::Error>
    where
        M: MapAccess<'a>,
    {
        self.0.next_value::<IgnoredAny>().map(drop)
    }

    /// Its JSON text.
    pub(super) fn raw<'a>(self) -> Result<&'a str, M::Error>
    where
        M: MapAccess<'a>,
    {
        Ok(self.0.next_value::<&'a RawValue>()?.get())
    }

    /// Walks on into it, if it is an object.
    pub(super) fn object<'a>(self, object: &mut impl Object<'a>) -> Result<(), M::Error>
    where
        M: MapAccess<'a>,
    {
        self.0.next_value_seed(Walk(object))
    }

    /// Walks through it, if it is a list, and says whether it is: every element that is an object is told when it has
    /// been walked, and every other as an object without members.
    pub(super) fn list<'a, O: Object<'a> + Default>(self, each: impl FnMut(O)) -> Result<bool, M::Error>
    where
        M: MapAccess<'a>,
    {
        self.0.next_value_seed(List { each, element: std::marker::PhantomData })
    }
}

/// Walks a whole JSON text, which must hold nothing besides.
pub(super) fn read<'a>(json: &'a [u8], object: &mut impl Object<'a>) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    Walk(object).deserialize(&mut reader)?;
    reader.end()
}

/// Walks the JSON value that a text begins with, whatever follows it.
pub(super) fn read_first<'a>(json: &'a [u8], object: &mut impl Object<'a>) -> serde_json::Result<()> {
    Walk(object).deserialize(&mut serde_json::Deserializer::from_slice(json))
}

/// Walks a whole list, or what stands alone where a list may stand.
pub(super) fn read_list<'a, O: Object<'a> + Default>(json: &'a [u8], each: impl FnMut(O)) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    List { each, element: std::marker::PhantomData }.deserialize(&mut reader)?;
    reader.end()
}

/// What an object is that is no answer: whether it has any members, and whether it tells of a job.
#[derive(Default)]
pub(super) struct Strange {
    pub(super) members: bool,
    pub(super) job: bool,
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

/// Whether a value says nothing: null, false, or empty.
pub(super) fn is_nothing(raw: &str) -> bool {
    match raw {
        "null" | "\"\"" | "false" => true,
        _ => match raw.as_bytes() {
            [b'[' | b'{', inner @ .., _] => inner.trim_ascii().is_empty(),
            _ => false,
        },
    }
}

/// Whether a value is this text. Escapes are not undone: the texts asked for need none.
pub(super) fn is_text(raw: &str, text: &str) -> bool {
    raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) == Some(text)
}

/// A value's text where that needs no decoding.
pub(super) fn plain_text(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
}

/// The text of a top-level key that stands first in an object, where it needs no decoding.
pub(super) fn first_text<'a>(json: &'a [u8], key: &str) -> Option<&'a str> {
    let rest = json.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    let rest = rest.strip_prefix(key.as_bytes())?.strip_prefix(b"\"")?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let end = memchr::memchr(b'"', rest.get(1..)?)?;
    plain_text(str::from_utf8(&rest[..end + 2]).ok()?)
}

/// What follows the first such key, wherever it stands, found by its bytes. Quotes within a text are escaped, so what
/// stands in quotes before a colon is a key.
pub(super) fn value_of<'a>(json: &'a [u8], key: &str) -> Option<&'a [u8]> {
    memchr::memmem::find_iter(json, key).find_map(|at| {
        let quoted = at > 0 && json[at - 1] == b'"' && json.get(at + key.len()) == Some(&b'"');
        if quoted { behind_colon(&json[at + key.len() + 1..]) } else { None }
    })
}

/// The same as a number.
pub(super) fn number_of(json: &[u8], key: &str) -> Option<u64> {
    let value = value_of(json, key)?;
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

/// The value that begins behind a colon.
fn behind_colon(json: &[u8]) -> Option<&[u8]> {
    Some(json.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

/// One part of an item, or one block of a message.
#[derive(Default)]
pub(super) struct Part<'a> {
    kind: Option<&'a str>,
    filled: bool,
}

impl Part<'_> {
    /// Whether it says that the model would not answer.
    pub(super) fn is_refusal(&self) -> bool {
        self.filled && self.kind == Some("refusal")
    }

    /// Whether it is more than the announcement of a text.
    pub(super) fn is_output(&self) -> bool {
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

struct Walk<'o, O>(&'o mut O);

impl<'a, O: Object<'a>> DeserializeSeed<'a> for Walk<'_, O> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

/// Of a value of another kind than expected nothing is taken.
macro_rules! pass_over_scalars {
    ($value:ty, $nothing:expr) => {
        type Value = $value;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("any JSON")
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<$value, E> {
            Ok($nothing)
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<$value, E> {
            Ok($nothing)
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<$value, E> {
            Ok($nothing)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<$value, E> {
            Ok($nothing)
        }

        fn visit_str<E: Error>(self, _: &str) -> Result<$value, E> {
            Ok($nothing)
        }

        fn visit_unit<E: Error>(self) -> Result<$value, E> {
            Ok($nothing)
        }
    };
}

impl<'a, O: Object<'a>> Visitor<'a> for Walk<'_, O> {
    pass_over_scalars!((), ());

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(Key(key)) = members.next_key()? {
            self.0.member(&key, Member(&mut members))?;
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut elements: S) -> Result<(), S::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct List<F, O> {
    each: F,
    element: std::marker::PhantomData<O>,
}

impl<'a, F: FnMut(O), O: Object<'a> + Default> DeserializeSeed<'a> for List<F, O> {
    type Value = bool;

    fn deserialize<D: Deserializer<'a>>(self, value: D) -> Result<bool, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'a, F: FnMut(O), O: Object<'a> + Default> Visitor<'a> for List<F, O> {
    pass_over_scalars!(bool, false);

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<bool, M::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_seq<S: SeqAccess<'a>>(mut self, mut elements: S) -> Result<bool, S::Error> {
        loop {
            let mut element = O::default();
            if elements.next_element_seed(Walk(&mut element))?.is_none() {
                return Ok(true);
            }
            (self.each)(element);
        }
    }
}

/// A decoded key, as bytes: one that is no valid text must not hide the others.
struct Key<'a>(Cow<'a, [u8]>);

impl<'a> Deserialize<'a> for Key<'a> {
    fn deserialize<D: Deserializer<'a>>(key: D) -> Result<Key<'a>, D::Error> {
        struct Bytes;
        impl<'a> Visitor<'a> for Bytes {
            type Value = Key<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_bytes<E: Error>(self, key: &'a [u8]) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        key.deserialize_bytes(Bytes)
    }
}
