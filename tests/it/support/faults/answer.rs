//! What a provider says when nothing is wrong with it, and how its errors look, in each of the three languages.
//!
//! An answer depends on the provider's name and on nothing else, so that a test can compare what a client received
//! byte for byte. Every stream has sixty events; how many of them carry no output yet is part of the answer.

use serde_json::{Value, json};

use crate::support::api::Api;

/// Events of a whole stream.
pub(crate) const EVENTS: usize = 60;
const CREATED: u32 = 1_700_000_000;
/// What a provider calls its model, whatever it was asked for.
const MODEL: &str = "served";

/// Events before the first output of a stream.
pub(crate) const fn preamble(api: Api) -> usize {
    match api {
        Api::Chat => 1,
        Api::Responses | Api::Messages => 2,
    }
}

/// Events up to and with the first output, in the strictest reading of "output".
pub(crate) const fn first_output(api: Api) -> usize {
    match api {
        Api::Chat => 2,
        Api::Responses => 5,
        Api::Messages => 4,
    }
}

/// The event after which a stream may end: `[DONE]` may be missing.
pub(crate) const fn terminal(api: Api) -> usize {
    match api {
        Api::Chat => EVENTS - 1,
        Api::Responses | Api::Messages => EVENTS,
    }
}

/// The answer in one piece.
pub(crate) fn whole(api: Api, provider: &str) -> String {
    let text: String = pieces(api, provider).concat();
    unary(api, provider, &text).to_string()
}

/// An answer in which nothing is said.
pub(crate) fn without_output(api: Api, provider: &str) -> String {
    let mut answer = unary(api, provider, "");
    match api {
        Api::Chat => {}
        Api::Responses => answer["output"] = json!([]),
        Api::Messages => answer["content"] = json!([]),
    }
    answer.to_string()
}

/// The answer as events.
pub(crate) fn stream(api: Api, provider: &str) -> Vec<String> {
    stream_of(api, provider, &pieces(api, provider))
}

/// A stream in which nothing is said.
pub(crate) fn stream_without_output(api: Api, provider: &str) -> Vec<String> {
    match api {
        Api::Chat => stream_of(api, provider, &[]),
        Api::Responses => {
            let mut answer = unary(api, provider, "");
            answer["output"] = json!([]);
            let created = json!({ "type": "response.created", "response": begun(provider), "sequence_number": 0 });
            vec![
                named(&created),
                named(&json!({ "type": "response.completed", "response": answer, "sequence_number": 1 })),
            ]
        }
        Api::Messages => {
            let events = stream_of(api, provider, &[]);
            events.into_iter().filter(|event| !event.contains("content_block")).collect()
        }
    }
}

/// An error in the body of an answer.
pub(crate) fn error(api: Api, kind: &str, code: Option<&str>, param: Option<&str>, message: &str) -> String {
    match api {
        Api::Chat | Api::Responses => {
            json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }).to_string()
        }
        Api::Messages => json!({ "type": "error", "error": { "type": kind, "message": message } }).to_string(),
    }
}

/// An error inside a stream.
pub(crate) fn error_event(api: Api, provider: &str) -> String {
    let message = format!("{provider} is overloaded");
    match api {
        Api::Chat => format!("data: {}\n\n", error(api, "server_error", None, None, &message)),
        Api::Responses => {
            let event = json!({ "type": "error", "code": "server_error", "message": message, "param": null });
            named(&event)
        }
        Api::Messages => format!("event: error\ndata: {}\n\n", error(api, "overloaded_error", None, None, &message)),
    }
}

fn pieces(api: Api, provider: &str) -> Vec<String> {
    let around = match api {
        Api::Chat => 3,
        Api::Responses => 8,
        Api::Messages => 6,
    };
    (0..EVENTS - around).map(|number| format!("{provider} says {number}; ")).collect()
}

