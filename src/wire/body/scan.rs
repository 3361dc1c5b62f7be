//! The walk over a JSON body that finds the wanted fields.
//!
//! One pass, no values built: what is not wanted is skipped by a loop that keeps no stack of calls, however deep it
//! nests, and what is wanted is kept as a slice of the body. Keys are compared decoded, so an escaped key is the key
//! that it spells, and as bytes, so a key that is no valid text hides nothing. An object on the way to a wanted field
//! is read again from its place; the depth of that is the depth of the policy's paths, never that of the body.

use std::str;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};

use super::members::{Broken, Members};
use super::wanted::{Field, ROOT, Wanted};

/// What ended a walk early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A field that must not come twice and did.
    Twice(Field),
    Broken,
}

impl From<Broken> for Stop {
    fn from(Broken: Broken) -> Stop {
        Stop::Broken
    }
}

/// The wanted fields of a whole body, which must be one JSON object.
pub(super) fn found<'a>(body: &'a [u8], wanted: &Wanted) -> Result<Vec<(Field, &'a str)>, Stop> {
    let mut scan = Scan { wanted, body, found: Vec::with_capacity(8) };
    let members = scan.object(0, ROOT)?;
    if members.ends_text() { Ok(scan.found) } else { Err(Stop::Broken) }
}

/// What a full parser says about a body that is no JSON object.
pub(super) fn why_broken(body: &[u8]) -> serde_json::Error {
    let mut reader = serde_json::Deserializer::from_slice(body);
    match reader.deserialize_map(AnObject).and_then(|()| reader.end()) {
        Err(error) => error,
        Ok(()) => serde_json::Error::custom("it cannot be followed"),
    }
}

struct AnObject;

impl<'a> Visitor<'a> for AnObject {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut object: M) -> Result<(), M::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct Scan<'w, 'a> {
    wanted: &'w Wanted,
    body: &'a [u8],
    found: Vec<(Field, &'a str)>,
}

impl<'a> Scan<'_, 'a> {
    /// Walks the object that begins at `start`, to its end.
    fn object(&mut self, start: usize, at: Field) -> Result<Members<'a>, Stop> {
        let mut members = Members::new(self.body, start)?;
        while let Some(member) = members.next()? {
            let key = member.spelled(self.body);
            if let Some(field) = key.and_then(|key| self.wanted.child(at, &key)) {
                let raw = self.body.get(member.value.clone()).and_then(|raw| str::from_utf8(raw).ok());
                let raw = raw.ok_or(Stop::Broken)?;
                self.note(field, raw)?;
                if self.wanted.has_children(field) && raw.starts_with('{') {
                    self.object(member.value.start, field)?;
                }
            }
        }
        Ok(members)
    }

    fn note(&mut self, field: Field, raw: &'a str) -> Result<(), Stop> {
        match self.found.iter_mut().find(|(known, _)| *known == field) {
            Some(_) if self.wanted.is_unique(field) => return Err(Stop::Twice(field)),
            // The last one counts, as it does for nearly every reader.
            Some((_, known)) => *known = raw,
            None => self.found.push((field, raw)),
        }
        Ok(())
    }
}
