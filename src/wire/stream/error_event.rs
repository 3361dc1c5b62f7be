//! The event that says that an answer broke off, in each dialect's words.
//!
//! Owns the bytes after which the official SDKs raise instead of taking a cut answer for a whole one. It never forges an
//! end: no `[DONE]`, no `message_stop`. For OpenAI's SDKs what counts is the key `error` in the data, for responses too;
//! for Anthropic's, the event's name.

use bytes::Bytes;
use serde::Serialize;

use super::super::dialect::Dialect;

#[derive(Serialize)]
struct Chat<'a> {
    error: Error<'a>,
}

/// In the order in which OpenAI writes them.
#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

#[derive(Serialize)]
struct Response<'a> {
    r#type: &'a str,
    sequence_number: u64,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    error: Error<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    error: MessageError<'a>,
}

#[derive(Serialize)]
struct MessageError<'a> {
    r#type: &'a str,
    message: &'a str,
}

/// The event for a stream whose last event had this sequence number, on a fresh line.
pub(super) fn write(dialect: Dialect, sequence: Option<u64>, midway: bool, code: &str, message: &str) -> Bytes {
    let error = Error { message, r#type: "server_error", param: None, code };
    let (name, data) = match dialect {
        Dialect::Responses => {
            let sequence_number = sequence.map_or(0, |last| last.saturating_add(1));
            ("event: error\n", text(&Response { r#type: "error", sequence_number, code, message, param: None, error }))
        }
        Dialect::Messages => {
            let error = MessageError { r#type: "api_error", message };
            ("event: error\n", text(&Message { r#type: "error", error }))
        }
        Dialect::ChatCompletions | Dialect::Completions | Dialect::Embeddings | Dialect::Plain => {
            ("", text(&Chat { error }))
        }
    };
    let fresh = if midway { "\n\n" } else { "" };
    format!("{fresh}{name}data: {data}\n\n").into()
}

/// JSON on one line: within texts, line ends are escaped.
fn text(value: &impl Serialize) -> String {
    // Text and numbers have no way to fail.
    serde_json::to_string(value).unwrap_or_default()
}
