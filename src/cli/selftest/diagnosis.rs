//! What an answer of a deployment means, in the words of whoever has to mend it.
//!
//! Pure. Tells Serin from others by its headers and its errors, a refused key of Serin's clients from that of a
//! provider, and an API from a web page. Invariant: no word of the key is in what it says.

use serde_json::Value;

use super::requests::{Answer, NoAnswer};
use crate::decide::cause::{NoConnection, TlsFault};
use crate::decide::policy::Secret;
use crate::decide::printable::printable_start;

/// The most that is shown of a foreign text.
const SHOWN: usize = 200;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    Failed,
    /// It could not be asked.
    Skipped,
}

/// One check and what was seen.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) standing: Standing,
    pub(super) seen: String,
}

impl Finding {
    pub(super) fn good(seen: impl Into<String>) -> Finding {
        Finding { standing: Standing::Good, seen: seen.into() }
    }

    pub(super) fn failed(seen: impl Into<String>) -> Finding {
        Finding { standing: Standing::Failed, seen: seen.into() }
    }

    pub(super) fn skipped(seen: impl Into<String>) -> Finding {
        Finding { standing: Standing::Skipped, seen: seen.into() }
    }
}

/// Whether Serin itself answers here.
pub(super) fn health(answer: &Answer) -> Finding {
    let status = answer.status.as_u16();
    if status == 200 && answer.header("content-type").starts_with("text/plain") && answer.text().trim() == "alive" {
        return Finding::failed(
            "this is the admin or the probe port of a Serin, and not the port of the application: give `listen` of its \
             flags.yaml",
        );
    }
    if is_serins(answer) {
        return Finding::good("Serin answers");
    }
    Finding::failed(format!(
        "not Serin: {} for a path outside of the mount, without Serin's error{}",
        status,
        page(answer).map_or_else(String::new, |page| format!("; {page}"))
    ))
}

/// Whether this came through Serin. Its own errors say so in their bodies, too.
pub(super) fn is_serins(answer: &Answer) -> bool {
    let named = answer.headers.keys().any(|name| name.as_str().starts_with("x-serin-"));
    named || (answer.status.as_u16() == 404 && answer.text().contains("where Serin serves"))
}

/// The names in a list of models.
pub(super) fn models(answer: &Answer, key: Option<&Secret>) -> Result<Vec<String>, String> {
    if answer.status != 200 {
        return Err(refused(answer, key));
    }
    let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(models) = list["data"].as_array() else {
        return Err(format!("not an LLM API: the list of models is none{}", what(answer)));
    };
    Ok(models.iter().filter_map(|model| model["id"].as_str().map(str::to_owned)).collect())
}

/// A model that costs little, of those that can talk.
pub(super) fn cheap(models: &[String]) -> Option<&String> {
    const SMALL: [&str; 9] = ["nano", "mini", "haiku", "flash-lite", "flash", "small", "lite", "8b", "instant"];
    const MUTE: [&str; 14] = [
        "embed",
        "whisper",
        "tts",
        "dall",
        "image",
        "moderation",
        "audio",
        "realtime",
        "transcribe",
        "rerank",
        "sora",
        "video",
        "search",
        "guard",
    ];
    let talks = |model: &&String| !MUTE.iter().any(|mute| model.to_ascii_lowercase().contains(mute));
    let small = |size: &str| models.iter().filter(talks).find(|model| model.to_ascii_lowercase().contains(size));
    SMALL.into_iter().find_map(small).or_else(|| models.iter().find(talks))
}

/// Whether this is a whole chat completion.
pub(super) fn chat(answer: &Answer, key: Option<&Secret>) -> Result<(), String> {
    if answer.status != 200 {
        return Err(refused(answer, key));
    }
    if let Some(broken) = &answer.broken {
        return Err(format!("the response broke off after {} bytes: {broken}", answer.body.len()));
    }
    let response: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if response["error"].is_object() {
        return Err(format!("a 200 with an error in it: {}", message(answer, key)));
    }
    if response["choices"][0]["message"].is_object() {
        Ok(())
    } else {
        Err(format!("not an LLM API: no chat completion{}", what(answer)))
    }
}

