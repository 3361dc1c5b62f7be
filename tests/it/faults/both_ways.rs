//! Who answers for whom: the canary for stable and stable for the canary, a list in its order, or nobody.
//!
//! A lock, a rollback and a percent of 0 mean that the canary answers for nobody. When all fail, the client reads the
//! words of the arm that the split chose.

use crate::support::api::{Api, difference};
use crate::support::client::Answer;
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::answer;
use crate::support::faults::fault::{Cut, Fault, Refusal};
use crate::support::harness::{Harness, IMPATIENT, RESCUED, between};
use crate::support::scripted::Scripted;

/// Two users whose arms are written down.
const HALF: &str = "percent: 50%, pin_users: { new: canary, old: stable }, give_up_after: 2s, hold: 3s";

fn broken(status: u16) -> Fault {
    Fault::Refuses(Refusal::Broken(status))
}

fn ask(stage: &Harness, api: Api, user: &str, stream: bool) -> Answer {
    stage.whole(api.path(), &[], &api.ask_at_length("m", stream, "hi", Some(user)))
}

#[track_caller]
fn expect_answer_of(provider: &str, answer: &Answer, api: Api, stream: bool, attempts: &str) {
    let expected = if stream { answer::stream(api, provider).concat() } else { answer::whole(api, provider) };
    let seen = (answer.status, answer.header("x-serin-provider"), answer.header("x-serin-attempts"));
    assert_eq!(seen, (200, provider, attempts), "{api}, stream: {stream}: {:.300}", answer.text());
    assert_eq!(difference(&answer.text(), &expected), None, "{api}, stream: {stream}");
}

#[track_caller]
fn expect_refusal_of(provider: &str, status: u16, answer: &Answer, api: Api) {
    let expected = Refusal::Broken(status).body(api, provider);
    let seen = (answer.status, answer.header("x-serin-provider"), answer.text());
    assert_eq!(seen, (status, provider, expected), "{api}");
    assert_eq!(answer.header("x-serin-error"), "", "a provider's own words are no error of the sidecar");
}

#[test]
fn the_canary_answers_for_stable_as_well() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::healthy("newcorp");
    let stage = Harness::start(&between(&stable, &canary).chat(HALF));
    // The canary has shown that it answers.
    expect_answer_of("newcorp", &ask(&stage, Api::Chat, "new", false), Api::Chat, false, "");
    let faults = [
        broken(503),
        broken(500),
        Fault::ResetBeforeHeaders,
        Fault::Refuses(Refusal::Throttled { retry_after: Some(30) }),
        Fault::CutAfterPreamble(Cut::Close),
        Fault::ErrorAfterPreamble,
    ];
    let mut asked = 0;
    for (fault, api) in faults.into_iter().flat_map(|fault| Api::ALL.map(|api| (fault.clone(), api))) {
        for stream in [false, true] {
            let own_fault = fault.clone();
            stable.choose(move |_| own_fault.clone());
            expect_answer_of("newcorp", &ask(&stage, api, "old", stream), api, stream, "2");
            asked += 1;
        }
    }
    assert_eq!(canary.count(), 1 + asked);
}

#[test]
fn nobody_answers_for_anybody_where_the_file_says_so() {
    let stable = Scripted::start("oldcorp", |_| broken(500));
    let canary = Scripted::start("newcorp", |_| broken(503));
    let stage =
        Harness::start(&between(&stable, &canary).chat(&format!("{HALF}, fallback: false, retry: {{ attempts: 1 }}")));
    for api in Api::ALL {
        expect_refusal_of("newcorp", 503, &ask(&stage, api, "new", true), api);
        expect_refusal_of("oldcorp", 500, &ask(&stage, api, "old", true), api);
    }
    assert_eq!((stable.count(), canary.count()), (3, 3));
    // A connection that breaks has no words: then they are the sidecar's, in the language of the request.
    canary.choose(|_| Fault::ResetBeforeHeaders);
    for api in Api::ALL {
        let answer = ask(&stage, api, "new", true);
        assert!(answer.status >= 500 && !answer.header("x-serin-error").is_empty(), "{}", answer.text());
        assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
    }
    // Before an output there is nobody else to wait for, so the provider's own stream goes out, with its end named.
    canary.choose(|_| Fault::CutAfterPreamble(Cut::CleanEnd));
    for api in Api::ALL {
        let answer = ask(&stage, api, "new", true);
        let text = answer.text();
        let preamble = answer::stream(api, "newcorp")[..answer::preamble(api)].concat();
        let remainder = match text.strip_prefix(&preamble) {
            Some(rest) => api.look_at_error_event(rest),
            None if answer.status >= 500 => Ok(()),
            None => Err(format!("{} {text:.300}", answer.status)),
        };
        assert_eq!(remainder, Ok(()), "{api}: neither an error event nor an error");
    }
}

