//! The faults of a provider, each as the bytes it writes, the time it lets pass and the way it ends the connection.
//!
//! Owns the list and its translation into [`Step`]s, which is pure; playing them is
//! [`scripted`](crate::support::scripted)'s. What makes no sense in one piece (a cut at an event) is done to the body
//! of the answer at about the same place.

use std::io::Write;
use std::time::Duration;

use super::answer;
use crate::support::api::Api;
use crate::support::scripted::request::Seen;
use crate::support::scripted::step::{self, CHUNKED, LAST_CHUNK, Script, Step, chunk, json, sized};

/// What a provider does with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is wrong.
    Healthy,
    /// Nothing is wrong, but there is this much time between two events.
    Paced(Duration),
    /// Output without end, with this much time between two events.
    Endless(Duration),
    /// A status that is no 200.
    Refuses(Refusal),
    ResetBeforeHeaders,
    CloseBeforeHeaders,
    Silence,
    HeadersThenSilence,
    /// The headers at once, everything else after so long; in one piece: everything.
    FirstTokenAfter(Duration),
    PreambleThenSilence,
    ErrorAfterPreamble,
    CutAfterPreamble(Cut),
    /// After so many of the sixty events.
    CutAtEvent(usize, Cut),
    /// After so many bytes of the body.
    CutAtByte(usize, Cut),
    /// Silence for so long after so many events; then the rest.
    StallAtEvent(usize, Duration),
    /// Silence for so long after so many events; then the connection is closed.
    StallAndClose(usize, Duration),
    /// Among healthy ones.
    MalformedEvent,
    /// A finish reason and a clean end, but no `[DONE]`.
    MissingDone,
    /// `[DONE]`, but no finish reason.
    MissingFinish,
    ErrorIn200,
    /// A well-formed answer that says nothing.
    NoOutput,
    /// A 200 with no byte of body.
    NoBytes,
    /// Healthy after more than 16 KiB without output.
    HugePreamble,
    /// The same, but an error in the place of the output.
    ErrorAfterHugePreamble,
    Gzip,
    /// An answer in one piece that is too large to be held, broken off at its half.
    LargeCut(Cut),
}

/// How an answer is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The connection is reset.
    Reset,
    /// The connection is closed in order, but the answer's framing says that more was to come.
    Close,
    /// The framing ends in order too.
    CleanEnd,
}

impl Cut {
    pub(crate) const ALL: [Cut; 3] = [Cut::Reset, Cut::Close, Cut::CleanEnd];
}

/// An answer that is no 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Throttled { retry_after: Option<u32> },
    Quota,
    Broken(u16),
    ContextLength,
    ContentFilter,
    UnsupportedParameter,
    ModelNotFound,
    WrongKey,
}

impl Refusal {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Refusal::Throttled { .. } | Refusal::Quota => 429,
            Refusal::Broken(status) => status,
            Refusal::ContextLength | Refusal::ContentFilter | Refusal::UnsupportedParameter => 400,
            Refusal::ModelNotFound => 404,
            Refusal::WrongKey => 401,
        }
    }

    /// The body, which names the provider, so that a test sees whose it is.
    pub(crate) fn body(self, api: Api, provider: &str) -> String {
        let (kind, anthropic, code, param, message) = match self {
            Refusal::Throttled { .. } => {
                ("requests", "rate_limit_error", Some("rate_limit_exceeded"), None, "Rate limit reached")
            }
            Refusal::Quota => (
                "insufficient_quota",
                "rate_limit_error",
                Some("insufficient_quota"),
                None,
                "You exceeded your current quota, please check your plan and billing details",
            ),
            Refusal::Broken(529) => ("server_error", "overloaded_error", None, None, "Overloaded"),
            Refusal::Broken(_) => ("server_error", "api_error", None, None, "The server had an error"),
            Refusal::ContextLength => (
                "invalid_request_error",
                "invalid_request_error",
                Some("context_length_exceeded"),
                Some("messages"),
                "prompt is too long: this model's maximum context length is 8192 tokens",
            ),
            Refusal::ContentFilter => (
                "invalid_request_error",
                "invalid_request_error",
                Some("content_filter"),
                None,
                "Output blocked by content filtering policy",
            ),
            Refusal::UnsupportedParameter => (
                "invalid_request_error",
                "invalid_request_error",
                Some("unsupported_parameter"),
                Some("logit_bias"),
                "logit_bias: Extra inputs are not permitted",
            ),
            Refusal::ModelNotFound => (
                "invalid_request_error",
                "not_found_error",
                Some("model_not_found"),
                Some("model"),
                "The model does not exist or you do not have access to it",
            ),
            Refusal::WrongKey => {
                ("invalid_request_error", "authentication_error", Some("invalid_api_key"), None, "Incorrect API key")
            }
        };
        let kind = if api == Api::Messages { anthropic } else { kind };
        answer::error(api, kind, code, param, &format!("{provider}: {message}"))
    }

    fn steps(self, api: Api, provider: &str) -> Vec<Step> {
        let after = match self {
            Refusal::Throttled { retry_after: Some(seconds) } => format!("retry-after: {seconds}\r\n"),
            _ => String::new(),
        };
        let body = self.body(api, provider);
        let head = head(self.status(), &format!("content-type: application/json\r\n{after}"));
        vec![Step::Write(sized(&head, body.as_bytes()))]
    }
}

