//! A question of the selftest, and what each provider answers to it.
//!
//! Pure. The answers are those of the demo's provider, and depend on nothing but the question and the provider's name:
//! a client compares them byte for byte. Invariant: no two providers have a word of output in common.

use serde_json::{Value, json};

use crate::demo::provider::{Endpoint, GenerationRequest};

/// Who answers, for what was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) model: &'a str,
    /// What the user said; no other request says it.
    pub(super) text: &'a str,
}

impl Question<'_> {
    fn of(self, provider: &str) -> GenerationRequest {
        GenerationRequest {
            provider: provider.to_owned(),
            number: 0,
            created: 1_767_225_600,
            model: self.model.to_owned(),
            // Every word is one provider's, so that a splice of two answers is like neither.
            prompt: (0..12).fold(self.text.to_owned(), |said, number| format!("{said} {provider}{number}")),
            words: 8,
            include_usage: false,
            body: Value::Null,
        }
    }

    /// What this provider answers in one piece.
    pub(super) fn whole(self, provider: &str) -> Vec<u8> {
        self.endpoint.whole(&self.of(provider)).1.to_vec()
    }

    /// The same as events.
    pub(super) fn events(self, provider: &str) -> Vec<String> {
        self.endpoint.stream(&self.of(provider)).unwrap_or_default()
    }

    /// A well-formed answer in which nothing is said.
    pub(super) fn empty(self, provider: &str) -> Vec<u8> {
        let mut answer: Value = serde_json::from_slice(&self.whole(provider)).unwrap_or_default();
        match self.endpoint {
            Endpoint::Messages => answer["content"] = json!([]),
            Endpoint::Responses => answer["output"] = json!([]),
            _ => answer["choices"][0]["message"]["content"] = json!(""),
        }
        answer.to_string().into_bytes()
    }

    /// The same as events.
    pub(super) fn empty_events(self, provider: &str) -> Vec<String> {
        let events = self.events(provider);
        let says = |event: &&String| !event.contains("answering") && !is_output(event);
        let mut kept: Vec<String> = events.iter().filter(says).cloned().collect();
        if self.endpoint == Endpoint::Responses {
            kept.retain(|event| {
                event.contains("event: response.created") || event.contains("event: response.in_progress")
            });
            let answer: Value = serde_json::from_slice(&self.empty(provider)).unwrap_or_default();
            let done = json!({ "type": "response.completed", "response": answer, "sequence_number": kept.len() });
            kept.push(format!("event: response.completed\ndata: {done}\n\n"));
        }
        kept
    }

    /// Events before the first output.
    pub(super) const fn start(self) -> usize {
        match self.endpoint {
            Endpoint::Responses => 4,
            Endpoint::Messages => 3,
            _ => 1,
        }
    }
}

/// Whether this event of a stream has output.
pub(super) fn is_output(event: &str) -> bool {
    event.contains(r#""delta":{"content":"#) && !event.contains(r#""role""#)
        || event.contains("text_delta")
        || event.contains("output_text")
}
