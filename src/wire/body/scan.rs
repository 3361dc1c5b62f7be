//! The walk over a JSON body that finds the wanted fields.
//!
//! One pass, no values built: what is not wanted is skipped by a loop that keeps no stack of calls, however deep it
//! nests, and what is wanted is kept as a slice of the body. Keys are compared decoded, so an escaped key is the key
//! that it spells, and as bytes, so a key that is no valid text hides nothing. An object on the way to a wanted field is
//! read again from its slice; the depth of that is the depth of the policy's paths, never that of the body.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::wanted::{Field, ROOT, Wanted};

/// What a walk has found so far.
pub(super) struct Scan<'w, 'a> {
    pub(super) wanted: &'w Wanted,
    pub(super) found: Vec<(Field, &'a str)>,
    /// The field that ended the walk by coming twice.
    pub(super) duplicate: Option<Field>,
}

impl<'w, 'a> Scan<'w, 'a> {
    pub(super) fn new(wanted: &'w Wanted) -> Scan<'w, 'a> {
        Scan { wanted, found: Vec::with_capacity(8), duplicate: None }
    }

    /// Walks a whole body, which must be one JSON object.
    pub(super) fn body(&mut self, body: &'a [u8]) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_slice(body);
        json.deserialize_map(Object { scan: self, at: ROOT })?;
        json.end()
    }

    /// Notes a field, and walks into it where more is wanted below; false when it must not come twice and did.
    fn note(&mut self, field: Field, raw: &'a str) -> serde_json::Result<bool> {
        match self.found.iter_mut().find(|(known, _)| *known == field) {
            Some(_) if self.wanted.is_unique(field) => {
                self.duplicate = Some(field);
                return Ok(false);
            }
            // The last one counts, as it does for nearly every reader.
            Some((_, known)) => *known = raw,
            None => self.found.push((field, raw)),
        }
        if self.wanted.has_children(field) && raw.starts_with('{') {
            serde_json::Deserializer::from_str(raw).deserialize_map(Object { scan: self, at: field })?;
        }
        Ok(true)
    }
}

struct Object<'s, 'w, 'a> {
    scan: &'s mut Scan<'w, 'a>,
    at: Field,
}

impl<'a> Visitor<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut object: M) -> Result<(), M::Error> {
        while let Some(key) = object.next_key_seed(Key { wanted: self.scan.wanted, of: self.at })? {
            match key {
                None => {
                    object.next_value::<IgnoredAny>()?;
                }
                Some(field) => {
                    let raw = object.next_value::<&'a RawValue>()?.get();
                    if !self.scan.note(field, raw).map_err(M::Error::custom)? {
                        return Err(M::Error::custom("duplicate key"));
                    }
                }
            }
        }
        Ok(())
    }
}

struct Key<'w> {
    wanted: &'w Wanted,
    of: Field,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Option<Field>, D::Error> {
        key.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Option<Field>, E> {
        Ok(self.wanted.child(self.of, key))
    }
}
