//! The Responses shape, as JSON and as numbered stream events.
//!
//! Pure, as [`answer`](super::answer) is. Every event carries its `type` and a `sequence_number`; the stream is whole
//! with `response.completed`, and there is no `[DONE]`.

use serde_json::{Value, json};

use super::answer::{GenerationRequest, named_event};

pub(super) fn response(question: &GenerationRequest) -> Value {
    let (asked, answered) = question.tokens();
    let mut response = begun(question);
    response["status"] = json!("completed");
    response["output"] = json!([item(question, "completed", &[part(&question.text())])]);
    response["usage"] = json!({
        "input_tokens": asked,
        "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": answered,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": asked + answered,
    });
    response
}

fn begun(question: &GenerationRequest) -> Value {
    json!({
        "id": format!("resp_{}_{}", question.provider, question.number),
        "object": "response",
        "created_at": question.created,
        "status": "in_progress",
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "metadata": {},
        "model": question.model,
        "output": [],
        "parallel_tool_calls": true,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": null,
    })
}

fn item_id(question: &GenerationRequest) -> String {
    format!("msg_{}_{}", question.provider, question.number)
}

fn item(question: &GenerationRequest, status: &str, content: &[Value]) -> Value {
    json!({ "id": item_id(question), "type": "message", "role": "assistant", "status": status, "content": content })
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

pub(super) fn response_stream(question: &GenerationRequest) -> Vec<String> {
    let (id, text) = (item_id(question), question.text());
    let place = |kind: &str, more: Value| {
        let mut event = json!({ "type": kind, "item_id": id, "output_index": 0, "content_index": 0 });
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        event
    };
    let added = item(question, "in_progress", &[]);
    let done = item(question, "completed", &[part(&text)]);
    let mut events = vec![
        json!({ "type": "response.created", "response": begun(question) }),
        json!({ "type": "response.in_progress", "response": begun(question) }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": added }),
        place("response.content_part.added", json!({ "part": part("") })),
    ];
    events.extend(
        question
            .pieces()
            .into_iter()
            .map(|piece| place("response.output_text.delta", json!({ "delta": piece, "logprobs": [] }))),
    );
    events.extend([
        place("response.output_text.done", json!({ "text": text, "logprobs": [] })),
        place("response.content_part.done", json!({ "part": part(&text) })),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": done }),
        json!({ "type": "response.completed", "response": response(question) }),
    ]);
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events.iter().map(named_event).collect()
}

/// The stream's error event.
pub(super) fn error_event(provider: &str) -> Value {
    json!({
        "type": "error",
        "code": "server_error",
        "message": format!("{provider} fails as configured"),
        "param": null,
    })
}