fn unary(api: Api, provider: &str, text: &str) -> Value {
    match api {
        Api::Chat => json!({
            "id": format!("chatcmpl-{provider}"), "object": "chat.completion", "created": CREATED, "model": MODEL,
            "choices": [{
                "index": 0, "logprobs": null, "finish_reason": "stop",
                "message": { "role": "assistant", "content": text, "refusal": null },
            }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 57, "total_tokens": 58 },
        }),
        Api::Responses => {
            let mut response = begun(provider);
            response["status"] = json!("completed");
            response["output"] = json!([item(provider, "completed", &[part(text)])]);
            response["usage"] = json!({
                "input_tokens": 1, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": 57,
                "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 58,
            });
            response
        }
        Api::Messages => {
            let mut message = started(provider);
            message["content"] = json!([{ "type": "text", "text": text }]);
            message["stop_reason"] = json!("end_turn");
            message["usage"]["output_tokens"] = json!(57);
            message
        }
    }
}

fn stream_of(api: Api, provider: &str, pieces: &[String]) -> Vec<String> {
    match api {
        Api::Chat => chat_stream(provider, pieces),
        Api::Responses => response_stream(provider, pieces),
        Api::Messages => message_stream(provider, pieces),
    }
}

fn chat_stream(provider: &str, pieces: &[String]) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
        let chunk = json!({
            "id": format!("chatcmpl-{provider}"), "object": "chat.completion.chunk", "created": CREATED,
            "model": MODEL, "choices": [choice],
        });
        format!("data: {chunk}\n\n")
    };
    let mut events = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    events.extend(pieces.iter().map(|piece| chunk(json!({ "content": piece }), Value::Null)));
    events.push(chunk(json!({}), json!("stop")));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn response_stream(provider: &str, pieces: &[String]) -> Vec<String> {
    let text = pieces.concat();
    let place = |kind: &str, key: &str, value: Value| {
        let mut event = json!({
            "type": kind, "item_id": format!("msg_{provider}"), "output_index": 0, "content_index": 0, "logprobs": [],
        });
        event[key] = value;
        event
    };
    let mut events = vec![
        json!({ "type": "response.created", "response": begun(provider) }),
        json!({ "type": "response.in_progress", "response": begun(provider) }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": item(provider, "in_progress", &[]) }),
        place("response.content_part.added", "part", part("")),
    ];
    events.extend(pieces.iter().map(|piece| place("response.output_text.delta", "delta", json!(piece))));
    events.extend([
        place("response.output_text.done", "text", json!(text)),
        place("response.content_part.done", "part", part(&text)),
        json!({
            "type": "response.output_item.done", "output_index": 0,
            "item": item(provider, "completed", &[part(&text)]),
        }),
        json!({ "type": "response.completed", "response": unary(Api::Responses, provider, &text) }),
    ]);
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events.iter().map(named).collect()
}

fn message_stream(provider: &str, pieces: &[String]) -> Vec<String> {
    let mut events = vec![
        json!({ "type": "message_start", "message": started(provider) }),
        json!({ "type": "ping" }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
    ];
    events.extend(pieces.iter().map(
        |piece| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": piece } }),
    ));
    events.extend([
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({
            "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
            "usage": { "output_tokens": 57 },
        }),
        json!({ "type": "message_stop" }),
    ]);
    events.iter().map(named).collect()
}

fn named(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
}

fn begun(provider: &str) -> Value {
    json!({
        "id": format!("resp_{provider}"), "object": "response", "created_at": CREATED, "status": "in_progress",
        "background": false, "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
        "model": MODEL, "output": [], "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto",
        "tools": [], "top_p": 1.0, "usage": null,
    })
}

fn item(provider: &str, status: &str, content: &[Value]) -> Value {
    json!({
        "id": format!("msg_{provider}"), "type": "message", "role": "assistant", "status": status, "content": content,
    })
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn started(provider: &str) -> Value {
    json!({
        "id": format!("msg_{provider}"), "type": "message", "role": "assistant", "model": MODEL, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 1, "output_tokens": 1 },
    })
}
