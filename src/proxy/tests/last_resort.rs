//! The text of `last_resort`: when a client gets it, and that it is nobody's success.

use super::recovery::{CHAT, NEW, OLD, ONE_FAILURE, ask, error};
use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Fallback, Policy};
use crate::decide::units::{Arm, Percent};

const TEXT: &str = "We are busy.";

fn with_text(mut policy: Policy) -> Policy {
    with_rollout(&mut policy, |rollout| {
        rollout.last_resort = Some(TEXT.to_owned());
        rollout.matches.endpoints.extend(["responses", "completions", "embeddings"].map(str::to_owned));
    });
    policy
}

fn last_resort(reply: &Reply) -> Option<String> {
    assert!(reply.header("x-serin-last-resort").is_none() || reply.header("x-serin-error").is_none());
    reply.header("x-serin-last-resort")
}

#[test]
fn whoever_nobody_answers_gets_the_text_in_its_api() {
    for (path, ends) in [
        ("/v1/chat/completions", "[DONE]"),
        ("/v1/completions", "[DONE]"),
        ("/v1/messages", "message_stop"),
        ("/v1/responses", "response.completed"),
    ] {
        for stream in [false, true] {
            let (old, _old) = Scripted::in_turn([error(503, "")]);
            let (new, _new) = Scripted::in_turn([BREAK.to_string()]);
            let sidecar = Sidecar::start(with_text(both_ways(&old, &new)), Percent::ALL);
            let body = format!(r#"{{"model":"gpt-4o","stream":{stream},"messages":[]}}"#);
            let reply = sidecar.ask(&post(path, "x-user-id: u\r\n", &body));
            assert_eq!((reply.status, last_resort(&reply).as_deref()), (200, Some("reset")), "{path}: {reply:?}");
            assert_eq!(reply.header("x-serin-provider"), None, "no provider said it");
            assert!(reply.text().contains(TEXT) && reply.text().contains("gpt-4o"));
            assert_eq!(reply.text().contains(ends), stream, "{path}: {}", reply.text());
            sidecar.settle();
            assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Reset, 1)]);
            assert_eq!(sidecar.attempts(Arm::Canary, OLD), [(Outcome::ServerError, 1)]);
            assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE, "it is no success");
            assert_eq!((sidecar.ended(Arm::Canary, Outcome::Reset), sidecar.ended(Arm::Canary, Outcome::Ok)), (1, 0));
            assert_eq!(sidecar.shared.load().rollouts[0].series.last_resorts(), 1);
        }
    }
}

#[test]
fn without_the_key_and_where_no_text_is_an_answer_the_failure_goes_out() {
    let plain = |policy: Policy| policy;
    type Change = fn(Policy) -> Policy;
    let cases: [(&str, Change, &str); 4] = [
        (CHAT, plain, "{}"),
        ("/v1/embeddings", with_text, "{}"),
        ("/v1/files", with_text, "{}"),
        (CHAT, with_text, r#"{"response_format":{"type":"json_object"}}"#),
    ];
    for (path, policy, body) in cases {
        let (old, _old) = Scripted::in_turn([error(503, ""), error(503, "")]);
        let (new, _new) = Scripted::in_turn([error(502, "")]);
        let sidecar = Sidecar::start(policy(both_ways(&old, &new)), Percent::ALL);
        let reply = sidecar.ask(&post(path, "x-user-id: u\r\n", body));
        assert!(matches!(reply.status, 502 | 503) && last_resort(&reply).is_none(), "{path} {body}: {reply:?}");
        sidecar.settle();
        assert_eq!(sidecar.shared.load().rollouts[0].series.last_resorts(), 0);
    }
}

#[test]
fn what_the_client_itself_got_wrong_is_told_to_it() {
    let refused = || error(400, "");
    for (old, new) in [
        (refused(), refused()),
        (refused(), error(500, "")),
        (error(500, ""), refused()),
        (error(401, ""), error(500, "")),
    ] {
        let (old, _old) = Scripted::in_turn([old]);
        let (new, _new) = Scripted::in_turn([new]);
        let sidecar = Sidecar::start(with_text(both_ways(&old, &new)), Percent::ALL);
        let reply = sidecar.ask(&ask("{}"));
        assert!(reply.status >= 400 && last_resort(&reply).is_none(), "{reply:?}");
        sidecar.settle();
    }
}

#[test]
fn a_provider_that_cannot_be_reached_or_used_is_a_failure_of_all_as_well() {
    for unusable in [false, true] {
        let mut policy = with_text(policy(refusing_address(), refusing_address()));
        with_rollout(&mut policy, |rollout| {
            (rollout.canary, rollout.fallback) = (None, Fallback::Nobody);
        });
        with_provider(&mut policy, 0, |old| old.unusable = unusable.then(|| "${KEY} is not set".to_owned()));
        let sidecar = Sidecar::start(policy, Percent::ZERO);
        let reply = sidecar.ask(&ask(r#"{"stream":true}"#));
        let outcome = if unusable { "serin_error" } else { "connect" };
        assert_eq!((reply.status, last_resort(&reply).as_deref()), (200, Some(outcome)), "{reply:?}");
        assert!(reply.text().ends_with("data: [DONE]\n\n"));
        sidecar.settle();
    }
}

#[test]
fn an_answer_that_has_begun_is_not_replaced() {
    let (old, _old) = Scripted::in_turn([stream(&[ROLE, WORD]) + "\u{17}"]);
    let (new, _new) = Scripted::in_turn([stream(&[ROLE, WORD]) + "\u{17}"]);
    let sidecar = Sidecar::start(with_text(both_ways(&old, &new)), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask(r#"{"stream":true}"#));
    let all = String::from_utf8(client.reply().message.body).unwrap();
    assert!(all.contains("hi") && all.contains("\"error\"") && !all.contains(TEXT), "{all}");
    sidecar.settle();
}
