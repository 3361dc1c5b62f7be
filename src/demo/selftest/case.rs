//! The requests of a selftest: every fault in every API and form, with another provider behind it and without.
//!
//! Owns the list, the names in it and the flags.yaml that puts each request between two providers of its own: what one
//! fault does to keys and breakers must not help or spoil the next. Invariant: a question is in one request only.

use std::fmt::Write as _;

use super::fault::{Fault, Form, Promise};
use super::judge::{Empty, Expected, KEY, QUESTION};
use super::question::Question;
use crate::demo::provider::Endpoint;

/// The provider that every other one falls back to.
pub(super) const HEALTHY: &str = "healthy";
/// The rollout for measurements, its providers, and its model.
pub(super) const LATENCY: &str = "latency";
/// Whoever asks.
pub(super) const CLIENT: &str = "client";

/// Limits of two seconds, and nobody who stops asking.
const IMPATIENT: &str =
    "timeouts: { connect: 2s, headers: 2s, stream_headers: 2s, first_output: 2s, idle: 2s }, breaker: off";

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) fault: Fault,
    pub(super) endpoint: Endpoint,
    pub(super) form: Form,
    /// Whether no other provider is left.
    pub(super) alone: bool,
    /// The failing provider, the rollout and the model.
    pub(super) name: String,
    pub(super) question: String,
}

impl Case {
    pub(super) fn question(&self) -> Question<'_> {
        Question { endpoint: self.endpoint, model: &self.name, text: &self.question }
    }

    pub(super) fn promise(&self) -> Promise {
        // An upgrade is not asked again.
        let once = self.alone || self.form == Form::WebSocket;
        if once { Promise::Honest } else { self.fault.promise(self.form) }
    }

    pub(super) fn expected(&self) -> Expected<'_> {
        Expected {
            question: self.question(),
            form: self.form,
            providers: if self.alone { vec![&self.name] } else { vec![&self.name, HEALTHY] },
            failing: &self.name,
            is_asked: self.fault.is_asked(),
            status: self.fault.status(),
            empty: match (self.fault, self.form) {
                (Fault::Empty, _) => Some(Empty::WellFormed),
                (Fault::NoBytes, Form::Whole) => Some(Empty::NoBytes),
                _ => None,
            },
        }
    }

    /// `chat completions, streamed`.
    pub(super) const fn api(&self) -> &'static str {
        match self.endpoint {
            Endpoint::Responses => "responses",
            Endpoint::Messages => "messages",
            _ => "chat completions",
        }
    }

    /// Below the proxy port.
    pub(super) fn path(&self) -> String {
        match (self.form, self.endpoint) {
            (Form::WebSocket, _) => format!("/v1/live/{}", self.name),
            (_, Endpoint::Responses) => "/v1/responses".to_owned(),
            (_, Endpoint::Messages) => "/v1/messages".to_owned(),
            _ => "/v1/chat/completions".to_owned(),
        }
    }

    /// The request's body.
    pub(super) fn body(&self) -> String {
        let said = serde_json::json!([{ "role": "user", "content": self.question }]);
        let stream = self.form == Form::Stream;
        match self.endpoint {
            Endpoint::Responses => serde_json::json!({ "model": self.name, "input": self.question, "stream": stream }),
            Endpoint::Messages => {
                serde_json::json!({ "model": self.name, "max_tokens": 64, "messages": said, "stream": stream })
            }
            _ => serde_json::json!({ "model": self.name, "messages": said, "user": "selftest", "stream": stream }),
        }
        .to_string()
    }
}

/// All of them. `random` makes the questions of this run its own.
pub(super) fn cases(mut random: impl FnMut() -> u64) -> Vec<Case> {
    let endpoints = [Endpoint::Chat, Endpoint::Responses, Endpoint::Messages];
    let mut cases = Vec::new();
    for alone in [false, true] {
        for fault in Fault::ALL.into_iter().filter(|fault| !alone || fault.alone()) {
            for form in [Form::Whole, Form::Stream, Form::WebSocket].into_iter().filter(|form| fault.has(*form)) {
                let endpoints = if form == Form::WebSocket { &endpoints[..1] } else { &endpoints[..] };
                for endpoint in endpoints {
                    let name = format!("case{}", cases.len());
                    let question = format!("{QUESTION}{:016x}n{}", random(), cases.len());
                    cases.push(Case { fault, endpoint: *endpoint, form, alone, name, question });
                }
            }
        }
    }
    cases
}

