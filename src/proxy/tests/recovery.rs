//! Which candidate is asked after a failure, what the client gets, and what it is counted as.

use std::sync::Arc;

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Backoff, Fallback, First, Policy, Retry, Secret};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};

pub(super) const CHAT: &str = "/v1/chat/completions";
pub(super) const OLD: ProviderId = ProviderId(0);
pub(super) const NEW: ProviderId = ProviderId(1);
const MESSAGE: &str =
    r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"taken"}],"stop_reason":"end_turn"}"#;
const THIRD: ProviderId = ProviderId(2);
pub(super) const NOTHING: (u64, u64, u64, u64) = (0, 0, 0, 0);
pub(super) const ONE_FAILURE: (u64, u64, u64, u64) = (1, 0, 1, 0);
const ONE_NOT_JUDGED: (u64, u64, u64, u64) = (1, 0, 0, 1);

/// Each provider may be asked twice, at once.
pub(super) fn twice(mut policy: Policy, first: First) -> Policy {
    let backoff = Backoff { from: Millis(1), to: Millis(1) };
    with_rollout(&mut policy, |rollout| rollout.retry = Retry { attempts: 2, backoff, first, ..Retry::default() });
    policy
}

/// Of a user whom a bucket sends to the canary at 100% and to stable at 0.01%.
pub(super) fn ask(body: &str) -> String {
    post(CHAT, "x-user-id: u\r\n", body)
}