/// Whether this is a whole stream.
pub(super) fn stream(answer: &Answer, key: Option<&Secret>) -> Result<(), String> {
    if answer.status != 200 {
        return Err(refused(answer, key));
    }
    let text = answer.text();
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
    let events: Vec<Value> = data.iter().filter_map(|data| serde_json::from_str(data).ok()).collect();
    if let Some(error) = events.iter().find(|event| event["error"].is_object()) {
        let said = error["error"]["message"].as_str().unwrap_or_default();
        return Err(format!("an error event in the stream: {}", shown(said, key)));
    }
    let chunks = events.iter().filter(|event| event["choices"].is_array()).count();
    let ended =
        data.last() == Some(&"[DONE]") || events.iter().any(|event| event["choices"][0]["finish_reason"].is_string());
    if chunks == 0 {
        return Err(format!("not a stream of chat completions{}", what(answer)));
    }
    if let Some(broken) = &answer.broken {
        return Err(format!("the stream broke off after {chunks} events: {broken}"));
    }
    if !ended {
        return Err(format!("the stream ended after {chunks} events without an end"));
    }
    if answer.times.first_output.is_none() {
        return Err("the stream has an end and no output".to_owned());
    }
    Ok(())
}

/// Whether the parameter for the length is the reason of a refusal.
pub(super) fn wants_other_length(answer: &Answer) -> bool {
    answer.status == 400 && answer.text().contains("max_completion_tokens")
}

/// An answer that is no success.
fn refused(answer: &Answer, key: Option<&Secret>) -> String {
    let status = answer.status.as_u16();
    let provider = answer.header("x-serin-provider");
    let by = match (answer.headers.contains_key("x-serin-error"), provider) {
        (true, _) => "Serin".to_owned(),
        (false, "") => "it".to_owned(),
        (false, provider) => format!("`{}`", printable_start(provider, SHOWN)),
    };
    let said = message(answer, key);
    let given = if key.is_some() { "the key is refused" } else { "a key is needed" };
    match status {
        401 | 403 if by == "Serin" => {
            format!("{status}: {given}; give a key of `clients` of flags.yaml with --key or SERIN_SELFTEST_KEY")
        }
        401 | 403 => format!(
            "{status}: {by} says that {given}; check --key (SERIN_SELFTEST_KEY), or `api_keys` of the provider: {said}"
        ),
        300..=399 => format!("{status}: it redirects to {}; give that address", place(answer)),
        404 if by == "Serin" => format!("404: {said}; is the path of --url its `mount`?"),
        404 => format!("404 by {by}: {said}; check the path of --url and --model"),
        429 => format!("429 by {by}: {said}; it is asked too often, or its quota is spent"),
        _ => format!("{status} by {by}: {said}"),
    }
}

/// Where it redirects to, without what may be a secret.
fn place(answer: &Answer) -> String {
    let to = answer.header("location");
    if to.is_empty() { "nowhere".to_owned() } else { printable_start(to.split(['?', '#']).next().unwrap_or(to), SHOWN) }
}

/// What an error says, or how it looks where it says nothing.
fn message(answer: &Answer, key: Option<&Secret>) -> String {
    let error: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = [&error["error"]["message"], &error["message"], &error["error"], &error["detail"]];
    match said.into_iter().find_map(Value::as_str) {
        Some(said) => shown(said, key),
        None => page(answer).unwrap_or_else(|| "no error message".to_owned()),
    }
}

fn page(answer: &Answer) -> Option<String> {
    let kind = answer.header("content-type").split(';').next().unwrap_or_default();
    (kind == "text/html").then(|| "it is a web page".to_owned())
}

fn what(answer: &Answer) -> String {
    let kind = answer.header("content-type");
    let kind = if kind.is_empty() { "without a content type" } else { kind };
    format!(" ({}, {} bytes)", printable_start(kind, 60), answer.body.len())
}

/// A foreign text on one line, without the key.
fn shown(text: &str, key: Option<&Secret>) -> String {
    let text = match key {
        Some(key) => text.replace(key.reveal(), "[the key]"),
        None => text.to_owned(),
    };
    printable_start(&text, SHOWN)
}

/// Why there is no answer, and what to check.
pub(super) fn unanswered(why: &NoAnswer) -> String {
    match why {
        NoAnswer::Unreachable(no @ NoConnection::Tls { fault: TlsFault::UnknownIssuer, host, .. }) => format!(
            "TLS: {}; if it is your own authority, name its file in SSL_CERT_FILE",
            no.to_string().split(';').next().unwrap_or(host)
        ),
        NoAnswer::Unreachable(no @ NoConnection::Tls { .. }) => format!("TLS: {no}; is it https?"),
        NoAnswer::Unreachable(no @ NoConnection::Tcp { .. }) => format!("{no}; does it run, and is that its port?"),
        NoAnswer::Unreachable(no) => no.to_string(),
        NoAnswer::Broken(words) => format!("the connection ended without a response ({words}); is it HTTP, or https?"),
        NoAnswer::TooLate(after) => format!("no response within {} s", after.as_secs()),
    }
}

#[cfg(test)]
mod tests;
