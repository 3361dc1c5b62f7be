//! How many tokens an answer took, in whichever words its dialect counts them.
//!
//! Owns [`Usage`], which is the same for all dialects: input counts what was read from a cache too, although Anthropic
//! counts that apart. The counts of a stream come in several events, each the sum up to there (or, for some providers,
//! nought at first), so the highest of each is kept. What is no whole number is passed over, never guessed.

use serde::de::MapAccess;

use super::json::{Member, Object};

/// The tokens of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read, whether from a cache or not.
    pub input: u64,
    /// Written, reasoning included.
    pub output: u64,
    /// The part of `input` that came from the provider's cache.
    pub cached: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
}

/// The members of a `usage` object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    /// Within `input`, as OpenAI counts.
    cached_within: Option<u64>,
    /// Besides `input`, as Anthropic counts.
    cached_besides: Option<u64>,
    stored_besides: Option<u64>,
    /// Within `output`.
    reasoning: Option<u64>,
}

impl Counts {
    /// Takes up what a later event says.
    pub(super) fn add(&mut self, later: Counts) {
        self.input = self.input.max(later.input);
        self.output = self.output.max(later.output);
        self.cached_within = self.cached_within.max(later.cached_within);
        self.cached_besides = self.cached_besides.max(later.cached_besides);
        self.stored_besides = self.stored_besides.max(later.stored_besides);
        self.reasoning = self.reasoning.max(later.reasoning);
    }

    /// `None` when nothing was counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let besides = self.cached_besides.unwrap_or(0).saturating_add(self.stored_besides.unwrap_or(0));
        Some(Usage {
            input: self.input.unwrap_or(0).saturating_add(besides),
            output: self.output.unwrap_or(0),
            cached: self.cached_within.or(self.cached_besides).unwrap_or(0),
            reasoning: self.reasoning.unwrap_or(0),
        })
    }
}

impl Counts {
    /// Where a count of this name goes.
    fn named(&mut self, key: &[u8]) -> Option<&mut Option<u64>> {
        match key {
            b"prompt_tokens" | b"input_tokens" => Some(&mut self.input),
            b"completion_tokens" | b"output_tokens" => Some(&mut self.output),
            b"cache_read_input_tokens" => Some(&mut self.cached_besides),
            b"cache_creation_input_tokens" => Some(&mut self.stored_besides),
            _ => None,
        }
    }

    /// The counts of an object that holds nothing but whole numbers; `None` for any other. A short way for the usual
    /// one.
    pub(super) fn of_plain(json: &[u8]) -> Option<Counts> {
        let mut counts = Counts::default();
        let mut rest = json.strip_prefix(b"{")?;
        loop {
            rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
            let end = memchr::memchr2(b'"', b'\\', rest)?;
            let (key, after) = rest.split_at(end);
            let mut after = after.strip_prefix(b"\"")?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
            let mut number = None;
            while let Some((digit @ b'0'..=b'9', behind)) = after.split_first() {
                let so_far: u64 = number.unwrap_or(0);
                number = Some(so_far.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?);
                after = behind;
            }
            let number = number?;
            if let Some(count) = counts.named(key) {
                *count = (*count).max(Some(number));
            }
            rest = match after.trim_ascii_start().split_first()? {
                (b',', rest) => rest,
                (b'}', _) => return Some(counts),
                _ => return None,
            };
        }
    }
}

impl<'a> Object<'a> for Counts {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        if matches!(key, b"prompt_tokens_details" | b"input_tokens_details") {
            let mut details = Details::default();
            value.object(&mut details)?;
            self.cached_within = self.cached_within.max(details.cached);
            return Ok(());
        }
        if matches!(key, b"completion_tokens_details" | b"output_tokens_details") {
            let mut details = Details::default();
            value.object(&mut details)?;
            self.reasoning = self.reasoning.max(details.reasoning);
            return Ok(());
        }
        let Some(count) = self.named(key) else { return value.skip() };
        *count = (*count).max(value.raw()?.parse().ok());
        Ok(())
    }
}

#[derive(Default)]
struct Details {
    cached: Option<u64>,
    reasoning: Option<u64>,
}

impl<'a> Object<'a> for Details {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"cached_tokens" => self.cached = value.raw()?.parse().ok(),
            b"reasoning_tokens" => self.reasoning = value.raw()?.parse().ok(),
            _ => value.skip()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json;
    use super::*;

    fn counted(parts: &[&str]) -> Option<Usage> {
        let mut counts = Counts::default();
        for part in parts {
            let mut later = Counts::default();
            json::read(part.as_bytes(), &mut later).unwrap();
            counts.add(later);
        }
        counts.usage()
    }

    const KEYS: [&str; 6] = [
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    ];

    proptest! {
        #[test]
        fn the_short_way_comes_to_what_the_long_way_does(
            members in proptest::collection::vec((0..KEYS.len(), 0..u64::MAX), 1..5),
            space in "[ \t\r\n]{0,2}",
        ) {
            let members = members.iter().map(|(key, count)| format!("{space}\"{}\"{space}:{space}{count}{space}", KEYS[*key]));
            let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
            let mut counts = Counts::default();
            json::read(text.as_bytes(), &mut counts).unwrap();
            prop_assert_eq!(Counts::of_plain(text.as_bytes()), Some(counts), "{}", text);
        }
    }

    #[test]
    fn the_short_way_leaves_to_the_long_one_what_is_no_whole_number() {
        for text in
            ["{}", "[]", r#"{"a":}"#, r#"{"a":-1}"#, r#"{"a":1.5}"#, r#"{"a":1e3}"#, r#"{"a":"1"}"#, r#"{"a":1"#]
        {
            assert_eq!(Counts::of_plain(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Counts::of_plain(br#"{"a":18446744073709551616}"#), None);
    }

    #[test]
    fn openai_counts_what_was_cached_within_the_input() {
        let chat = r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":8}}"#;
        let responses = r#"{"input_tokens":9,"output_tokens":4,"input_tokens_details":{"cached_tokens":8}}"#;
        assert_eq!(counted(&[chat]), Some(Usage { input: 9, output: 4, cached: 8, reasoning: 0 }));
        assert_eq!(counted(&[responses]), counted(&[chat]));
    }

    #[test]
    fn anthropic_counts_it_besides_and_sums_up_later() {
        let start =
            r#"{"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":90,"output_tokens":1}"#;
        let delta = r#"{"output_tokens":30}"#;
        assert_eq!(counted(&[start, delta]), Some(Usage { input: 97, output: 30, cached: 90, reasoning: 0 }));
    }

    #[test]
    fn what_is_no_whole_number_counts_for_nothing() {
        assert_eq!(counted(&["{}"]), None);
        assert_eq!(counted(&["null"]), None);
        assert_eq!(counted(&[r#"{"prompt_tokens":-1,"completion_tokens":"4"}"#]), None);
        assert_eq!(
            counted(&[r#"{"prompt_tokens":9,"prompt_tokens_details":[1],"completion_tokens":1.5}"#]).unwrap().input,
            9
        );
    }
}
