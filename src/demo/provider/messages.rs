//! The Anthropic shape: messages, as JSON and as stream events.
//!
//! Pure, as [`answer`](super::answer) is. A stream begins with frames that carry no output (`message_start`, `ping`)
//! and ends with `message_stop`, which is the only sign of completeness that this dialect has.

use serde_json::{Value, json};

use super::answer::{GenerationRequest, named_event};

pub(super) fn message(question: &GenerationRequest) -> Value {
    let (_, answered) = question.tokens();
    let mut message = start(question);
    message["content"] = json!([{ "type": "text", "text": question.text() }]);
    message["stop_reason"] = json!("end_turn");
    message["usage"]["output_tokens"] = json!(answered);
    message
}

fn start(question: &GenerationRequest) -> Value {
    let (asked, _) = question.tokens();
    json!({
        "id": format!("msg_{}_{}", question.provider, question.number),
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": { "input_tokens": asked, "output_tokens": 1 },
    })
}

pub(super) fn message_stream(question: &GenerationRequest) -> Vec<String> {
    let (_, answered) = question.tokens();
    let mut events = vec![
        json!({ "type": "message_start", "message": start(question) }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "ping" }),
    ];
    events.extend(question.pieces().into_iter().map(
        |piece| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": piece } }),
    ));
    events.extend([
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({
            "type": "message_delta",
            "delta": { "stop_reason": "end_turn", "stop_sequence": null },
            "usage": { "output_tokens": answered },
        }),
        json!({ "type": "message_stop" }),
    ]);
    events.iter().map(named_event).collect()
}

/// An error, as a body and as a stream event alike.
pub(super) fn error(provider: &str, status: u16) -> Value {
    let kind = match status {
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": format!("{provider} fails as configured") } })
}
