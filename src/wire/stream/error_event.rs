//! The event that says that an answer broke off, in each dialect's words.
//!
//! Owns the bytes after which the official SDKs raise instead of taking a cut answer for a whole one. It never forges
//! an end: no `[DONE]`, no `message_stop`. For OpenAI's SDKs what counts is the key `error` in the data, for responses
//! too, where `response.failed` stands before it for applications that wait for an end; for Anthropic's, the event's
//! name.

use bytes::Bytes;
use serde::Serialize;

use super::super::dialect::Dialect;
use super::super::json::responses::Opened;

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

/// A response that failed, as far as it can be told; OpenAI's SDKs hand this one on to the application.
#[derive(Serialize)]
struct Failed<'a> {
    r#type: &'a str,
    sequence_number: u64,
    response: FailedResponse<'a>,
}

#[derive(Serialize)]
struct FailedResponse<'a> {
    id: &'a str,
    object: &'a str,
    created_at: u64,
    status: &'a str,
    error: Reason<'a>,
    incomplete_details: Option<()>,
    model: &'a str,
    output: [(); 0],
    usage: Option<()>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: &'a str,
    message: &'a str,
}

/// And this one they raise.
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

/// The event, or two of them, for a stream whose last event had this sequence number, on a fresh line. `opened`: the
/// response that it is about.
pub(super) fn write(
    dialect: Dialect,
    opened: Option<&Opened>,
    sequence: Option<u64>,
    midway: bool,
    code: &str,
    message: &str,
) -> Bytes {
    let fresh = if midway { "\n\n" } else { "" };
    let next = sequence.map_or(0, |last| last.saturating_add(1));
    let failed = opened.filter(|_| dialect == Dialect::Responses).map(|opened| failed(opened, next, message));
    let (before, sequence_number) = failed.map_or((String::new(), next), |failed| (failed, next.saturating_add(1)));
    let error = Error { message, r#type: "server_error", param: None, code };
    let (name, data) = match dialect {
        Dialect::Responses => {
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
    format!("{fresh}{before}{name}data: {data}\n\n").into()
}

fn failed(opened: &Opened, sequence_number: u64, message: &str) -> String {
    let data = text(&Failed {
        r#type: "response.failed",
        sequence_number,
        response: FailedResponse {
            id: &opened.id,
            object: "response",
            created_at: opened.created_at,
            status: "failed",
            error: Reason { code: "server_error", message },
            incomplete_details: None,
            model: &opened.model,
            output: [],
            usage: None,
        },
    });
    format!("event: response.failed\ndata: {data}\n\n")
}

/// JSON on one line: within texts, line ends are escaped.
fn text(value: &impl Serialize) -> String {
    // Text and numbers have no way to fail.
    serde_json::to_string(value).unwrap_or_default()
}
