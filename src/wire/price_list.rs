//! A price list in the form of LiteLLM: what each model takes and can do, by its name.
//!
//! Owns the reading of such a file and the finding of a model in it, which may stand there with its provider's name in
//! front. Prices are not read. Entries and values of another form are passed over; what is no list at all is an error
//! with its place. Invariant: what the list does not say is unknown, never nought.

use std::collections::BTreeMap;

use serde_json::Value;

use super::printable::printable_start;

/// What a model can do, by the list's own words.
pub const ABILITIES: [(&str, &str); 8] = [
    ("supports_function_calling", "function calling"),
    ("supports_parallel_function_calling", "parallel function calling"),
    ("supports_tool_choice", "tool choice"),
    ("supports_response_schema", "response schemas"),
    ("supports_vision", "vision"),
    ("supports_pdf_input", "PDF input"),
    ("supports_audio_input", "audio input"),
    ("supports_reasoning", "reasoning"),
];

/// What the list says of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedModel {
    /// The longest input, in tokens.
    pub max_input: Option<u64>,
    /// The longest output, in tokens.
    pub max_output: Option<u64>,
    /// `chat`, `embedding`.
    pub mode: Option<String>,
    /// Of [`ABILITIES`], in their order; `None`: the list does not say.
    pub abilities: [Option<bool>; ABILITIES.len()],
}

/// A price list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList(BTreeMap<String, ListedModel>);

/// What the list knows by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    Found(&'a ListedModel),
    Unknown,
    /// Several providers have it, and say different things.
    Ambiguous,
}

/// Why a file is no price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPriceList {
    /// It is no JSON: at this line and column.
    NotJson { line: usize, column: usize, problem: String },
    /// It is JSON, and no object with an entry for each model.
    NoModels,
}

impl PriceList {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it is no price list.
    pub fn read(file: &[u8]) -> Result<PriceList, NoPriceList> {
        let value: Value = serde_json::from_slice(file).map_err(|error| NoPriceList::NotJson {
            line: error.line(),
            column: error.column(),
            problem: error.to_string().split(" at line").next().unwrap_or_default().to_owned(),
        })?;
        let Value::Object(entries) = value else { return Err(NoPriceList::NoModels) };
        let told = entries.iter().filter(|(name, _)| *name != "sample_spec");
        let models: BTreeMap<String, ListedModel> =
            told.filter_map(|(name, entry)| Some((name.clone(), listed(entry)?))).collect();
        if models.is_empty() { Err(NoPriceList::NoModels) } else { Ok(PriceList(models)) }
    }

    /// A model by the name that a provider has for it. `hints`: the provider's own name and its host, one of which may
    /// hold what the list puts in front.
    #[must_use]
    pub fn find(&self, model: &str, hints: [&str; 2]) -> Lookup<'_> {
        let suffix = format!("/{model}");
        let of_provider = |name: &str| {
            let before =
                name.strip_suffix(suffix.as_str()).unwrap_or_default().split(['/', '_']).next().unwrap_or_default();
            before.len() > 2
                && hints.iter().any(|hint| hint.to_ascii_lowercase().contains(&before.to_ascii_lowercase()))
        };
        let named = || self.0.iter().filter(|(name, _)| name.ends_with(&suffix));
        if let Some((_, listed)) = named().find(|(name, _)| of_provider(name)) {
            return Lookup::Found(listed);
        }
        if let Some(listed) = self.0.get(model) {
            return Lookup::Found(listed);
        }
        let mut all = named().map(|(_, listed)| listed);
        match all.next() {
            None => Lookup::Unknown,
            Some(first) if all.all(|other| other == first) => Lookup::Found(first),
            Some(_) => Lookup::Ambiguous,
        }
    }
}

