//! What a provider of the selftest writes, byte by byte: a whole answer, or a fault.
//!
//! Pure: a fault and a question in, steps out. The answers are those of the demo's provider; their framing is written
//! here, since a fault lies in it. Refuses nothing and reads nothing. Invariant: the same question has the same answer,
//! so that a client can be compared with it byte for byte.

use std::time::Duration;

use serde_json::json;

use super::fault::{Cut, Fault, Form};
use super::question::Question;
use crate::demo::provider::Endpoint;

/// Between two pieces of a slow answer.
const PIECE: Duration = Duration::from_millis(100);
/// Long enough for what was written to be read before a reset takes it away.
const READ: Duration = Duration::from_millis(100);
const JSON: &str = "content-type: application/json\r\n";
const EVENTS: &str = "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One step of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Write(Vec<u8>),
    Wait(Duration),
    /// These bytes again and again, until the other side leaves.
    Repeat(&'static [u8]),
    /// Nothing, until the other side leaves.
    Silence,
    Close,
    Reset,
}

fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}")
}

fn sized(status: u16, headers: &str, length: usize, body: &[u8]) -> Step {
    let mut bytes = head(status, &format!("{headers}content-length: {length}\r\n\r\n")).into_bytes();
    bytes.extend_from_slice(body);
    Step::Write(bytes)
}

