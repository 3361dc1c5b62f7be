//! The walk through a JSON text: an [`Object`] is told its members one by one.
//!
//! Each takes from a member what it needs, and the rest is skipped. A value of another kind than expected says nothing;
//! what is no JSON is an error. Knows no dialect. Invariant: the depth of calls is that of the shapes asked for, never
//! that of the input.

use std::borrow::Cow;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Something that takes what it needs from the members of a JSON object.
pub(in crate::wire) trait Object<'a> {
    /// Takes one member; its value must be taken exactly once.
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error>;
}

/// The value of one member.
pub(in crate::wire) struct Member<'m, M>(&'m mut M);

impl<M> Member<'_, M> {
    pub(in crate::wire) fn skip<'a>(self) -> Result<(), M::Error>
    where
        M: MapAccess<'a>,
    {
        self.0.next_value::<IgnoredAny>().map(drop)
    }

    /// Its JSON text.
    pub(in crate::wire) fn raw<'a>(self) -> Result<&'a str, M::Error>
    where
        M: MapAccess<'a>,
    {
        Ok(self.0.next_value::<&'a RawValue>()?.get())
    }

    /// Walks on into it, if it is an object.
    pub(in crate::wire) fn object<'a>(self, object: &mut impl Object<'a>) -> Result<(), M::Error>
    where
        M: MapAccess<'a>,
    {
        self.0.next_value_seed(Walk(object))
    }

    /// Walks through it, if it is a list, and says whether it is: every element that is an object is told when it has
    /// been walked, and every other as an object without members.
    pub(in crate::wire) fn list<'a, O: Object<'a> + Default>(self, each: impl FnMut(O)) -> Result<bool, M::Error>
    where
        M: MapAccess<'a>,
    {
        self.0.next_value_seed(List { each, element: std::marker::PhantomData })
    }
}

/// Walks a whole JSON text, which must hold nothing besides.
pub(in crate::wire) fn read<'a>(json: &'a [u8], object: &mut impl Object<'a>) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    Walk(object).deserialize(&mut reader)?;
    reader.end()
}

/// Walks the JSON value that a text begins with, whatever follows it.
pub(in crate::wire) fn read_first<'a>(json: &'a [u8], object: &mut impl Object<'a>) -> serde_json::Result<()> {
    Walk(object).deserialize(&mut serde_json::Deserializer::from_slice(json))
}

/// Walks a whole list, or what stands alone where a list may stand.
pub(in crate::wire) fn read_list<'a, O: Object<'a> + Default>(
    json: &'a [u8],
    each: impl FnMut(O),
) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    List { each, element: std::marker::PhantomData }.deserialize(&mut reader)?;
    reader.end()
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
