//! What an answer is to its client: recovered, honest or wrong.
//!
//! Pure. An answer is compared byte for byte with what each provider would have said, so nothing here shares code with
//! what is judged. Refuses to guess: what is not surely right or surely an error is wrong. Invariant: half an answer
//! that looks whole, an answer to another question, a status that lies, a wait without end and a key at the wrong
//! provider are wrong whatever else is well.

use serde_json::Value;

use super::fault::Form;
use super::question::Question;
use super::verdict::{Honest, Verdict, Wrong};
use crate::decide::units::Millis;
use crate::demo::provider::Endpoint;

/// Every key of a selftest begins so; the rest names its owner.
pub(super) const KEY: &str = "serin-selftest-key-";
/// Every question begins so; the rest is its own.
pub(super) const QUESTION: &str = "question-";

/// What a client received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    /// `None`: no head came.
    pub(super) status: Option<u16>,
    /// `x-serin-provider`.
    pub(super) provider: String,
    /// Whether Serin says that the error is its own.
    pub(super) own_error: bool,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
    pub(super) took: Millis,
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Complete,
    /// The connection broke, in these words.
    Broken(String),
    /// It was still under way when the client's patience ended.
    TooLate,
}

/// What a provider was sent in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) provider: String,
    /// The owners of all keys in it.
    pub(super) keys: Vec<String>,
}

/// What may come of a request.
#[derive(Clone, Debug)]
pub(super) struct Expected<'a> {
    pub(super) question: Question<'a>,
    pub(super) form: Form,
    /// Who may answer it.
    pub(super) providers: Vec<&'a str>,
    /// Who fails.
    pub(super) failing: &'a str,
    /// Whether the failing one has to have been asked.
    pub(super) is_asked: bool,
    /// The error status that the failing one gave.
    pub(super) status: Option<u16>,
    /// How the failing one says nothing, where that is passed on.
    pub(super) empty: Option<Empty>,
}

/// An answer without output that is no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    WellFormed,
    NoBytes,
}

/// What this answer is.
pub(super) fn judge(expected: &Expected<'_>, received: &Received, sent: &[Sent]) -> Verdict {
    if let Some(wrong) = credentials(received, sent) {
        return Verdict::Wrong(wrong);
    }
    let text = String::from_utf8_lossy(&received.body);
    // A question that is cut off is still this one.
    if let Some(question) = marked(&text, QUESTION).into_iter().find(|question| !own(expected).starts_with(question)) {
        return Verdict::Wrong(Wrong::Foreign(format!("{QUESTION}{question}")));
    }
    if received.end == End::TooLate {
        return Verdict::Wrong(Wrong::Hang(received.took));
    }
    if expected.is_asked && !sent.iter().any(|sent| sent.provider == expected.failing) {
        return Verdict::Wrong(Wrong::NotAsked);
    }
    match (received.status, expected.form) {
        (None, _) => {
            let why = if let End::Broken(why) = &received.end { why.as_str() } else { "the connection ended" };
            Verdict::Wrong(Wrong::NoResponse(why.to_owned()))
        }
        (Some(200), Form::Whole) => of_whole(expected, received),
        (Some(200), Form::Stream) => of_stream(expected, received),
        (Some(101), Form::WebSocket) => of_whole(expected, received),
        (Some(status), _) => of_error(expected, received, status),
    }
}

fn own<'a>(expected: &Expected<'a>) -> &'a str {
    expected.question.text.strip_prefix(QUESTION).unwrap_or(expected.question.text)
}

/// The words that follow a mark in a text, once each.
pub(super) fn marked(text: &str, mark: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    let mut words: Vec<String> = text.split(mark).skip(1).map(word).collect();
    words.sort();
    words.dedup();
    words
}

fn credentials(received: &Received, sent: &[Sent]) -> Option<Wrong> {
    for Sent { provider, keys } in sent {
        if let Some(owner) = keys.iter().find(|owner| *owner != provider) {
            return Some(Wrong::Credential { owner: owner.clone(), provider: provider.clone() });
        }
        if keys.is_empty() {
            return Some(Wrong::NoKey(provider.clone()));
        }
    }
    let text = String::from_utf8_lossy(&received.body);
    marked(&text, KEY).pop().map(Wrong::KeyShown)
}

/// What a provider says to a WebSocket.
pub(super) fn greeting(provider: &str, question: &str) -> String {
    format!("{provider} hears {question}")
}

fn recovered(by: &str, received: &Received) -> Verdict {
    if received.provider == by {
        Verdict::Recovered(by.to_owned())
    } else {
        Verdict::Wrong(Wrong::Misnamed { named: received.provider.clone(), by: by.to_owned() })
    }
}

fn half(received: &Received) -> Verdict {
    let text = String::from_utf8_lossy(&received.body);
    let end = text.char_indices().rev().nth(79).map_or(0, |(at, _)| at);
    Verdict::Wrong(Wrong::Half { bytes: received.body.len(), shown: text[end..].to_owned() })
}

