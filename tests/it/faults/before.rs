//! Before the first output: every failure of the canary is recovered on stable, and counted for what it was.
//!
//! Each fault has a model and a rollout of its own, so that all of them run side by side through one sidecar and each
//! is found under its own name in the counters. The client must see stable's whole answer with a clean status.

use std::time::Duration;

use crate::support::api::{Api, difference};
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::answer;
use crate::support::faults::fault::{Cut, Fault, Refusal};
use crate::support::harness::{Flags, Harness, IMPATIENT, RESCUED, between};
use crate::support::scripted::Scripted;

const LONG: Duration = Duration::from_secs(20);

/// A fault, its name, and what it may be counted as.
type Case = (&'static str, Fault, &'static [&'static str]);

fn cases(api: Api, stream: bool) -> Vec<Case> {
    let mut cases: Vec<Case> = vec![
        ("throttled", Fault::Refuses(Refusal::Throttled { retry_after: None }), &["throttled"]),
        ("throttled-1s", Fault::Refuses(Refusal::Throttled { retry_after: Some(1) }), &["throttled"]),
        ("throttled-60s", Fault::Refuses(Refusal::Throttled { retry_after: Some(60) }), &["throttled"]),
        ("status-500", Fault::Refuses(Refusal::Broken(500)), &["server_error"]),
        ("status-503", Fault::Refuses(Refusal::Broken(503)), &["server_error"]),
        ("status-529", Fault::Refuses(Refusal::Broken(529)), &["server_error"]),
        ("reset", Fault::ResetBeforeHeaders, &["reset"]),
        ("close", Fault::CloseBeforeHeaders, &["reset"]),
        ("silence", Fault::Silence, &["timeout"]),
        ("headers-only", Fault::HeadersThenSilence, &["timeout"]),
        ("late-token", Fault::FirstTokenAfter(LONG), &["timeout"]),
        // Its headers and something without output came, or the beginning of a body that is held.
        ("preamble-only", Fault::PreambleThenSilence, &["timeout", "stalled"]),
        ("error-event", Fault::ErrorAfterPreamble, &["stream_error"]),
        ("error-in-200", Fault::ErrorIn200, &["stream_error"]),
        ("cut-reset", Fault::CutAfterPreamble(Cut::Reset), &["truncated"]),
        ("cut-close", Fault::CutAfterPreamble(Cut::Close), &["truncated"]),
        ("cut-clean", Fault::CutAfterPreamble(Cut::CleanEnd), &["truncated"]),
        ("no-bytes-reset", Fault::CutAtByte(0, Cut::Reset), &["truncated"]),
        ("no-bytes-close", Fault::CutAtByte(0, Cut::Close), &["truncated"]),
        ("context-length", Fault::Refuses(Refusal::ContextLength), &["unsupported"]),
        ("parameter", Fault::Refuses(Refusal::UnsupportedParameter), &["unsupported"]),
        ("no-model", Fault::Refuses(Refusal::ModelNotFound), &["unsupported"]),
        ("wrong-key", Fault::Refuses(Refusal::WrongKey), &["auth"]),
    ];
    if api != Api::Messages {
        // There a spent quota has no shape of its own.
        cases.push(("quota", Fault::Refuses(Refusal::Quota), &["quota"]));
    }
    if stream {
        cases.push(("no-bytes-clean", Fault::CutAtByte(0, Cut::CleanEnd), &["truncated"]));
    } else {
        cases.push(("half-reset", Fault::CutAtEvent(40, Cut::Reset), &["truncated"]));
        cases.push(("half-close", Fault::CutAtEvent(40, Cut::Close), &["truncated"]));
        cases.push(("half-clean", Fault::CutAtEvent(40, Cut::CleanEnd), &["truncated"]));
        cases.push(("half-stall", Fault::StallAtEvent(20, LONG), &["timeout", "stalled"]));
    }
    cases
}

/// What is wrong with the answer to a request for this model; stable's whole answer is expected.
pub(super) fn look_for_stables_answer(stage: &Harness, api: Api, stream: bool, model: &str) -> Result<(), String> {
    let response = stage.ask(api.path(), &[], &api.ask(model, stream))?;
    let answer = response.answer;
    let headers = (answer.status, answer.header("x-serin-provider"), answer.header("x-serin-attempts"));
    if headers != (200, "oldcorp", "2") {
        return Err(format!("status, provider and attempts are {headers:?}: {:.300}", answer.text()));
    }
    response.end.map_err(|error| format!("the body broke off after {} bytes: {error}", answer.body.len()))?;
    let expected = if stream { answer::stream(api, "oldcorp").concat() } else { answer::whole(api, "oldcorp") };
    difference(&answer.text(), &expected).map_or(Ok(()), Err)
}

/// Exactly one attempt of each provider, the canary's with one of these outcomes.
fn look_at_counters(stage: &Harness, canary: &str, model: &str, outcomes: &[&str]) -> Result<(), String> {
    let mut wrong = Ok(());
    for outcome in outcomes {
        wrong = stage.expect_attempts(model, &[(canary, outcome, 1), ("oldcorp", "ok", 1)]);
        if wrong.is_ok() {
            break;
        }
    }
    wrong
}

fn everything_is_recovered(api: Api, stream: bool) {
    let cases = cases(api, stream);
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::by_model("newcorp", cases.iter().map(|(name, fault, _)| (*name, fault.clone())));
    let plain = Scripted::healthy("plain");
    // Bound and never listening: nobody else can be there.
    let closed = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    closed.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = closed.local_addr().unwrap().as_socket().unwrap().port();
    let mut flags = between(&stable, &canary)
        .provider("nobody", &format!("http://127.0.0.1:{port}/v1"), IMPATIENT)
        .provider("untls", &format!("https://{}/v1", plain.addr()), IMPATIENT)
        .rollout_to("nobody", "refused", RESCUED)
        .rollout_to("untls", "no-tls", RESCUED);
    for (name, ..) in &cases {
        flags = flags.rollout(name, RESCUED);
    }
    let stage = Harness::start(&flags);
    let mut all: Vec<(&str, &str, &[&str])> =
        vec![("nobody", "refused", &["connect"]), ("untls", "no-tls", &["connect"])];
    all.extend(cases.iter().map(|(name, _, outcomes)| ("newcorp", *name, *outcomes)));
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let stage = &stage;
        let asking: Vec<_> = all
            .into_iter()
            .map(|(provider, name, outcomes)| {
                let look = move || {
                    look_for_stables_answer(stage, api, stream, name)?;
                    look_at_counters(stage, provider, name, outcomes)
                };
                (name, scope.spawn(look))
            })
            .collect();
        let answers = asking.into_iter().map(|(name, thread)| (name, thread.join().unwrap()));
        answers.filter_map(|(name, answer)| Some(format!("{name}: {}", answer.err()?))).collect()
    });
    assert!(wrong.is_empty(), "{api}, stream: {stream}; {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    for (name, fault, _) in &cases {
        let asked = canary.requests().iter().filter(|seen| seen.model() == *name).count();
        // A connection that was used before may have died of old age: then it is asked once more on a fresh one.
        let most = if matches!(fault, Fault::ResetBeforeHeaders | Fault::CloseBeforeHeaders) { 2 } else { 1 };
        assert!((1..=most).contains(&asked), "the canary was asked {asked} times for {name}");
        let (own, other) =
            (canary.requests().into_iter().find(|seen| seen.model() == *name).unwrap(), stable.asked_for(name));
        assert_eq!(other.body, own.body, "{name}: not the same request");
    }
}

