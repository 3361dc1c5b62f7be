//! After the first output: what came is passed on as it came, and an end that is no end is said to be one.
//!
//! A client must never take a broken answer for a whole one: after the last complete event comes the error event of
//! its own language, and never a forged terminal. What is odd but whole passes untouched.

use std::time::Duration;

use super::before::look_for_stables_answer;
use crate::support::api::{Api, difference};
use crate::support::client::Client;
use crate::support::faults::answer;
use crate::support::faults::fault::{Cut, Fault, MALFORMED, gzip, huge_preamble};
use crate::support::harness::{Harness, IMPATIENT, RESCUED, between};
use crate::support::scripted::Scripted;

const LONG: Duration = Duration::from_secs(20);

/// The canary's answer: these bytes and then, if so, exactly one error event.
fn look_for_the_canarys(stage: &Harness, api: Api, model: &str, expected: &str, broken: bool) -> Result<(), String> {
    let response = stage.ask(api.path(), &[], &api.ask(model, true))?;
    let (answer, text) = (&response.answer, response.answer.text());
    let headers = (answer.status, answer.header("x-serin-provider"), answer.header("x-serin-attempts"));
    if headers != (200, "newcorp", "") {
        return Err(format!("status, provider and attempts are {headers:?}: {text:.300}"));
    }
    response.end.map_err(|error| format!("the body did not end in order: {error} after {} bytes", text.len()))?;
    if !broken {
        return difference(&text, expected).map_or(Ok(()), Err);
    }
    let Some(rest) = text.strip_prefix(expected) else {
        return Err(difference(&text, expected).unwrap_or_default());
    };
    api.look_at_error_event(rest)
}

/// A model, the bytes that reach the client, whether an error event follows, and the outcome.
struct Case {
    model: &'static str,
    fault: Fault,
    expected: String,
    broken: bool,
    outcome: &'static str,
}

