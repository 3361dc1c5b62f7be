//! An answer that says a text of the operator's, in each dialect's words: what a client gets when nobody answered.
//!
//! Owns the bytes of it, unary and streamed, with every event that official SDKs wait for. It refuses where a text is
//! no answer: other dialects, and requests that ask for JSON of a schema or for the call of a tool, which a text would
//! break in a worse way than an error does. Invariant: what is written reads as a whole answer of its dialect, and claims no tokens.

use serde::Deserialize;
use serde_json::{Value, json};

use super::dialect::Dialect;

/// What a client asked for, as far as it decides how it is answered.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    response_format: Option<Format>,
    text: Option<TextFormat>,
    output_config: Option<TextFormat>,
    output_format: Option<Format>,
    stream_options: Option<StreamOptions>,
    tool_choice: Option<Value>,
    function_call: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TextFormat {
    format: Option<Format>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Format {
    r#type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl Asked {
    /// Whether the answer has to call a tool.
    fn wants_tool(&self) -> bool {
        let is_free = |choice: &Value| {
            let word = choice.get("type").unwrap_or(choice);
            choice.is_null() || matches!(word.as_str(), Some("auto" | "none"))
        };
        [&self.tool_choice, &self.function_call].into_iter().flatten().any(|choice| !is_free(choice))
    }

    /// Whether the answer has to be of a form that no text of an operator has.
    fn is_structured(&self) -> bool {
        let nested = [&self.text, &self.output_config].into_iter().flatten().filter_map(|text| text.format.as_ref());
        let mut formats = nested.chain(&self.response_format).chain(&self.output_format);
        formats.any(|format| format.r#type.as_deref().is_some_and(|kind| kind != "text"))
    }
}

/// The answer.
#[derive(Clone, Copy, Debug)]
pub struct LastResort<'a> {
    pub dialect: Dialect,
    /// What it says.
    pub text: &'a str,
    /// As the client wrote it.
    pub model: &'a str,
    /// Of the request: the answer's own id is made of it.
    pub id: &'a str,
    /// Seconds since the Unix epoch.
    pub created: u64,
    pub stream: bool,
}

impl LastResort<'_> {
    /// The body, and its media type; `None`: a text is no answer to this. `request`: the body that is answered.
    #[must_use]
    pub fn body(&self, request: &[u8]) -> Option<(String, &'static str)> {
        if !self.dialect.generates() {
            return None;
        }
        // Of what cannot be read nobody knows what its client waits for.
        let asked: Asked = serde_json::from_slice(request).ok()?;
        if asked.is_structured() || asked.wants_tool() {
            return None;
        }
        if !self.stream {
            return Some((self.whole().to_string(), "application/json"));
        }
        let usage = asked.stream_options.is_some_and(|options| options.include_usage == Some(true));
        let events = match self.dialect {
            Dialect::Responses => self.response_events(),
            Dialect::Messages => self.message_events(),
            _ => self.chunks(usage),
        };
        Some((events, "text/event-stream; charset=utf-8"))
    }

    fn whole(&self) -> Value {
        let LastResort { text, model, id, created, .. } = *self;
        match self.dialect {
            Dialect::Responses => self.response("completed", json!([self.item("completed", self.parts())])),
            Dialect::Messages => json!({
                "id": format!("msg_{id}"), "type": "message", "role": "assistant", "model": model,
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn", "stop_sequence": null,
                "usage": {"input_tokens": 0, "output_tokens": 0},
            }),
            Dialect::Completions => json!({
                "id": format!("cmpl-{id}"), "object": "text_completion", "created": created, "model": model,
                "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": "stop"}],
                "usage": chat_usage(),
            }),
            _ => json!({
                "id": format!("chatcmpl-{id}"), "object": "chat.completion", "created": created, "model": model,
                "choices": [{
                    "index": 0, "logprobs": null, "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text, "refusal": null},
                }],
                "usage": chat_usage(),
            }),
        }
    }

    /// A stream of chat completions, or of legacy ones.
    fn chunks(&self, usage: bool) -> String {
        let LastResort { text, model, id, created, .. } = *self;
        let legacy = self.dialect == Dialect::Completions;
        let (id, object) = if legacy {
            (format!("cmpl-{id}"), "text_completion")
        } else {
            (format!("chatcmpl-{id}"), "chat.completion.chunk")
        };
        let chunk = |choices: Value, counted: Value| {
            let mut chunk = json!({"id": id, "object": object, "created": created, "model": model, "choices": choices});
            if usage {
                chunk["usage"] = counted;
            }
            data(&chunk)
        };
        let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        let mut events = String::new();
        if legacy {
            let said = |text: &str, finish: Value| json!([{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}]);
            events += &chunk(said(text, Value::Null), Value::Null);
            events += &chunk(said("", json!("stop")), Value::Null);
        } else {
            events += &chunk(choice(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null);
            events += &chunk(choice(json!({"content": text}), Value::Null), Value::Null);
            events += &chunk(choice(json!({}), json!("stop")), Value::Null);
        }
        if usage {
            events += &chunk(json!([]), chat_usage());
        }
        events + "data: [DONE]\n\n"
    }

    fn message_events(&self) -> String {
        let mut message = self.whole();
        message["content"] = json!([]);
        message["stop_reason"] = Value::Null;
        let events = [
            json!({"type": "message_start", "message": message}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": self.text}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({
                "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"output_tokens": 0},
            }),
            json!({"type": "message_stop"}),
        ];
        events.iter().map(named).collect()
    }

    fn response_events(&self) -> String {
        let LastResort { text, id, .. } = *self;
        let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
        let empty = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
        let item = format!("msg_{id}");
        let of_part = |kind: &str, rest: Value| {
            let mut event = json!({"type": kind, "item_id": item, "output_index": 0, "content_index": 0});
            if let (Some(event), Value::Object(rest)) = (event.as_object_mut(), rest) {
                event.extend(rest);
            }
            event
        };
        let of_item = |kind: &str, item: Value| json!({"type": kind, "output_index": 0, "item": item});
        let done = self.item("completed", self.parts());
        let events = [
            json!({"type": "response.created", "response": self.response("in_progress", json!([]))}),
            json!({"type": "response.in_progress", "response": self.response("in_progress", json!([]))}),
            of_item("response.output_item.added", self.item("in_progress", json!([]))),
            of_part("response.content_part.added", json!({"part": empty})),
            of_part("response.output_text.delta", json!({"delta": text, "logprobs": []})),
            of_part("response.output_text.done", json!({"text": text, "logprobs": []})),
            of_part("response.content_part.done", json!({"part": part})),
            of_item("response.output_item.done", done.clone()),
            json!({"type": "response.completed", "response": self.response("completed", json!([done]))}),
        ];
        let numbered = events.into_iter().enumerate().map(|(number, mut event)| {
            event["sequence_number"] = json!(number);
            named(&event)
        });
        numbered.collect()
    }

    fn parts(&self) -> Value {
        json!([{"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}])
    }

    fn item(&self, status: &str, parts: Value) -> Value {
        json!({
            "id": format!("msg_{}", self.id), "type": "message", "status": status, "role": "assistant",
            "content": parts,
        })
    }

    fn response(&self, status: &str, output: Value) -> Value {
        let LastResort { model, id, created, .. } = *self;
        let usage = if status == "completed" {
            json!({
                "input_tokens": 0, "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 0, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0,
            })
        } else {
            Value::Null
        };
        json!({
            "id": format!("resp_{id}"), "object": "response", "created_at": created, "status": status,
            "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "model": model,
            "output": output, "parallel_tool_calls": true, "temperature": null, "tool_choice": "auto", "tools": [],
            "top_p": null, "usage": usage,
        })
    }
}

fn chat_usage() -> Value {
    json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
}

fn data(event: &Value) -> String {
    format!("data: {event}\n\n")
}

/// With its type as its name.
fn named(event: &Value) -> String {
    format!("event: {}\n{}", event["type"].as_str().unwrap_or_default(), data(event))
}

#[cfg(test)]
mod tests;