pub(super) fn error(status: u16, headers: &str) -> String {
    json(status, headers, r#"{"error":{"message":"no","type":"x","param":null,"code":null}}"#)
}

pub(super) fn some() -> Percent {
    Percent::from_hundredths(1).unwrap()
}

#[test]
fn each_arm_is_answered_by_the_other_after_any_failure_before_its_output() {
    let failures = [
        (error(500, ""), Outcome::ServerError),
        (error(529, ""), Outcome::ServerError),
        (error(429, "retry-after: 1\r\n"), Outcome::Throttled),
        (json(200, "", r#"{"error":{"message":"overloaded"}}"#), Outcome::StreamError),
        (BREAK.to_string(), Outcome::Reset),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{BREAK}"), Outcome::Truncated),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{{\"choices\":[{BREAK}"),
            Outcome::Truncated,
        ),
        (stream(&[ROLE]) + "\u{17}", Outcome::Truncated),
        (stream(&[ROLE]) + LAST, Outcome::Truncated),
        (stream(&[ROLE, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"]) + LAST, Outcome::StreamError),
    ];
    for (failure, outcome) in failures {
        for arm in [Arm::Stable, Arm::Canary] {
            let (bad, seen_bad) = Scripted::in_turn([failure.clone()]);
            let rescued = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"rescued\"}}]}\n\n";
            let (good, seen_good) = Scripted::in_turn([stream(&[rescued, STOP]) + LAST]);
            let (policy, percent, own, other) = match arm {
                Arm::Stable => (both_ways(&bad, &good), some(), OLD, NEW),
                Arm::Canary => (both_ways(&good, &bad), Percent::ALL, NEW, OLD),
            };
            let sidecar = Sidecar::start(policy, percent);
            let reply = sidecar.ask(&ask(r#"{"stream":true,"messages":[]}"#));
            assert!(reply.status == 200 && reply.text().contains("rescued"), "{failure}: {reply:?}");
            assert_eq!(reply.header("x-serin-arm").as_deref(), Some(arm.as_str()));
            assert_eq!(reply.header("x-serin-provider").as_deref(), Some(if other == OLD { "old" } else { "new" }));
            assert_eq!(reply.header("x-serin-attempts").as_deref(), Some("2"));
            assert_eq!(got(&seen_bad).text(), got(&seen_good).text());
            sidecar.settle();
            assert_eq!(sidecar.attempts(arm, own), [(outcome, 1)], "{failure}");
            assert_eq!(sidecar.attempts(arm, other), [(Outcome::Ok, 1)]);
            // What another provider answered counts against the arm, and is no evidence for the other.
            assert_eq!(sidecar.judged(arm), ONE_FAILURE, "{failure}");
            let not_it = if arm == Arm::Stable { Arm::Canary } else { Arm::Stable };
            assert_eq!(sidecar.judged(not_it), NOTHING);
            assert_eq!(sidecar.shared.load().rollouts[0].series(arm, other).fallbacks(), 1);
        }
    }
}

#[test]
fn when_all_candidates_fail_the_answer_is_that_of_the_provider_that_the_split_chose() {
    let (old, _seen_old) = Scripted::in_turn([error(503, "x-from: old\r\n")]);
    let (new, _seen_new) = Scripted::in_turn([error(502, "x-from: new\r\nretry-after: 9\r\n")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let reply = sidecar.ask(&ask("{}"));
    assert_eq!((reply.status, reply.header("x-from").as_deref()), (502, Some("new")));
    assert_eq!((reply.header("retry-after").as_deref(), reply.header("x-serin-error")), (Some("9"), None));
    assert_eq!(reply.header("x-serin-provider").as_deref(), Some("new"));
    sidecar.settle();
    assert_eq!(sidecar.ended(Arm::Canary, Outcome::ServerError), 1);
    assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
    assert_eq!(sidecar.judged(Arm::Stable), NOTHING);
}

#[test]
fn a_list_is_asked_in_its_order_and_no_provider_twice() {
    let (old, seen_old) = Scripted::in_turn([completion("rescued")]);
    let (new, _seen_new) = Scripted::in_turn([error(500, "")]);
    let (third, seen_third) = Scripted::in_turn([error(500, "")]);
    let mut policy = both_ways(&old, &new);
    let mut other = provider("third", third.address);
    other.api_keys = vec![Secret::new("third-key".to_owned())];
    policy.providers.push(std::sync::Arc::new(other));
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::List(vec![NEW, THIRD, OLD]));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let reply = sidecar.ask(&post(CHAT, "x-user-id: u\r\nauthorization: Bearer client\r\ncookie: a=b\r\n", "{}"));
    assert!(reply.text().contains("rescued"), "{reply:?}");
    assert_eq!(reply.header("x-serin-attempts").as_deref(), Some("3"));
    let (third, old) = (got(&seen_third), got(&seen_old));
    assert_eq!((third.header("authorization").as_deref(), third.header("cookie")), (Some("Bearer third-key"), None));
    assert_eq!(
        (old.header("authorization").as_deref(), old.header("cookie").as_deref()),
        (Some("Bearer client"), Some("a=b"))
    );
    sidecar.settle();
    for (provider, outcome) in [(NEW, Outcome::ServerError), (THIRD, Outcome::ServerError), (OLD, Outcome::Ok)] {
        assert_eq!(sidecar.attempts(Arm::Canary, provider), [(outcome, 1)]);
    }
    assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
}

#[test]
fn a_refusal_is_asked_of_stable_and_means_what_stable_says() {
    for (accepts, outcome, judged) in
        [(true, Outcome::Unsupported, ONE_FAILURE), (false, Outcome::ClientError, ONE_NOT_JUDGED)]
    {
        let (old, seen_old) =
            Scripted::in_turn([if accepts { completion("taken") } else { error(400, "x-from: old\r\n") }]);
        let (new, _seen_new) = Scripted::in_turn([error(422, "x-from: new\r\n")]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        let reply = sidecar.ask(&ask("{}"));
        assert_eq!(reply.status, if accepts { 200 } else { 422 });
        assert_eq!(reply.header("x-from").as_deref(), (!accepts).then_some("new"));
        got(&seen_old);
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(outcome, 1)]);
        assert_eq!(sidecar.judged(Arm::Canary), judged);
        assert_eq!(sidecar.judged(Arm::Stable), NOTHING);
    }
}

#[test]
fn what_is_no_question_for_stable_is_not_asked() {
    let filter = json(400, "", r#"{"error":{"message":"no","type":"x","param":null,"code":"content_filter"}}"#);
    for (refusal, asks) in [(filter, true), (error(400, ""), false)] {
        let (old, seen_old) = Scripted::in_turn([completion("not asked")]);
        let (new, _seen_new) = Scripted::in_turn([refusal]);
        let mut policy = both_ways(&old, &new);
        with_rollout(&mut policy, |rollout| rollout.fallback_4xx = asks);
        let sidecar = Sidecar::start(policy, Percent::ALL);
        assert_eq!(sidecar.ask(&ask("{}")).status, 400);
        sidecar.settle();
        assert!(seen_old.try_recv().is_err());
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::ClientError, 1)]);
        assert_eq!(sidecar.judged(Arm::Canary), ONE_NOT_JUDGED);
    }
}

#[test]
fn a_plain_route_s_list_is_asked_of_a_request_that_is_too_long_and_of_no_other_refusal() {
    let openai = r#"{"error":{"message":"Too long.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    let anthropic = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#;
    let filter = r#"{"error":{"message":"prompt is too long","type":"x","param":null,"code":"content_filter"}}"#;
    let from = "x-from: old\r\n";
    for (path, refusal, list, canary, status) in [
        (CHAT, json(400, from, openai), true, false, 200),
        ("/v1/messages", json(400, from, anthropic), true, false, 200),
        (CHAT, json(400, from, openai), false, false, 400),
        (CHAT, json(400, from, openai), true, true, 400),
        (CHAT, json(404, from, openai), true, false, 404),
        (CHAT, json(400, from, filter), true, false, 400),
        (CHAT, error(400, from), true, false, 400),
    ] {
        let (old, _seen_old) = Scripted::in_turn([refusal.clone()]);
        let answer = if path == CHAT { completion("taken") } else { json(200, "", MESSAGE) };
        let (new, seen_new) = Scripted::in_turn([json(400, "", openai), answer]);
        let mut policy = both_ways(&old, &new);
        policy.providers.push(Arc::new(provider("third", new.address)));
        with_rollout(&mut policy, |rollout| {
            rollout.canary = rollout.canary.take().filter(|_| canary);
            rollout.fallback = if list { Fallback::List(vec![NEW, THIRD]) } else { Fallback::Nobody };
        });
        let sidecar = Sidecar::start(policy, some());
        let reply = sidecar.ask(&post(path, "x-user-id: u\r\n", "{}"));
        assert_eq!(reply.status, status, "{path} {refusal}: {reply:?}");
        assert_eq!(reply.header("x-from").is_none(), status == 200, "{path} {refusal}");
        sidecar.settle();
        assert_eq!(seen_new.try_iter().count(), if status == 200 { 2 } else { 0 }, "{path} {refusal}");
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::ClientError, 1)], "{path} {refusal}");
    }
}

#[test]
fn a_request_that_is_too_long_for_all_gets_the_answer_of_the_first() {
    let body = r#"{"error":{"message":"Too long.","type":"x","param":null,"code":"context_length_exceeded"}}"#;
    let (old, _seen_old) = Scripted::in_turn([json(400, "x-from: old\r\n", body)]);
    let (new, seen_new) = Scripted::in_turn([json(400, "x-from: new\r\n", body)]);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| {
        (rollout.canary, rollout.fallback) = (None, Fallback::List(vec![NEW]));
    });
    let sidecar = Sidecar::start(policy, some());
    let reply = sidecar.ask(&ask("{}"));
    assert_eq!((reply.status, reply.header("x-from").as_deref()), (400, Some("old")));
    got(&seen_new);
    sidecar.settle();
    assert_eq!(sidecar.ended(Arm::Stable, Outcome::ClientError), 1);
}
