//! What a provider says to chat completions, completions, embeddings and models, as JSON and as stream events.
//!
//! Pure: a question in, text out. The answer tells who gave it and repeats what was asked, so that somebody with
//! curl sees which provider served. Shapes follow what the official SDKs read; nothing here is clever.

use base64::Engine as _;
use serde_json::{Value, json};

/// What was asked, as far as an answer depends on it.
#[derive(Clone, Debug)]
pub(in crate::demo) struct GenerationRequest {
    /// Who answers.
    pub(in crate::demo) provider: String,
    /// Makes ids unique within the provider.
    pub(in crate::demo) number: u64,
    /// Seconds since the Unix epoch.
    pub(in crate::demo) created: u64,
    /// As the provider was told it.
    pub(in crate::demo) model: String,
    /// The last thing the user said.
    pub(in crate::demo) prompt: String,
    /// Least number of words to answer with.
    pub(in crate::demo) words: u16,
    /// Whether a stream ends with the usage.
    pub(in crate::demo) include_usage: bool,
    /// The whole body, for what only one endpoint reads.
    pub(in crate::demo) body: Value,
}

impl GenerationRequest {
    /// The answer in the pieces in which a stream delivers it.
    pub(super) fn pieces(&self) -> Vec<String> {
        let prompt: String = self.prompt.chars().take(200).collect();
        let mut words: Vec<String> =
            ["This", "is", &self.provider, "answering:"].into_iter().map(str::to_owned).collect();
        words.extend(prompt.split_whitespace().map(str::to_owned));
        while words.len() < usize::from(self.words) {
            words.push("and so on".to_owned());
        }
        let last = words.len() - 1;
        for word in &mut words[..last] {
            word.push(' ');
        }
        words
    }

    pub(super) fn text(&self) -> String {
        self.pieces().concat()
    }

    /// Words of the question and pieces of the answer, which is what a token is here.
    pub(super) fn tokens(&self) -> (usize, usize) {
        (self.prompt.split_whitespace().count().max(1), self.pieces().len())
    }

    fn usage(&self) -> Value {
        let (asked, answered) = self.tokens();
        json!({ "prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered })
    }
}

/// A stream event without a name.
pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// A stream event whose name is its `type`.
pub(super) fn named_event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

const DONE: &str = "data: [DONE]\n\n";

// === Chat completions ===

pub(super) fn chat(question: &GenerationRequest) -> Value {
    json!({
        "id": format!("chatcmpl-{}-{}", question.provider, question.number),
        "object": "chat.completion",
        "created": question.created,
        "model": question.model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": question.text(), "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": question.usage(),
    })
}

pub(super) fn chat_stream(question: &GenerationRequest) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}-{}", question.provider, question.number),
            "object": "chat.completion.chunk",
            "created": question.created,
            "model": question.model,
            "choices": choices,
        });
        if question.include_usage {
            chunk["usage"] = usage;
        }
        event(&chunk)
    };
    let delta = |delta: Value, finish: Value| {
        chunk(json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]), Value::Null)
    };
    let mut events = vec![delta(json!({ "role": "assistant", "content": "" }), Value::Null)];
    events.extend(question.pieces().into_iter().map(|piece| delta(json!({ "content": piece }), Value::Null)));
    events.push(delta(json!({}), json!("stop")));
    if question.include_usage {
        events.push(chunk(json!([]), question.usage()));
    }
    events.push(DONE.to_owned());
    events
}

// === Completions ===

pub(super) fn completion(question: &GenerationRequest) -> Value {
    let mut answer = completion_of(question, &question.text(), json!("stop"));
    answer["usage"] = question.usage();
    answer
}

pub(super) fn completion_stream(question: &GenerationRequest) -> Vec<String> {
    let mut events: Vec<String> =
        question.pieces().iter().map(|piece| event(&completion_of(question, piece, Value::Null))).collect();
    events.push(event(&completion_of(question, "", json!("stop"))));
    events.push(DONE.to_owned());
    events
}

fn completion_of(question: &GenerationRequest, text: &str, finish: Value) -> Value {
    json!({
        "id": format!("cmpl-{}-{}", question.provider, question.number),
        "object": "text_completion",
        "created": question.created,
        "model": question.model,
        "choices": [{ "index": 0, "text": text, "logprobs": null, "finish_reason": finish }],
    })
}

// === Embeddings and models ===

const DIMENSIONS: usize = 8;

/// A vector for each input; the same text gives the same vector. `encoding_format: base64` is what the Python SDK
/// asks for by default.
pub(super) fn embeddings(question: &GenerationRequest) -> Value {
    let inputs: Vec<String> = match &question.body["input"] {
        Value::Array(inputs) => {
            inputs.iter().map(|input| input.as_str().map_or(input.to_string(), str::to_owned)).collect()
        }
        Value::String(input) => vec![input.clone()],
        other => vec![other.to_string()],
    };
    let base64 = question.body["encoding_format"] == "base64";
    let vectors: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| json!({ "object": "embedding", "index": index, "embedding": vector(input, base64) }))
        .collect();
    let (asked, _) = question.tokens();
    json!({
        "object": "list",
        "data": vectors,
        "model": question.model,
        "usage": { "prompt_tokens": asked, "total_tokens": asked },
    })
}

fn vector(input: &str, base64: bool) -> Value {
    let seed = input
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut random = fastrand::Rng::with_seed(seed);
    let floats: Vec<f32> = (0..DIMENSIONS).map(|_| random.f32() - 0.5).collect();
    if base64 {
        let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
        json!(base64::engine::general_purpose::STANDARD.encode(bytes))
    } else {
        json!(floats)
    }
}

pub(super) const MODELS: [&str; 3] = ["demo-large", "demo-small", "demo-embedding"];

pub(super) fn model(provider: &str, id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 1_767_225_600, "owned_by": provider })
}

pub(super) fn models(provider: &str) -> Value {
    let models: Vec<Value> = MODELS.iter().map(|id| model(provider, id)).collect();
    json!({ "object": "list", "data": models, "has_more": false })
}

// === Errors ===

/// The OpenAI shape.
pub(super) fn error(provider: &str, status: u16) -> Value {
    let (kind, message) = match status {
        429 => ("rate_limit_exceeded", "has received too many requests"),
        400..=499 => ("invalid_request_error", "refuses this request"),
        _ => ("server_error", "fails as configured"),
    };
    json!({ "error": { "message": format!("{provider} {message}"), "type": kind, "param": null, "code": null } })
}