#[test]
fn when_all_fail_the_split_says_whose_words_are_read() {
    let stable = Scripted::start("oldcorp", |_| broken(500));
    let canary = Scripted::start("newcorp", |_| broken(503));
    let stage = Harness::start(&between(&stable, &canary).chat(HALF));
    for api in Api::ALL {
        for stream in [false, true] {
            expect_refusal_of("newcorp", 503, &ask(&stage, api, "new", stream), api);
            expect_refusal_of("oldcorp", 500, &ask(&stage, api, "old", stream), api);
        }
    }
    let limited = || Fault::Refuses(Refusal::Throttled { retry_after: Some(30) });
    canary.choose(move |_| limited());
    let answer = ask(&stage, Api::Chat, "new", false);
    assert_eq!((answer.status, answer.header("retry-after")), (429, "30"), "{}", answer.text());
}

#[test]
fn a_list_is_asked_in_its_order() {
    let stable = Scripted::start("oldcorp", |_| broken(500));
    let canary = Scripted::start("newcorp", |_| broken(503));
    let third = Scripted::start("third", |_| broken(502));
    let fourth = Scripted::healthy("fourth");
    let flags = between(&stable, &canary)
        .provider("third", &third.base_url(), IMPATIENT)
        .provider("fourth", &fourth.base_url(), IMPATIENT)
        .chat(&format!("{RESCUED}, fallback: [third, fourth]"));
    let stage = Harness::start(&flags);
    for api in Api::ALL {
        expect_answer_of("fourth", &ask(&stage, api, "new", true), api, true, "3");
    }
    assert_eq!([&canary, &third, &fourth, &stable].map(Scripted::count), [3, 3, 3, 0]);
    stage
        .expect_attempts("chat", &[("newcorp", "server_error", 3), ("third", "server_error", 3), ("fourth", "ok", 3)])
        .unwrap();
}

#[test]
fn a_canary_that_was_taken_back_answers_for_nobody() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::healthy("newcorp");
    let flags = |percent: &str| between(&stable, &canary).chat(&HALF.replace("50%", percent)).to_string();
    let stage = Harness::start(&between(&stable, &canary).chat(HALF));
    expect_answer_of("newcorp", &ask(&stage, Api::Chat, "new", false), Api::Chat, false, "");
    stable.choose(|_| broken(503));
    expect_answer_of("newcorp", &ask(&stage, Api::Chat, "old", false), Api::Chat, false, "2");
    let asked = canary.count();
    assert_eq!(stage.change("rollback").status, 200);
    for api in Api::ALL {
        for user in ["old", "new"] {
            expect_refusal_of("oldcorp", 503, &ask(&stage, api, user, true), api);
        }
    }
    assert_eq!(canary.count(), asked, "a locked canary was asked");
    assert_eq!(stage.change("resume").status, 200);
    expect_answer_of("newcorp", &ask(&stage, Api::Chat, "new", true), Api::Chat, true, "");
    let asked = canary.count();
    let versions = stage.versions();
    stage.workspace().write(&flags("0"));
    eventually("the file is read", SOON, || (stage.versions() > versions).then_some(()));
    eventually("nobody is on the canary", SOON, || (stage.percent() == 0.0).then_some(()));
    for user in ["old", "new"] {
        expect_refusal_of("oldcorp", 503, &ask(&stage, Api::Chat, user, true), Api::Chat);
    }
    assert_eq!(canary.count(), asked, "a canary at 0 was asked");
}

#[test]
fn embeddings_are_never_answered_by_the_other_arm() {
    let stable = Scripted::start("oldcorp", |_| broken(503));
    let canary = Scripted::healthy("newcorp");
    let stage = Harness::start(&between(&stable, &canary).chat(HALF));
    let answer = stage.whole("/v1/embeddings", &[], r#"{"model":"m","input":"hi","user":"new"}"#);
    assert_eq!((answer.status, answer.header("x-serin-provider")), (503, "oldcorp"));
    assert_eq!((stable.count(), canary.count()), (1, 0));
}