impl Script for Fault {
    fn steps(&self, seen: &Seen, name: &str) -> Vec<Step> {
        match (seen.method.as_str(), seen.api()) {
            ("GET", _) => vec![Step::Write(json(200, "{}"))],
            // It stands in for an egress proxy, too: what follows is served here.
            ("CONNECT", _) => vec![Step::Write(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())],
            ("PRI", _) => vec![Step::Close],
            (_, Some(api)) => self.of(api, seen.wants_a_stream(), name),
            // Whatever else is asked for has an answer in one piece.
            (_, None) => self.of(Api::Chat, false, name),
        }
    }
}

impl Fault {
    /// The steps of a request in this language.
    fn of(&self, api: Api, stream: bool, provider: &str) -> Vec<Step> {
        match self {
            Fault::Refuses(refusal) => refusal.steps(api, provider),
            Fault::ResetBeforeHeaders => vec![Step::Reset],
            Fault::CloseBeforeHeaders => vec![Step::Close],
            Fault::Silence => vec![Step::Forever],
            Fault::ErrorIn200 => {
                let body = answer::error(api, "server_error", None, None, &format!("{provider} is overloaded"));
                vec![Step::Write(sized(&head(200, "content-type: application/json\r\n"), body.as_bytes()))]
            }
            Fault::NoBytes if !stream => {
                vec![Step::Write(sized(&head(200, "content-type: application/json\r\n"), b""))]
            }
            _ if stream => self.streamed(api, provider),
            _ => self.unary(api, provider),
        }
    }

