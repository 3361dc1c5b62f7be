//! What an answer is made of: its text, and the tools that it calls with which arguments.
//!
//! Owns where each dialect keeps these, whole or in a stream. For comparing two answers off the path of requests, so it
//! builds values, unlike its neighbours. What cannot be read is absent, and what is beyond [`LONGEST_TEXT`] is left
//! out. How an answer ended and what it took is read by [`answer`](super::answer) and [`stream`](super::stream).

use serde_json::Value;

use super::dialect::Dialect;
use super::shape::without_mark;
use super::sse::Framer;

/// More text than this is not kept.
pub const LONGEST_TEXT: usize = 256 * 1024;
/// More calls than these are not kept.
const MOST_CALLS: usize = 64;

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    pub name: String,
    /// As JSON.
    pub arguments: String,
}

/// The parts of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    pub text: String,
    pub calls: Vec<ToolCall>,
}

/// Reads a whole answer, streamed or not.
#[must_use]
pub fn read_structure(dialect: Dialect, body: &[u8]) -> Structure {
    let body = without_mark(body).trim_ascii_start();
    let mut reader = Reader { dialect, found: Structure::default(), places: Vec::new() };
    if body.first() == Some(&b'{') {
        if let Ok(value) = serde_json::from_slice(body) {
            reader.whole(&value);
        }
    } else {
        let mut framer = Framer::default();
        let mut events = |event: super::sse::Event<'_>| {
            if event.whole
                && let Ok(value) = serde_json::from_slice::<Value>(event.data)
            {
                reader.event(&value);
            }
        };
        framer.read(body, &mut events);
        framer.end(&mut events);
    }
    reader.found
}

struct Reader {
    dialect: Dialect,
    found: Structure,
    /// Under which index of the stream each call stands.
    places: Vec<u64>,
}

impl Reader {
    fn whole(&mut self, value: &Value) {
        match self.dialect {
            Dialect::ChatCompletions | Dialect::Completions => {
                if let Some(choice) = first_choice(value) {
                    self.text(&choice["text"]);
                    self.message(&choice["message"]);
                }
            }
            Dialect::Responses => list(&value["output"]).for_each(|item| self.item(item)),
            Dialect::Messages => list(&value["content"]).for_each(|block| self.block(block)),
            Dialect::Embeddings | Dialect::Plain => {}
        }
    }

    fn event(&mut self, value: &Value) {
        match self.dialect {
            Dialect::ChatCompletions | Dialect::Completions => {
                if let Some(choice) = first_choice(value) {
                    self.text(&choice["text"]);
                    self.message(&choice["delta"]);
                }
            }
            Dialect::Responses => match value["type"].as_str() {
                Some("response.output_text.delta") => self.text(&value["delta"]),
                Some("response.output_item.done") if value["item"]["type"] != "message" => self.item(&value["item"]),
                _ => {}
            },
            Dialect::Messages => match value["type"].as_str() {
                Some("content_block_start") => {
                    let block = &value["content_block"];
                    self.text(&block["text"]);
                    if block["type"] == "tool_use" {
                        self.call_at(index(value), block["name"].as_str(), None);
                    }
                }
                Some("content_block_delta") => {
                    self.text(&value["delta"]["text"]);
                    if let Some(part) = value["delta"]["partial_json"].as_str() {
                        self.call_at(index(value), None, Some(part));
                    }
                }
                _ => {}
            },
            Dialect::Embeddings | Dialect::Plain => {}
        }
    }

    /// A message of chat completions, or a part of one.
    fn message(&mut self, message: &Value) {
        self.text(&message["content"]);
        list(&message["content"]).for_each(|part| self.text(&part["text"]));
        for (place, call) in (0..).zip(list(&message["tool_calls"])) {
            let place = call["index"].as_u64().unwrap_or(place);
            self.call_at(place, call["function"]["name"].as_str(), call["function"]["arguments"].as_str());
        }
        let earlier = &message["function_call"];
        if earlier.is_object() {
            self.call_at(0, earlier["name"].as_str(), earlier["arguments"].as_str());
        }
    }

    /// An item of a response's output.
    fn item(&mut self, item: &Value) {
        list(&item["content"]).for_each(|part| self.text(&part["text"]));
        if item["type"] == "function_call" {
            self.call(item["name"].as_str().unwrap_or_default(), item["arguments"].as_str().unwrap_or_default());
        }
    }

    /// A block of a whole message.
    fn block(&mut self, block: &Value) {
        self.text(&block["text"]);
        if block["type"] == "tool_use" {
            self.call(block["name"].as_str().unwrap_or_default(), &block["input"].to_string());
        }
    }

    fn text(&mut self, text: &Value) {
        let text = text.as_str().unwrap_or_default();
        let room = LONGEST_TEXT.saturating_sub(self.found.text.len());
        self.found.text.push_str(&text[..text.floor_char_boundary(room)]);
    }

    fn call(&mut self, name: &str, arguments: &str) {
        if self.found.calls.len() < MOST_CALLS {
            let kept = &arguments[..arguments.floor_char_boundary(LONGEST_TEXT)];
            self.found.calls.push(ToolCall { name: name.to_owned(), arguments: kept.to_owned() });
        }
    }

    /// A part of the call at this index of the stream.
    fn call_at(&mut self, place: u64, name: Option<&str>, arguments: Option<&str>) {
        let known = self.places.iter().position(|known| *known == place);
        let index = known.unwrap_or(self.places.len());
        if known.is_none() {
            if self.places.len() == MOST_CALLS {
                return;
            }
            self.places.push(place);
            self.found.calls.push(ToolCall::default());
        }
        let Some(call) = self.found.calls.get_mut(index) else { return };
        if call.name.is_empty() {
            call.name.push_str(name.unwrap_or_default());
        }
        let (arguments, room) = (arguments.unwrap_or_default(), LONGEST_TEXT.saturating_sub(call.arguments.len()));
        call.arguments.push_str(&arguments[..arguments.floor_char_boundary(room)]);
    }
}

fn index(value: &Value) -> u64 {
    value["index"].as_u64().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Of several choices the first is compared.
fn first_choice(value: &Value) -> Option<&Value> {
    list(&value["choices"]).find(|choice| choice["index"].as_u64().unwrap_or_default() == 0)
}

#[cfg(test)]
mod tests;
