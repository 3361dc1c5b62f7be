//! Limits of the file in a real process: what a provider is sent, and what a client may send.
//!
//! Each limit is so slow that time alone makes no room within a test. What the file says is read by the process; what
//! became of requests is read where operators read it: the status, metrics and the access log.

mod clients;
mod lines;
mod providers;
mod waiting;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;

const CHAT: &str = "/v1/chat/completions";

/// Everybody on the canary, which has this limit. Breakers are at their defaults.
fn limited(limit: &str, stable: &Scripted, canary: &Scripted) -> Harness {
    let limit = format!("auth: none, rate_limit: {{ {limit} }}");
    let flags = Flags::new()
        .provider("oldcorp", &stable.base_url(), "auth: none")
        .provider("newcorp", &canary.base_url(), &limit)
        .chat("percent: 100%");
    Harness::start(&flags)
}

fn ask(sidecar: &Harness, headers: &[(&str, &str)]) -> Answer {
    sidecar.whole(CHAT, headers, r#"{"model":"m","messages":[]}"#)
}

/// Who answered these requests, one after the other.
fn served(sidecar: &Harness, requests: usize) -> String {
    (0..requests).fold(String::new(), |mut all, _| {
        let answer = ask(sidecar, &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let _ = write!(all, "{} ", answer.header("x-serin-provider"));
        all
    })
}

/// Waits until the status tells this of requests that the canary's limit had no room for.
#[track_caller]
fn expect_turned(sidecar: &Harness, limit: &str, then: &str, requests: u64) {
    let wanted = json!({ "limit": limit, "then": then, "requests": requests });
    let turned = || canary(sidecar)["rate_limit"]["turned"].clone();
    let is_told = || turned().as_array().is_some_and(|all| all.contains(&wanted));
    eventually("the status tells it", SOON, || is_told().then_some(()));
    let line =
        format!("serin_limited_requests_total{{provider=\"newcorp\",limit=\"{limit}\",then=\"{then}\"}} {requests}\n");
    assert!(sidecar.metrics().contains(&line), "{line}");
}

/// What the status says of the canary's provider.
fn canary(sidecar: &Harness) -> Value {
    sidecar.status()["providers"][1].clone()
}

/// The guard has counted so many requests of the canary, none has failed, and its breaker has seen nothing.
#[track_caller]
fn expect_evidence(sidecar: &Harness, requests: u64) {
    let window = || sidecar.chat()["window"]["canary"].clone();
    eventually("the guard counts them", SOON, || (window()["requests"] == requests).then_some(()));
    assert_eq!(window()["failures"], 0);
    let provider = canary(sidecar);
    assert_eq!((&provider["breaker"], &provider["failures"]), (&json!("closed"), &json!(0)));
}
