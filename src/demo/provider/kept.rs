//! What a provider keeps besides files: responses and conversations, by their ids, and what it says of those it lacks.
//!
//! Held in memory within a bound: the oldest goes first. The answers about what is missing have the words and codes of
//! the real APIs, since a client's library and a proxy go by them. Makes no answer of its own. Invariant: an id that
//! was given out is known until it is deleted or pushed out.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::files::Files;

const MOST: usize = 10_000;

/// All that one provider keeps.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) files: Files,
    pub(super) responses: Objects,
    pub(super) conversations: Objects,
}

impl Kept {
    /// With this many bytes of files.
    pub(super) fn new(most_bytes: usize) -> Kept {
        Kept { files: Files::new(most_bytes), responses: Objects::default(), conversations: Objects::default() }
    }

    /// Why a request for a response cannot go on: status and body. `None`: all that it names is here.
    pub(super) fn lacks(&self, body: &Value) -> Option<(u16, Value)> {
        if let Some(id) = body["previous_response_id"].as_str()
            && self.responses.get(id).is_none()
        {
            let message = format!("Previous response with id '{id}' not found.");
            return Some((400, missing(&message, Some("previous_response_id"), Some("previous_response_not_found"))));
        }
        let conversation = body["conversation"].as_str().or_else(|| body["conversation"]["id"].as_str());
        if let Some(id) = conversation.filter(|id| self.conversations.get(id).is_none()) {
            return Some((404, missing(&format!("Conversation with id '{id}' not found."), None, None)));
        }
        let id = file_named(&body["input"]).filter(|id| self.files.find(id).is_none())?;
        Some((404, no_file(id)))
    }
}

/// The first file that the input names.
fn file_named(input: &Value) -> Option<&str> {
    let items = input.as_array()?.iter();
    items.filter_map(|item| item["content"].as_array()).flatten().find_map(|part| part["file_id"].as_str())
}

/// An error about something that is not here.
pub(super) fn missing(message: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({ "error": { "message": message, "type": "invalid_request_error", "param": param, "code": code } })
}

pub(super) fn no_response(id: &str) -> Value {
    missing(&format!("Response with id '{id}' not found."), None, None)
}

pub(super) fn no_file(id: &str) -> Value {
    missing(&format!("No such File object: {id}"), Some("id"), None)
}

/// Objects by their ids, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Objects {
    kept: RefCell<(VecDeque<String>, BTreeMap<String, Value>)>,
    made: Cell<u64>,
}

impl Objects {
    pub(super) fn keep(&self, id: &str, object: Value) {
        let (order, objects) = &mut *self.kept.borrow_mut();
        if objects.insert(id.to_owned(), object).is_none() {
            order.push_back(id.to_owned());
        }
        while order.len() > MOST {
            if let Some(oldest) = order.pop_front() {
                objects.remove(&oldest);
            }
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Value> {
        self.kept.borrow().1.get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) -> bool {
        let (order, objects) = &mut *self.kept.borrow_mut();
        order.retain(|known| known != id);
        objects.remove(id).is_some()
    }

    /// A number that no other object has.
    pub(super) fn number(&self) -> u64 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }
}