fn of_whole(expected: &Expected<'_>, received: &Received) -> Verdict {
    if let End::Broken(_) = received.end {
        return Verdict::Honest(Honest::BrokenOff);
    }
    let whole = |provider: &str| match expected.form {
        Form::WebSocket => greeting(provider, expected.question.text).into_bytes(),
        Form::Whole | Form::Stream => expected.question.whole(provider),
    };
    match expected.providers.iter().find(|provider| whole(provider) == received.body) {
        Some(provider) => recovered(provider, received),
        None if is_empty(expected, received) => Verdict::Honest(Honest::Empty),
        None => half(received),
    }
}

/// Whether it is what the failing provider said, which was nothing.
fn is_empty(expected: &Expected<'_>, received: &Received) -> bool {
    let question = expected.question;
    let nothing = match (expected.empty, expected.form) {
        (None, _) => return false,
        (Some(Empty::NoBytes), _) => Vec::new(),
        (Some(Empty::WellFormed), Form::Stream) => question.empty_events(expected.failing).concat().into_bytes(),
        (Some(Empty::WellFormed), Form::Whole | Form::WebSocket) => question.empty(expected.failing),
    };
    received.body == nothing
}

fn of_stream(expected: &Expected<'_>, received: &Received) -> Verdict {
    let body = received.body.as_slice();
    let streams: Vec<(&str, Vec<String>)> =
        expected.providers.iter().map(|provider| (*provider, expected.question.events(provider))).collect();
    if let Some((provider, _)) = streams.iter().find(|(_, events)| events.concat().as_bytes() == body) {
        return recovered(provider, received);
    }
    if is_empty(expected, received) {
        return Verdict::Honest(Honest::Empty);
    }
    // What came before an error is one provider's beginning, and not its end.
    let rest = streams.iter().find_map(|(_, events)| {
        let mut rest = audible(body);
        let mut taken = 0;
        for event in events {
            let Some(after) = rest.strip_prefix(event.as_bytes()) else { break };
            (rest, taken) = (audible(after), taken + 1);
        }
        let next = events.get(taken).map_or(&b""[..], |event| event.as_bytes());
        let broken = matches!(received.end, End::Broken(_)) && next.starts_with(rest);
        (broken || (taken < events.len() && is_error(expected.question.endpoint, rest))).then_some(broken)
    });
    match rest {
        Some(true) => Verdict::Honest(Honest::BrokenOff),
        Some(false) => Verdict::Honest(Honest::ErrorEvent),
        None => half(received),
    }
}

/// What a client hears of a stream: blank lines and comments say nothing.
fn audible(mut stream: &[u8]) -> &[u8] {
    loop {
        match stream {
            [b'\r' | b'\n', rest @ ..] => stream = rest,
            [b':', rest @ ..] => match memchr::memchr(b'\n', rest) {
                Some(end) => stream = &rest[end + 1..],
                None => return &[],
            },
            _ => return stream,
        }
    }
}

/// Whether these events are errors for which a client of this API raises, and nothing else.
fn is_error(endpoint: Endpoint, rest: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(rest) else { return false };
    let Some(text) = text.strip_suffix("\n\n") else { return false };
    let field = |event: &str, name: &str| {
        let lines = event.lines().filter_map(|line| line.strip_prefix(name));
        lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>().join("\n")
    };
    let mut raised = false;
    for event in text.split("\n\n") {
        let Ok(data) = serde_json::from_str::<Value>(&field(event, "data:")) else { return false };
        let says = data["error"]["message"].is_string() || data["message"].is_string();
        let named = field(event, "event:");
        let (is_error, raises) = match endpoint {
            Endpoint::Messages => (named == "error" && data["type"] == "error" && says, true),
            // Some clients know only this one: it stands beside the one that is raised.
            Endpoint::Responses if named == "response.failed" => (data["response"]["status"] == "failed", false),
            Endpoint::Responses => (data["type"] == "error" && says, true),
            _ => (says && data["choices"].is_null(), true),
        };
        if !is_error {
            return false;
        }
        raised |= raises;
    }
    raised
}

fn of_error(expected: &Expected<'_>, received: &Received, status: u16) -> Verdict {
    let text = String::from_utf8_lossy(&received.body);
    let wrong = || {
        let shown = text.chars().take(200).collect();
        Verdict::Wrong(Wrong::Status { status, shown })
    };
    // A status that no provider gave is Serin's own, and is no fault of the client.
    let given = expected.status == Some(status) && !received.own_error;
    let own = received.own_error && (status == 429 || (500..600).contains(&status));
    let error: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let message = error["error"]["message"].as_str().is_some_and(|message| !message.is_empty());
    let shaped = message && (expected.question.endpoint != Endpoint::Messages || error["type"] == "error");
    if (given || own) && shaped && received.end == End::Complete {
        Verdict::Honest(Honest::Error { status, own })
    } else {
        wrong()
    }
}

#[cfg(test)]
mod tests;
