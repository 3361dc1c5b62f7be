//! The three languages of the tests, as an app speaks them: where it asks, how, and what it makes of a stream.
//!
//! Owns the requests and the reading of events on the client's side. Nothing here is the sidecar's own code, so what
//! the sidecar writes is read by somebody else. Events are compared byte for byte.

use std::fmt;

use serde_json::{Value, json};

/// What an app speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Responses,
    Messages,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path()[4..])
    }
}

impl Api {
    pub(crate) const ALL: [Api; 3] = [Api::Chat, Api::Responses, Api::Messages];

    pub(crate) fn of(path: &str) -> Option<Api> {
        Api::ALL.into_iter().find(|api| path.split('?').next() == Some(api.path()))
    }

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Api::Chat => "/v1/chat/completions",
            Api::Responses => "/v1/responses",
            Api::Messages => "/v1/messages",
        }
    }

    /// A request for this model.
    pub(crate) fn ask(self, model: &str, stream: bool) -> String {
        self.ask_at_length(model, stream, "hi", None)
    }

    /// The same with these words, of this user.
    pub(crate) fn ask_at_length(self, model: &str, stream: bool, words: &str, user: Option<&str>) -> String {
        let said = json!([{ "role": "user", "content": words }]);
        let mut asked = match self {
            Api::Chat => json!({ "model": model, "messages": said, "user": user }),
            Api::Responses => json!({ "model": model, "input": words, "safety_identifier": user }),
            Api::Messages => {
                json!({ "model": model, "max_tokens": 100, "messages": said, "metadata": { "user_id": user } })
            }
        };
        if stream {
            asked["stream"] = json!(true);
        }
        asked.to_string()
    }

    /// What is wrong with this as the one error event that ends a stream; the official SDKs must raise on it.
    pub(crate) fn look_at_error_event(self, text: &str) -> Result<(), String> {
        let event = text.trim_start_matches(['\r', '\n']);
        let event = match event.split_once("\n\n") {
            Some((failed, event)) if self == Api::Responses && failed.starts_with("event: response.failed\n") => {
                look_at_failure(failed)?;
                event
            }
            _ => event,
        };
        let wrong = |what: &str| Err(format!("{what}: {text:?}"));
        let Some(event) = event.strip_suffix("\n\n") else { return wrong("no event, complete with its blank line") };
        if event.contains("\n\n") {
            return wrong("more than one event");
        }
        let field = |name: &str| {
            let values = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            values.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>().join("\n")
        };
        let Ok(data) = serde_json::from_str::<Value>(&field("data")) else { return wrong("no JSON in its data") };
        let named = field("event") == "error";
        if !data["error"].is_object() || !data["error"]["message"].is_string() {
            return wrong("no `error` with a `message`");
        }
        match self {
            Api::Chat => Ok(()),
            Api::Responses if data["type"] == "error" => Ok(()),
            Api::Responses => wrong("its type is not `error`"),
            Api::Messages if named && data["type"] == "error" && data["error"]["type"].is_string() => Ok(()),
            Api::Messages => wrong("no `event: error` of type `error` whose error has a type"),
        }
    }
}

/// What is wrong with this as the event that says that a response failed, which stands before the one that is raised.
fn look_at_failure(event: &str) -> Result<(), String> {
    let data = event.split_once("\ndata: ").map_or("", |(_, data)| data);
    let data: Value = serde_json::from_str(data).map_err(|error| format!("{error}: {event:?}"))?;
    let response = &data["response"];
    let says = data["type"] == "response.failed" && response["status"] == "failed" && response["error"].is_object();
    let named = response["id"].as_str().is_some_and(|id| id.starts_with("resp_"));
    if says && named { Ok(()) } else { Err(format!("no response that failed: {event:?}")) }
}

/// The complete events of a stream, each with its blank line, and what comes after them.
pub(crate) fn events(stream: &str) -> (Vec<String>, String) {
    let mut events: Vec<String> = stream.split_inclusive("\n\n").map(str::to_owned).collect();
    let rest = events.pop_if(|last| !last.ends_with("\n\n")).unwrap_or_default();
    (events, rest)
}

/// How many of these events are complete within so many bytes.
pub(crate) fn complete_within(events: &[String], bytes: usize) -> usize {
    let mut end = 0;
    let ends = events.iter().map(|event| {
        end += event.len();
        end
    });
    ends.take_while(|&end| end <= bytes).count()
}

/// Where two texts part, told briefly; `None` when they are the same.
pub(crate) fn difference(seen: &str, expected: &str) -> Option<String> {
    if seen == expected {
        return None;
    }
    let at = seen.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| String::from_utf8_lossy(&text.as_bytes()[at..text.len().min(at + 200)]).into_owned();
    let (seen_bytes, expected_bytes) = (seen.len(), expected.len());
    Some(format!(
        "{seen_bytes} bytes instead of {expected_bytes}; from byte {at} on {:?} instead of {:?}",
        from(seen),
        from(expected)
    ))
}