    fn streamed(&self, api: Api, provider: &str) -> Vec<Step> {
        let whole = answer::stream(api, provider);
        let preamble = answer::preamble(api);
        let mut said = Said::stream();
        match self {
            Fault::Paced(gap) => {
                for event in &whole {
                    said.say(event).then(Step::Wait(*gap));
                }
                said.end()
            }
            Fault::Endless(gap) => {
                let more = chunk(whole[answer::first_output(api)].as_bytes());
                said.say_all(&whole[..answer::first_output(api)]).then(Step::Repeat(more, *gap)).done()
            }
            Fault::HeadersThenSilence => said.then(Step::Forever).done(),
            Fault::FirstTokenAfter(wait) => said.then(Step::Wait(*wait)).say_all(&whole).end(),
            Fault::PreambleThenSilence => said.say_all(&whole[..preamble]).then(Step::Forever).done(),
            Fault::ErrorAfterPreamble => {
                said.say_all(&whole[..preamble]).say(&answer::error_event(api, provider)).end()
            }
            Fault::CutAfterPreamble(cut) => said.say_all(&whole[..preamble]).cut(*cut),
            Fault::CutAtEvent(events, cut) => said.say_all(&whole[..*events]).cut(*cut),
            Fault::CutAtByte(bytes, cut) => {
                let mut all = whole.concat();
                all.truncate(*bytes);
                said.say(&all).cut(*cut)
            }
            Fault::StallAtEvent(events, wait) => {
                said.say_all(&whole[..*events]).then(Step::Wait(*wait)).say_all(&whole[*events..]).end()
            }
            Fault::StallAndClose(events, wait) => {
                said.say_all(&whole[..*events]).then(Step::Wait(*wait)).cut(Cut::Close)
            }
            Fault::MalformedEvent => said.say_all(&whole[..30]).say(MALFORMED).say_all(&whole[30..]).end(),
            Fault::MissingDone => said.say_all(&whole[..answer::terminal(api)]).end(),
            Fault::MissingFinish => {
                let null = |event: &String| event.replace(r#""finish_reason":"stop""#, r#""finish_reason":null"#);
                let without: Vec<String> = whole.iter().map(null).collect();
                said.say_all(&without).end()
            }
            Fault::NoOutput => said.say_all(&answer::stream_without_output(api, provider)).end(),
            Fault::NoBytes => said.end(),
            Fault::HugePreamble => said.say_all(&huge_preamble(api, provider)).say_all(&whole[preamble..]).end(),
            Fault::ErrorAfterHugePreamble => {
                said.say_all(&huge_preamble(api, provider)).say(&answer::error_event(api, provider)).end()
            }
            _ => said.say_all(&whole).end(),
        }
    }

    fn unary(&self, api: Api, provider: &str) -> Vec<Step> {
        let json = "content-type: application/json\r\n";
        let whole = answer::whole(api, provider);
        let body = whole.as_bytes();
        // A place in the body that corresponds to an event of the stream.
        let place = |events: usize| body.len() * events / answer::EVENTS;
        let begun = |bytes: usize, cut: Cut| match cut {
            Cut::CleanEnd => {
                [head(200, &format!("{json}{CHUNKED}")).as_bytes(), b"\r\n", &chunk(&body[..bytes])].concat()
            }
            _ => sized(&head(200, json), body)[..sized(&head(200, json), body).len() - body.len() + bytes].to_vec(),
        };
        let cut_at = |bytes: usize, cut: Cut| {
            let end = match cut {
                Cut::Reset => Step::Reset,
                Cut::Close => Step::Close,
                Cut::CleanEnd => Step::Write(LAST_CHUNK.to_vec()),
            };
            vec![Step::Write(begun(bytes, cut)), end]
        };
        match self {
            Fault::Endless(_) | Fault::HeadersThenSilence => vec![Step::Write(begun(0, Cut::Close)), Step::Forever],
            Fault::FirstTokenAfter(wait) => vec![Step::Wait(*wait), Step::Write(sized(&head(200, json), body))],
            Fault::PreambleThenSilence => vec![Step::Write(begun(1, Cut::Close)), Step::Forever],
            Fault::CutAfterPreamble(cut) => cut_at(place(1), *cut),
            Fault::CutAtEvent(events, cut) => cut_at(place(*events), *cut),
            Fault::CutAtByte(bytes, cut) => cut_at((*bytes).min(body.len()), *cut),
            Fault::StallAtEvent(events, wait) => {
                let (first, second) = body.split_at(place(*events));
                let first = begun(first.len(), Cut::Close);
                vec![Step::Write(first), Step::Wait(*wait), Step::Write(second.to_vec())]
            }
            Fault::StallAndClose(events, wait) => {
                let begun = begun(place(*events), Cut::Close);
                vec![Step::Write(begun), Step::Wait(*wait), Step::Close]
            }
            Fault::ErrorAfterPreamble | Fault::ErrorAfterHugePreamble => Fault::ErrorIn200.of(api, false, provider),
            Fault::NoOutput => {
                vec![Step::Write(sized(&head(200, json), answer::without_output(api, provider).as_bytes()))]
            }
            Fault::Gzip => {
                let head = head(200, &format!("{json}content-encoding: gzip\r\n"));
                vec![Step::Write(sized(&head, &gzip(body)))]
            }
            Fault::LargeCut(cut) => {
                let large = whole.replacen("says 0", &"at length ".repeat(300 << 10), 1);
                let mut half = sized(&head(200, json), large.as_bytes());
                half.truncate(half.len() / 2);
                vec![Step::Write(half), if *cut == Cut::Reset { Step::Reset } else { Step::Close }]
            }
            _ => vec![Step::Write(sized(&head(200, json), body))],
        }
    }
}

/// No JSON, but an event.
pub(crate) const MALFORMED: &str = "data: {\"id\":\"chatcmpl-broken\",\"choices\":[{\"ind\n\n";

/// More than 16 KiB of events without output.
pub(crate) fn huge_preamble(api: Api, provider: &str) -> Vec<String> {
    let first = answer::stream(api, provider).into_iter().take(answer::preamble(api));
    let comments = (0..40).map(|number| format!(": still thinking {number} {}\n\n", "-".repeat(500)));
    first.chain(comments).collect()
}

/// The same bytes every time.
pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn head(status: u16, headers: &str) -> String {
    step::head(status, &format!("x-request-id: req-1\r\n{headers}"))
}

/// The steps of a stream, one after the other.
struct Said(Vec<Step>);

impl Said {
    fn stream() -> Said {
        let head = head(200, &format!("content-type: text/event-stream\r\n{CHUNKED}"));
        Said(vec![Step::Write(format!("{head}\r\n").into_bytes())])
    }

    fn say(&mut self, event: &str) -> &mut Said {
        self.then(Step::Write(chunk(event.as_bytes())))
    }

    fn say_all(&mut self, events: &[String]) -> &mut Said {
        for event in events {
            self.say(event);
        }
        self
    }

    fn then(&mut self, step: Step) -> &mut Said {
        self.0.push(step);
        self
    }

    fn cut(&mut self, cut: Cut) -> Vec<Step> {
        match cut {
            Cut::Reset => self.then(Step::Reset).done(),
            Cut::Close => self.then(Step::Close).done(),
            Cut::CleanEnd => self.end(),
        }
    }

    fn end(&mut self) -> Vec<Step> {
        self.then(Step::Write(LAST_CHUNK.to_vec())).done()
    }

    fn done(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.0)
    }
}