/// An entry that says something of a model; prices alone are nothing here.
fn listed(entry: &Value) -> Option<ListedModel> {
    let entry = entry.as_object()?;
    let count = |name: &str| entry.get(name).and_then(whole).filter(|count| *count > 0);
    let mode = entry.get("mode").and_then(Value::as_str).map(|mode| printable_start(mode, 32));
    Some(ListedModel {
        max_input: count("max_input_tokens").or_else(|| count("max_tokens")),
        max_output: count("max_output_tokens"),
        mode,
        abilities: ABILITIES.map(|(name, _)| entry.get(name).and_then(Value::as_bool)),
    })
}

/// A whole number, however it is written.
fn whole(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|number| (0.0..1e15).contains(number) && number.fract() == 0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    let of_float = || float().map(|number| number as u64);
    value.as_u64().or_else(of_float).or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> PriceList {
        PriceList::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_entry_says_what_a_model_takes_and_can_do() {
        let list = list(
            r#"{"sample_spec": {"max_input_tokens": "a text"},
                "gpt-4o": {"max_input_tokens": 128000, "max_output_tokens": 16384.0, "mode": "chat",
                           "supports_vision": true, "supports_function_calling": false, "input_cost_per_token": 2.5e-06},
                "old": {"max_tokens": "8192"}, "odd": 7}"#,
        );
        let Lookup::Found(listed) = list.find("gpt-4o", ["openai", "api.openai.com"]) else { unreachable!() };
        assert_eq!(
            (listed.max_input, listed.max_output, listed.mode.as_deref()),
            (Some(128_000), Some(16_384), Some("chat"))
        );
        let of = |name: &str| listed.abilities[ABILITIES.iter().position(|(known, _)| *known == name).unwrap()];
        assert_eq!([of("supports_vision"), of("supports_function_calling")], [Some(true), Some(false)]);
        assert_eq!(of("supports_reasoning"), None);
        let Lookup::Found(old) = list.find("old", ["", ""]) else { unreachable!() };
        assert_eq!((old.max_input, old.max_output), (Some(8192), None));
        assert_eq!(list.find("odd", ["", ""]), Lookup::Unknown);
        assert_eq!(list.find("sample_spec", ["", ""]), Lookup::Unknown);
    }

    #[test]
    fn a_model_is_found_behind_the_name_of_its_provider() {
        let list = list(
            r#"{"deepseek/chat": {"max_input_tokens": 1}, "openrouter/deepseek/chat": {"max_input_tokens": 2},
                "chat": {"max_input_tokens": 3}, "a/one": {"max_input_tokens": 4}, "b/one": {"max_input_tokens": 4},
                "a/two": {"max_input_tokens": 5}, "b/two": {"max_input_tokens": 6}, "azure_ai/phi": {"max_input_tokens": 7},
                "other/phi": {"max_input_tokens": 8}}"#,
        );
        let input = |model: &str, name: &str, host: &str| match list.find(model, [name, host]) {
            Lookup::Found(listed) => listed.max_input,
            _ => None,
        };
        assert_eq!(input("chat", "new", "api.deepseek.com"), Some(1));
        assert_eq!(input("deepseek/chat", "new", "openrouter.ai"), Some(2));
        assert_eq!(input("chat", "new", "gateway.example"), Some(3));
        assert_eq!(input("one", "new", "gateway.example"), Some(4));
        assert_eq!(input("phi", "my-azure", "x.test"), Some(7));
        assert_eq!(list.find("two", ["new", "x.test"]), Lookup::Ambiguous);
        assert_eq!(list.find("three", ["new", "x.test"]), Lookup::Unknown);
    }

    #[test]
    fn what_is_no_list_says_where() {
        let error = PriceList::read(b"{\n  \"a\": }").unwrap_err();
        let NoPriceList::NotJson { line, column, problem } = error else { unreachable!() };
        assert_eq!((line, column, problem.as_str()), (2, 8, "expected value"));
        for none in ["[]", "7", "{}", r#"{"sample_spec": {}}"#, r#"{"a": 1}"#] {
            assert_eq!(PriceList::read(none.as_bytes()), Err(NoPriceList::NoModels), "{none}");
        }
        assert!(matches!(PriceList::read(b"\xff\xfe"), Err(NoPriceList::NotJson { .. })));
    }
}
