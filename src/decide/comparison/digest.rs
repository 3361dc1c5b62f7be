//! What is compared of an answer: how it ended, what it is made of, how long it took. No text of it is kept.
//!
//! Made of the structure that [`wire::structure`](crate::wire::structure) reads, and of what the request asked for.
//! Invariant: two answers of the same structure have the same digest, whatever their words are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::request::Expected;
use super::schema;
use super::script::script_of;
use crate::wire::finish::Finish;
use crate::wire::structure::{Structure, ToolCall};
use crate::wire::usage::Usage;

/// A successful answer, as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Why it ended; `None`: it does not say.
    pub finish: Option<Finish>,
    /// Whether its text is JSON, where it has to be; `None`: it has not.
    pub json: Option<bool>,
    /// Whether it has the shape that was asked for.
    pub fits_schema: Option<bool>,
    /// The tools that it calls, by name, with the keys of their arguments.
    pub calls: BTreeMap<String, BTreeSet<String>>,
    /// The script of its text.
    pub script: Option<&'static str>,
    /// The length of its text in characters.
    pub length: usize,
}

/// How long an answer took from the moment at which its request was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerTimes {
    /// In milliseconds.
    pub first_output: u32,
    /// The same.
    pub total: u32,
}

/// An answer that was good, with what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodAnswer {
    pub digest: Digest,
    pub times: AnswerTimes,
    pub usage: Option<Usage>,
}

impl Digest {
    /// Of an answer that ended so.
    #[must_use]
    pub fn of(structure: &Structure, finish: Option<Finish>, expected: &Expected) -> Digest {
        let text = structure.text.trim();
        // Where a tool is called there need be no text.
        let must_be_json = expected.json && (!text.is_empty() || structure.calls.is_empty());
        let value: Option<Value> = if must_be_json { serde_json::from_str(text).ok() } else { None };
        let fits = |schema: &Value| value.as_ref().is_some_and(|value| schema::fits(schema, value));
        Digest {
            finish,
            json: must_be_json.then_some(value.is_some()),
            fits_schema: expected.schema.as_ref().filter(|_| must_be_json).map(fits),
            calls: structure.calls.iter().map(call).collect(),
            script: script_of(text),
            length: text.chars().count(),
        }
    }
}

fn call(ToolCall { name, arguments }: &ToolCall) -> (String, BTreeSet<String>) {
    let arguments: Option<serde_json::Map<String, Value>> = serde_json::from_str(arguments).ok();
    (name.clone(), arguments.into_iter().flatten().map(|(key, _)| key).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_has_no_word_of_the_answer() {
        let structure = Structure {
            text: " {\"city\": \"Paris\"} ".to_owned(),
            calls: vec![ToolCall { name: "f".into(), arguments: "{\"b\":1,\"a\":\"secret\"}".into() }],
        };
        let schema = Some(json!({"type": "object", "required": ["city"]}));
        let digest = Digest::of(&structure, Some(Finish::Stop), &Expected { json: true, schema });
        assert_eq!((digest.json, digest.fits_schema, digest.length), (Some(true), Some(true), 17));
        assert_eq!(digest.calls["f"], ["a".to_owned(), "b".to_owned()].into());
        assert!(!format!("{digest:?}").contains("secret") && !format!("{digest:?}").contains("Paris"));
    }

    #[test]
    fn text_that_should_be_json_and_is_not_shows_and_a_call_in_its_place_does_not() {
        let expected = Expected { json: true, schema: Some(json!({"required": ["a"]})) };
        let of = |text: &str, calls: Vec<ToolCall>| {
            let digest = Digest::of(&Structure { text: text.to_owned(), calls }, None, &expected);
            (digest.json, digest.fits_schema)
        };
        assert_eq!(of("```json\n{}\n```", Vec::new()), (Some(false), Some(false)));
        assert_eq!(of("{}", Vec::new()), (Some(true), Some(false)));
        assert_eq!(of("", vec![ToolCall::default()]), (None, None));
    }
}