#[test]
fn chat_completions_in_one_piece() {
    everything_is_recovered(Api::Chat, false);
}

#[test]
fn chat_completions_streamed() {
    everything_is_recovered(Api::Chat, true);
}

#[test]
fn responses_in_one_piece() {
    everything_is_recovered(Api::Responses, false);
}

#[test]
fn responses_streamed() {
    everything_is_recovered(Api::Responses, true);
}

#[test]
fn messages_in_one_piece() {
    everything_is_recovered(Api::Messages, false);
}

#[test]
fn messages_streamed() {
    everything_is_recovered(Api::Messages, true);
}

#[test]
fn a_silent_stream_is_given_up_long_before_its_timeouts() {
    let cases = [
        ("silence", Fault::Silence),
        ("headers-only", Fault::HeadersThenSilence),
        ("late-token", Fault::FirstTokenAfter(LONG)),
    ];
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::by_model("newcorp", cases.clone());
    let patient = "timeouts: { headers: 10m, stream_headers: 10m, first_output: 10m, idle: 10m }, breaker: off";
    let flags =
        Flags::new().provider("oldcorp", &stable.base_url(), patient).provider("newcorp", &canary.base_url(), patient);
    let flags =
        cases.iter().fold(flags, |flags, (model, _)| flags.rollout(model, "percent: 100%, give_up_after: 500ms"));
    let stage = Harness::start(&flags);
    for (model, _) in &cases {
        look_for_stables_answer(&stage, Api::Chat, true, model).unwrap();
        look_at_counters(&stage, "newcorp", model, &["timeout"]).unwrap();
        // The canary is let go, and not asked to finish for nobody.
        eventually("the canary is let go", SOON, || canary.asked_for(model).end);
    }
}

#[test]
fn a_rescued_failure_counts_against_the_canary_and_the_request_as_one() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", |_| Fault::Refuses(Refusal::Broken(503)));
    let stage = Harness::start(&between(&stable, &canary).chat(RESCUED));
    for _ in 0..7 {
        look_for_stables_answer(&stage, Api::Chat, true, "m").unwrap();
    }
    stage.expect_attempts("chat", &[("newcorp", "server_error", 7), ("oldcorp", "ok", 7)]).unwrap();
    let metrics = stage.metrics();
    let of = |name: &str, provider: &str| -> Vec<_> {
        let all = crate::support::harness::series(&metrics, name).into_iter();
        all.filter(|(labels, count)| labels["rollout"] == "chat" && labels["provider"] == provider && *count > 0)
            .collect()
    };
    for (labels, _) in of("serin_attempts_total", "newcorp") {
        assert_eq!(labels["arm"], "canary", "{labels:?}");
    }
    let requests: u64 = ["oldcorp", "newcorp"]
        .into_iter()
        .flat_map(|provider| of("serin_requests_total", provider))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(requests, 7, "a request is one request, however many were asked");
}
