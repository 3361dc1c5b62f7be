//! The generating endpoints: how each is answered whole and as a stream, and how its errors look.
//!
//! Pure: one table from an endpoint to the files beside this one, which have the shapes. Decides nothing about when a
//! provider fails.

use bytes::Bytes;
use serde_json::Value;

use super::answer::{self, GenerationRequest};
use super::{messages, responses};

/// A kind of generating request: how it is answered whole and as a stream, and its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::demo) enum Endpoint {
    Chat,
    Completions,
    Responses,
    Messages,
    Embeddings,
    Speech,
}

impl Endpoint {
    pub(in crate::demo) fn of(path: &str) -> Option<Endpoint> {
        Some(match path {
            "/v1/chat/completions" => Endpoint::Chat,
            "/v1/completions" => Endpoint::Completions,
            "/v1/responses" => Endpoint::Responses,
            "/v1/messages" => Endpoint::Messages,
            "/v1/embeddings" => Endpoint::Embeddings,
            "/v1/audio/speech" => Endpoint::Speech,
            _ => return None,
        })
    }

    pub(in crate::demo) fn whole(self, question: &GenerationRequest) -> (&'static str, Bytes) {
        let json = |value: Value| ("application/json", Bytes::from(value.to_string()));
        match self {
            Endpoint::Chat => json(answer::chat(question)),
            Endpoint::Completions => json(answer::completion(question)),
            Endpoint::Responses => json(responses::response(question)),
            Endpoint::Messages => json(messages::message(question)),
            Endpoint::Embeddings => json(answer::embeddings(question)),
            Endpoint::Speech => ("audio/mpeg", (0..=255).cycle().take(40_000).collect()),
        }
    }

    pub(in crate::demo) fn stream(self, question: &GenerationRequest) -> Option<Vec<String>> {
        match self {
            Endpoint::Chat => Some(answer::chat_stream(question)),
            Endpoint::Completions => Some(answer::completion_stream(question)),
            Endpoint::Responses => Some(responses::response_stream(question)),
            Endpoint::Messages => Some(messages::message_stream(question)),
            Endpoint::Embeddings | Endpoint::Speech => None,
        }
    }

    pub(in crate::demo) fn error(self, provider: &str, status: u16) -> Value {
        match self {
            Endpoint::Messages => messages::error(provider, status),
            _ => answer::error(provider, status),
        }
    }

    pub(in crate::demo) fn error_event(self, provider: &str) -> String {
        match self {
            Endpoint::Messages => answer::named_event(&messages::error(provider, 529)),
            Endpoint::Responses => answer::named_event(&responses::error_event(provider)),
            _ => answer::event(&answer::error(provider, 500)),
        }
    }
}