/// Where providers are to be found.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// Those that answer, each below its own name.
    pub(super) serves: std::net::SocketAddr,
    pub(super) refuses: std::net::SocketAddr,
    /// `None`: none could be made.
    pub(super) blackhole: Option<std::net::SocketAddr>,
    pub(super) hangs_up: std::net::SocketAddr,
    /// The two ends of the measurements.
    pub(super) quick: [String; 2],
}

/// The file that the sidecar of a selftest runs with.
pub(super) fn flags_text(cases: &[Case], at: &Addresses) -> String {
    let mut text = "listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }\nproxy: none\ndrain: 1s\nunmatched: reject\n\
                    providers:\n"
        .to_owned();
    let mut provider = |name: &str, base_url: &str, more: &str| {
        let _ = writeln!(text, "  {name}: {{ base_url: \"{base_url}\", api_keys: [\"{KEY}{name}\"], {more} }}");
    };
    for (number, base_url) in at.quick.iter().enumerate() {
        provider(&format!("{LATENCY}{number}"), base_url, "breaker: off");
    }
    provider(HEALTHY, &format!("http://{}/{HEALTHY}/v1", at.serves), IMPATIENT);
    for Case { fault, name, .. } in cases {
        let (scheme, at) = match fault {
            Fault::Refused => ("http", at.refuses),
            Fault::Blackhole => ("http", at.blackhole.unwrap_or(at.refuses)),
            Fault::NoTls => ("https", at.serves),
            Fault::TlsClosed => ("https", at.hangs_up),
            _ => ("http", at.serves),
        };
        provider(name, &format!("{scheme}://{at}/{name}/v1"), IMPATIENT);
    }
    let _ = writeln!(
        text,
        "rollouts:\n  - {{ name: {LATENCY}, match: {{ model: {LATENCY} }}, stable: {LATENCY}0, canary: {LATENCY}1, \
         percent: 100%, guard: {{ min_requests: 1000000 }} }}"
    );
    for Case { name, form, alone, .. } in cases {
        let fits = match form {
            Form::WebSocket => format!("path: /live/{name}"),
            Form::Whole | Form::Stream => format!("model: {name}"),
        };
        // A guard that never steps in: each rollout has one request.
        let arms = if *alone {
            format!("stable: {name}, fallback: false")
        } else {
            format!(
                "stable: {HEALTHY}, canary: {name}, percent: 100%, on_regression: hold, give_up_after: 2s, hold: 4s, \
                 guard: {{ min_requests: 1000000 }}"
            )
        };
        let _ = writeln!(text, "  - {{ name: {name}, match: {{ {fits} }}, {arms} }}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_request_has_a_name_and_a_question_of_its_own() {
        let cases = cases(|| 7);
        let questions: BTreeSet<&str> = cases.iter().map(|case| case.question.as_str()).collect();
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!((questions.len(), names.len()), (cases.len(), cases.len()));
        assert!((300..900).contains(&cases.len()), "{}", cases.len());
        for fault in Fault::ALL {
            assert!(cases.iter().any(|case| case.fault == fault && !case.alone), "{fault}");
        }
    }

    #[test]
    fn its_file_is_one_that_a_sidecar_takes() {
        let at = "127.0.0.1:9".parse().unwrap();
        let quick = ["http://127.0.0.1:8/v1".to_owned(), "http://127.0.0.1:7/v1".to_owned()];
        let at = Addresses { serves: at, refuses: at, blackhole: None, hangs_up: at, quick };
        let text = flags_text(&cases(|| 7), &at);
        let file: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(file["rollouts"][0]["name"], "latency");
        assert!(file["providers"]["case0"]["base_url"].as_str().unwrap().ends_with("/case0/v1"));
    }
}