fn json(status: u16, body: &[u8]) -> Step {
    sized(status, JSON, body.len(), body)
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// What this provider does without a fault.
pub(super) fn healthy(provider: &str, question: Question<'_>, form: Form) -> Vec<Step> {
    match form {
        Form::Stream => {
            [vec![opened()], said(&question.events(provider)), vec![Step::Write(LAST_CHUNK.to_vec())]].concat()
        }
        Form::Whole | Form::WebSocket => vec![json(200, &question.whole(provider))],
    }
}

fn opened() -> Step {
    Step::Write(head(200, EVENTS).into_bytes())
}

fn said(events: &[String]) -> Vec<Step> {
    events.iter().map(|event| Step::Write(chunk(event.as_bytes()))).collect()
}

fn cut(cut: Cut) -> Vec<Step> {
    match cut {
        Cut::Reset => vec![Step::Wait(READ), Step::Reset],
        Cut::Close => vec![Step::Close],
        Cut::Clean => vec![Step::Write(LAST_CHUNK.to_vec()), Step::Close],
    }
}

/// What this provider does with this fault.
pub(super) fn steps(fault: Fault, provider: &str, question: Question<'_>, form: Form) -> Vec<Step> {
    match fault {
        // Whoever reaches it spoke plain HTTP, or what looks like nonsense.
        Fault::Refused | Fault::Blackhole | Fault::NoTls | Fault::TlsClosed | Fault::Close => vec![Step::Close],
        Fault::Reset => vec![Step::Reset],
        Fault::Garbage => vec![Step::Write(b"220 mail.example ESMTP ready\r\n".to_vec()), Step::Close],
        Fault::LongHead => {
            let long = format!("x-long: {}\r\n", "a".repeat(8000)).repeat(130);
            vec![sized(200, &format!("{JSON}{long}"), 2, b"{}"), Step::Close]
        }
        Fault::HalfHead => vec![Step::Write(b"HTTP/1.1 200 OK\r\ncontent-type: app".to_vec()), Step::Close],
        Fault::Silence => vec![Step::Silence],
        Fault::BlankLines => vec![
            Step::Write(head(200, &format!("{JSON}transfer-encoding: chunked\r\n\r\n")).into()),
            Step::Repeat(b"1\r\n\n\r\n"),
        ],
        Fault::ErrorIn200 => vec![json(200, question.endpoint.error(provider, 500).to_string().as_bytes())],
        Fault::WebPage => {
            let page = "<!doctype html><title>Welcome</title><p>Please log in to use the network.";
            vec![sized(200, "content-type: text/html\r\n", page.len(), page.as_bytes())]
        }
        Fault::WhiteSpace => vec![json(200, b" \n\n\n ")],
        Fault::NoBytes if form == Form::Whole => vec![json(200, b"")],
        _ => match (fault.status(), form) {
            (Some(status), _) => refusal(fault, status, provider, question),
            (None, Form::Stream) => streamed(fault, provider, question),
            (None, Form::Whole | Form::WebSocket) => unary(fault, provider, question),
        },
    }
}

fn refusal(fault: Fault, status: u16, provider: &str, question: Question<'_>) -> Vec<Step> {
    let mut body = question.endpoint.error(provider, status);
    let (code, param, message) = match fault {
        Fault::Throttled => ("rate_limit_exceeded", None, "Rate limit reached"),
        Fault::Quota => ("insufficient_quota", None, "You exceeded your current quota, please check your plan"),
        Fault::WrongKey => ("invalid_api_key", None, "Incorrect API key"),
        Fault::Forbidden => ("permission_denied", None, "This key has no access to the endpoint"),
        Fault::NoModel => ("model_not_found", Some("model"), "The model does not exist"),
        Fault::Parameter => ("unsupported_parameter", Some("user"), "Unsupported parameter: user"),
        _ => ("server_error", None, "The server had an error"),
    };
    body["error"]["message"] = json!(message);
    if question.endpoint != Endpoint::Messages {
        body["error"]["code"] = json!(code);
        body["error"]["param"] = json!(param);
        if fault == Fault::Quota {
            body["error"]["type"] = json!(code);
        }
    }
    let body = body.to_string();
    let wait = if fault == Fault::Throttled { "retry-after: 30\r\n" } else { "" };
    vec![sized(status, &format!("{JSON}{wait}"), body.len(), body.as_bytes())]
}

fn streamed(fault: Fault, provider: &str, question: Question<'_>) -> Vec<Step> {
    let events = question.events(provider);
    // After output: past the middle of what is said.
    let (start, late) = (question.start(), question.start() + 8);
    let error = vec![question.endpoint.error_event(provider)];
    let end = vec![Step::Write(LAST_CHUNK.to_vec())];
    let rest = match fault {
        Fault::SilentHead => vec![Step::Silence],
        Fault::SilentStart => [said(&events[..start]), vec![Step::Silence]].concat(),
        Fault::Comments => vec![Step::Repeat(b"e\r\n: keep-alive\n\n\r\n")],
        Fault::EarlyError => [said(&events[..start]), said(&error), end].concat(),
        Fault::EarlyCut(how) => [said(&events[..start]), cut(how)].concat(),
        Fault::NoBytes => end,
        Fault::TwoFramings => {
            let both = head(200, &format!("content-length: 9\r\n{EVENTS}")).into_bytes();
            return [vec![Step::Write(both)], said(&events), end].concat();
        }
        Fault::BadChunk => vec![Step::Write(b"zz\r\ndata: {}\n\n\r\n".to_vec()), Step::Close],
        Fault::Trickle => {
            let slow = events.iter().flat_map(|event| [Step::Write(chunk(event.as_bytes())), Step::Wait(PIECE / 4)]);
            slow.chain(end).collect()
        }
        Fault::Empty => [said(&question.empty_events(provider)), end].concat(),
        Fault::LateError => [said(&events[..late]), said(&error), end].concat(),
        Fault::LateCut(how) => [said(&events[..late]), cut(how)].concat(),
        Fault::LateSilence => [said(&events[..late]), vec![Step::Silence]].concat(),
        _ => vec![Step::Close],
    };
    [vec![opened()], rest].concat()
}

fn unary(fault: Fault, provider: &str, question: Question<'_>) -> Vec<Step> {
    let whole = question.whole(provider);
    let begun = |bytes: usize| sized(200, JSON, whole.len(), &whole[..bytes]);
    // The clean end of an answer without a length says nothing of what is missing.
    let chunked = |bytes: usize| {
        let mut start = head(200, &format!("{JSON}transfer-encoding: chunked\r\n\r\n")).into_bytes();
        start.extend(chunk(&whole[..bytes]));
        Step::Write(start)
    };
    let half = whole.len() / 2;
    match fault {
        Fault::SilentHead => vec![begun(0), Step::Silence],
        Fault::SilentStart => vec![begun(1), Step::Silence],
        Fault::LateSilence => vec![begun(half), Step::Silence],
        Fault::EarlyCut(Cut::Clean) => [vec![chunked(1)], cut(Cut::Clean)].concat(),
        Fault::EarlyCut(how) => [vec![begun(1)], cut(how)].concat(),
        Fault::LateCut(Cut::Clean) => [vec![chunked(half)], cut(Cut::Clean)].concat(),
        Fault::LateCut(how) => [vec![begun(half)], cut(how)].concat(),
        Fault::Malformed => {
            // As a program writes it that prints its own values in the place of JSON.
            let body = String::from_utf8_lossy(&whole).replace('"', "'").replace("null", "None");
            vec![json(200, body.as_bytes())]
        }
        Fault::LengthTooLong => vec![sized(200, JSON, whole.len() + 100, &whole), Step::Close],
        Fault::LengthTooShort => vec![sized(200, JSON, half, &whole), Step::Close],
        Fault::TwoFramings => {
            let both =
                head(200, &format!("{JSON}content-length: 9\r\ntransfer-encoding: chunked\r\n\r\n")).into_bytes();
            vec![Step::Write([both, chunk(&whole), LAST_CHUNK.to_vec()].concat())]
        }
        Fault::BadChunk => {
            let start = head(200, &format!("{JSON}transfer-encoding: chunked\r\n\r\n"));
            vec![Step::Write([start.as_bytes(), b"zz\r\n{}\r\n"].concat()), Step::Close]
        }
        Fault::Trickle => {
            let mut steps = vec![begun(0)];
            for piece in whole.chunks(whole.len() / 8 + 1) {
                steps.extend([Step::Wait(PIECE), Step::Write(piece.to_vec())]);
            }
            steps
        }
        Fault::Empty => vec![json(200, &question.empty(provider))],
        _ => vec![Step::Close],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::selftest::question::is_output;

    const QUESTION: Question<'_> = Question { endpoint: Endpoint::Chat, model: "m", text: "question-1" };

    fn written(steps: &[Step]) -> Vec<u8> {
        steps
            .iter()
            .filter_map(|step| if let Step::Write(bytes) = step { Some(bytes.clone()) } else { None })
            .flatten()
            .collect()
    }

    #[test]
    fn no_fault_writes_what_a_healthy_provider_writes() {
        for endpoint in [Endpoint::Chat, Endpoint::Responses, Endpoint::Messages] {
            let question = Question { endpoint, ..QUESTION };
            for form in [Form::Whole, Form::Stream] {
                let well = healthy("a", question, form);
                for fault in Fault::ALL.into_iter().filter(|fault| fault.has(form) && *fault != Fault::Trickle) {
                    let steps = steps(fault, "a", question, form);
                    assert!(!steps.is_empty() && steps != well, "{fault}, {form:?}, {endpoint:?}");
                    assert_ne!(written(&steps), written(&well), "{fault}, {form:?}, {endpoint:?}");
                }
            }
        }
    }

    #[test]
    fn a_late_fault_is_after_output_and_an_early_one_before() {
        for endpoint in [Endpoint::Chat, Endpoint::Responses, Endpoint::Messages] {
            let question = Question { endpoint, ..QUESTION };
            let events = question.events("a");
            assert!(!events[..question.start()].concat().contains("answering"), "{endpoint:?}");
            assert!(is_output(&events[question.start()]), "{endpoint:?}: {}", events[question.start()]);
            let empty = question.empty_events("a").concat();
            assert!(!empty.contains("answering") && !empty.contains("a7"), "{empty}");
            assert!(empty.ends_with(&events[events.len() - 1]) || endpoint == Endpoint::Responses, "{empty}");
        }
    }
}
