//! The requests to a deployment: one at a time, each on a connection of its own, timed from its first byte.
//!
//! Owns their limits. Sends what it is told and reads a bounded part of what comes. Refuses redirects and retries, and
//! says nothing of what an answer means. Invariant: every request ends.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};

use crate::app;
use crate::clock;
use crate::decide::cause::NoConnection;
use crate::decide::policy::{BaseUrl, Secret};
use crate::decide::units::Millis;

const CONNECT: Millis = Millis(10_000);
/// A model may think before it answers.
const LONGEST: Duration = Duration::from_secs(120);
/// More of a body is not read.
const LARGEST: usize = 1024 * 1024;

/// What came back.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether the body ended in order, and what broke it if not.
    pub(super) broken: Option<String>,
    pub(super) times: Times,
}

/// When it came, from the moment in which the request was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) head: Duration,
    /// The first output of a stream.
    pub(super) first_output: Option<Duration>,
    pub(super) whole: Duration,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why nothing came back.
#[derive(Debug)]
pub(super) enum NoAnswer {
    Unreachable(NoConnection),
    /// The connection ended before a head, in these words.
    Broken(String),
    TooLate(Duration),
}

/// Asks once.
pub(super) async fn ask(
    base: &BaseUrl,
    key: Option<&Secret>,
    method: Method,
    path: &str,
    body: Option<String>,
) -> Result<Answer, NoAnswer> {
    match tokio::time::timeout(LONGEST, exchange(base, key, method, path, body)).await {
        Ok(answer) => answer,
        Err(_) => Err(NoAnswer::TooLate(LONGEST)),
    }
}

async fn exchange(
    base: &BaseUrl,
    key: Option<&Secret>,
    method: Method,
    path: &str,
    body: Option<String>,
) -> Result<Answer, NoAnswer> {
    let mut sender = app::connect_directly(base, CONNECT).await.map_err(NoAnswer::Unreachable)?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, base.authority())
        .header(header::USER_AGENT, concat!("serin-selftest/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "*/*");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let words = |error: &dyn std::error::Error| NoAnswer::Broken(error.to_string());
    let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(|error| words(&error))?;
    let began = clock::instant();
    let response = sender.send_request(request).await.map_err(|error| words(&error))?;
    let (head, mut incoming) = response.into_parts();
    let mut answer = Answer { status: head.status, headers: head.headers, ..Answer::default() };
    answer.times.head = began.elapsed();
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => answer.body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..])),
            Err(error) => {
                answer.broken = Some(error.to_string());
                break;
            }
        }
        if answer.times.first_output.is_none() && says_something(&answer.body) {
            answer.times.first_output = Some(began.elapsed());
        }
        if answer.body.len() > LARGEST {
            answer.broken = Some("more than a megabyte for a few words".to_owned());
            break;
        }
    }
    answer.times.whole = began.elapsed();
    Ok(answer)
}

/// Whether a stream has an event with output: any that has more than the role.
fn says_something(stream: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stream);
    let mut events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    events.any(|data| {
        let event: serde_json::Value = serde_json::from_str(data.trim()).unwrap_or_default();
        let delta = &event["choices"][0]["delta"];
        let said = |name: &str| delta[name].as_str().is_some_and(|text| !text.is_empty());
        said("content") || said("reasoning_content") || said("reasoning") || delta["tool_calls"].is_array()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_no_output() {
        let role = r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#;
        let word = r#"data: {"choices":[{"delta":{"content":"a"}}]}"#;
        let half = &word[..30];
        assert!(!says_something(format!("{role}\n\n{half}").as_bytes()));
        assert!(says_something(format!("{role}\n\n{word}\n\n").as_bytes()));
        assert!(says_something(format!("event: chunk\r\n{role}\r\n\r\nid: 1\r\n{word}\r\n\r\n").as_bytes()));
        assert!(!says_something(b": keep-alive\n\n"));
    }
}