fn cases(api: Api) -> Vec<Case> {
    let stream = answer::stream(api, "newcorp");
    let first = |events: usize| stream[..events].concat();
    let mut cases = Vec::new();
    let mut case = |model, fault, expected, broken, outcome| {
        cases.push(Case { model, fault, expected, broken, outcome });
    };
    case("healthy", Fault::Healthy, first(60), false, "ok");
    case("cut-reset", Fault::CutAtEvent(40, Cut::Reset), first(40), true, "truncated");
    case("cut-close", Fault::CutAtEvent(40, Cut::Close), first(40), true, "truncated");
    case("cut-clean", Fault::CutAtEvent(40, Cut::CleanEnd), first(40), true, "truncated");
    case("stall", Fault::StallAtEvent(20, LONG), first(20), true, "stalled");
    let malformed = [&stream[..30].concat(), MALFORMED, &stream[30..].concat()].concat();
    case("malformed", Fault::MalformedEvent, malformed, false, "ok");
    case("no-output", Fault::NoOutput, answer::stream_without_output(api, "newcorp").concat(), false, "empty");
    let preamble = huge_preamble(api, "newcorp").concat();
    let huge = preamble.clone() + &stream[answer::preamble(api)..].concat();
    case("huge-preamble", Fault::HugePreamble, huge, false, "ok");
    let failed = preamble + &answer::error_event(api, "newcorp");
    case("huge-error", Fault::ErrorAfterHugePreamble, failed, false, "stream_error");
    if api == Api::Chat {
        case("missing-done", Fault::MissingDone, first(59), false, "ok");
        let null = first(60).replace(r#""finish_reason":"stop""#, r#""finish_reason":null"#);
        case("missing-finish", Fault::MissingFinish, null, false, "ok");
    }
    cases
}

fn nothing_is_hidden(api: Api) {
    let cases = cases(api);
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::by_model("newcorp", cases.iter().map(|case| (case.model, case.fault.clone())));
    let flags = cases.iter().fold(between(&stable, &canary), |flags, case| flags.rollout(case.model, RESCUED));
    let stage = Harness::start(&flags);
    let mut wrong = Vec::new();
    for case in &cases {
        let answer = look_for_the_canarys(&stage, api, case.model, &case.expected, case.broken)
            .and_then(|()| stage.expect_attempts(case.model, &[("newcorp", case.outcome, 1)]));
        wrong.extend(answer.err().map(|error| format!("{}: {error}", case.model)));
    }
    assert!(wrong.is_empty(), "{api}; {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(stable.count(), 0, "nobody asks again once there was output");
}

#[test]
fn chat_completions() {
    nothing_is_hidden(Api::Chat);
}

#[test]
fn responses() {
    nothing_is_hidden(Api::Responses);
}

#[test]
fn messages() {
    nothing_is_hidden(Api::Messages);
}

#[test]
fn a_provider_that_always_says_done_is_held_to_it() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::by_model("newcorp", [("missing", Fault::MissingDone)]);
    let strict = format!("{IMPATIENT}, done_marker: required");
    let flags = crate::support::harness::Flags::new()
        .provider("oldcorp", &stable.base_url(), IMPATIENT)
        .provider("newcorp", &canary.base_url(), &strict)
        .rollout("missing", RESCUED)
        .chat(RESCUED);
    let stage = Harness::start(&flags);
    let stream = answer::stream(Api::Chat, "newcorp");
    look_for_the_canarys(&stage, Api::Chat, "whole", &stream.concat(), false).unwrap();
    stage.expect_attempts("chat", &[("newcorp", "ok", 1)]).unwrap();
    look_for_the_canarys(&stage, Api::Chat, "missing", &stream[..59].concat(), true).unwrap();
    stage.expect_attempts("missing", &[("newcorp", "truncated", 1)]).unwrap();
    // Other languages have no such marker, and are not asked for one.
    let stream = answer::stream(Api::Messages, "newcorp").concat();
    look_for_the_canarys(&stage, Api::Messages, "whole", &stream, false).unwrap();
}

#[test]
fn buffered_streams_are_recovered_to_their_end() {
    let cases = [
        ("cut-reset", Fault::CutAtEvent(40, Cut::Reset), "truncated"),
        ("cut-close", Fault::CutAtEvent(40, Cut::Close), "truncated"),
        ("cut-clean", Fault::CutAtEvent(40, Cut::CleanEnd), "truncated"),
        ("stall", Fault::StallAtEvent(20, LONG), "stalled"),
    ];
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::by_model("newcorp", cases.iter().map(|(model, fault, _)| (*model, fault.clone())));
    let keys = format!("{RESCUED}, stream_mode: buffered");
    let flags = cases.iter().fold(between(&stable, &canary), |flags, (model, ..)| flags.rollout(model, &keys));
    let stage = Harness::start(&flags.chat(&keys));
    let mut wrong = Vec::new();
    for (index, api) in Api::ALL.into_iter().enumerate() {
        let times = index as u64 + 1;
        for (model, _, outcome) in &cases {
            let response = look_for_stables_answer(&stage, api, true, model)
                .and_then(|()| stage.expect_attempts(model, &[("newcorp", outcome, times), ("oldcorp", "ok", times)]));
            wrong.extend(response.err().map(|error| format!("{api}, {model}: {error}")));
        }
        let whole = answer::stream(api, "newcorp").concat();
        wrong.extend(look_for_the_canarys(&stage, api, "m", &whole, false).err());
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_was_held_is_let_go_after_hold() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", |_| Fault::PreambleThenSilence);
    let patient = "timeouts: { first_output: 60s, idle: 60s }, breaker: off";
    let flags = crate::support::harness::Flags::new()
        .provider("oldcorp", &stable.base_url(), patient)
        .provider("newcorp", &canary.base_url(), patient)
        .chat("percent: 100%, give_up_after: 50s, hold: 300ms");
    let stage = Harness::start(&flags);
    for api in Api::ALL {
        let expected = answer::stream(api, "newcorp")[..answer::preamble(api)].concat();
        let body = api.ask("m", true);
        let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", api.path(), body.len());
        let mut client = Client::connect(stage.listen).unwrap();
        std::io::Write::write_all(client.raw(), head.as_bytes()).unwrap();
        let head = client.receive_head().unwrap();
        assert_eq!((head.status, head.header("x-serin-provider")), (200, "newcorp"), "{api}");
        let mut came = String::new();
        while came.len() < expected.len() {
            came += &String::from_utf8(client.receive_chunk().unwrap().unwrap()).unwrap();
        }
        assert_eq!(difference(&came, &expected), None, "{api}");
    }
    assert_eq!(stable.count(), 0);
}

#[test]
fn what_is_too_large_to_hold_breaks_off_visibly() {
    let cases = [("reset", Fault::LargeCut(Cut::Reset)), ("close", Fault::LargeCut(Cut::Close))];
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::by_model("newcorp", cases.clone());
    let stage = Harness::start(&between(&stable, &canary).chat(RESCUED));
    for (model, _) in &cases {
        let response = stage.ask(Api::Chat.path(), &[], &Api::Chat.ask(model, false)).unwrap();
        assert_eq!((response.answer.status, response.answer.header("x-serin-provider")), (200, "newcorp"));
        assert!(response.end.is_err(), "{model}: a broken body of {} bytes looks whole", response.answer.body.len());
    }
    stage.expect_attempts("chat", &[("newcorp", "truncated", 2)]).unwrap();
    assert_eq!(stable.count(), 0);
}

#[test]
fn an_encoded_answer_is_read_and_passes_as_it_came() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", |_| Fault::Gzip);
    let stage = Harness::start(&between(&stable, &canary).chat(RESCUED));
    for api in Api::ALL {
        let answer = stage.whole(api.path(), &[("accept-encoding", "gzip")], &api.ask("m", false));
        assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"), "{api}");
        assert!(answer.body == gzip(answer::whole(api, "newcorp").as_bytes()), "{api}: other bytes");
        // Of a stream nothing must be hidden from the observer.
        stage.whole(api.path(), &[("accept-encoding", "gzip")], &api.ask("streamed", true));
    }
    for seen in canary.requests() {
        let encoding = if seen.wants_a_stream() { "identity" } else { "gzip" };
        assert_eq!(seen.header("accept-encoding"), encoding, "{}", seen.head());
    }
    stage.expect_attempts("chat", &[("newcorp", "ok", 6)]).unwrap();
}
