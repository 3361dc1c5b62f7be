//! Who is asked after a failure, what the client gets, and what it is counted as.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Backoff, Fallback, First, Policy, Retry, Secret};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::state::counters::Core;

const CHAT: &str = "/v1/chat/completions";
const OLD: ProviderId = ProviderId(0);
const NEW: ProviderId = ProviderId(1);
const MESSAGE: &str =
    r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"taken"}],"stop_reason":"end_turn"}"#;
const THIRD: ProviderId = ProviderId(2);
const NOTHING: (u64, u64, u64, u64) = (0, 0, 0, 0);
const ONE_FAILURE: (u64, u64, u64, u64) = (1, 0, 1, 0);
const ONE_SUCCESS: (u64, u64, u64, u64) = (1, 1, 0, 0);
const ONE_NOT_JUDGED: (u64, u64, u64, u64) = (1, 0, 0, 1);

/// Each provider may be asked twice, at once.
fn twice(mut policy: Policy, first: First) -> Policy {
    let backoff = Backoff { from: Millis(1), to: Millis(1) };
    with_rollout(&mut policy, |rollout| rollout.retry = Retry { attempts: 2, backoff, first, ..Retry::default() });
    policy
}

/// Of a user whom a bucket sends to the canary at 100% and to stable at 0.01%.
fn ask(body: &str) -> String {
    post(CHAT, "x-user-id: u\r\n", body)
}

fn error(status: u16, headers: &str) -> String {
    json(status, headers, r#"{"error":{"message":"no","type":"x","param":null,"code":null}}"#)
}

fn some() -> Percent {
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
            // What was rescued counts against the arm, and is no evidence for the other.
            assert_eq!(sidecar.judged(arm), ONE_FAILURE, "{failure}");
            let not_it = if arm == Arm::Stable { Arm::Canary } else { Arm::Stable };
            assert_eq!(sidecar.judged(not_it), NOTHING);
            assert_eq!(sidecar.shared.load().rollouts[0].series(arm, other).fallbacks(), 1);
        }
    }
}

#[test]
fn when_everybody_fails_the_answer_is_that_of_the_provider_that_the_split_chose() {
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
fn a_list_is_asked_in_its_order_and_nobody_twice() {
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
fn a_request_that_is_too_long_for_everybody_gets_the_words_of_the_first() {
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

#[test]
fn the_last_candidate_is_waited_for_when_it_asks_for_little() {
    for (wait, again) in
        [("retry-after: 0.01\r\n", true), ("retry-after-ms: 10\r\n", true), ("retry-after: 3\r\n", false)]
    {
        let (old, _seen) = Scripted::in_turn([error(429, wait), completion("at last")]);
        let sidecar = Sidecar::start(twice(policy(old.address, nobody()), First::Other), some());
        let reply = sidecar.ask(&ask("{}"));
        assert_eq!(reply.status, if again { 200 } else { 429 }, "{wait}");
        assert_eq!(reply.header("x-serin-attempts").as_deref(), again.then_some("2"));
        sidecar.settle();
        let expected: &[_] =
            if again { &[(Outcome::Ok, 1), (Outcome::Throttled, 1)] } else { &[(Outcome::Throttled, 1)] };
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), expected);
        assert_eq!(sidecar.judged(Arm::Stable), if again { ONE_SUCCESS } else { ONE_FAILURE });
    }
}

#[test]
fn a_provider_that_failed_is_asked_again_where_nobody_else_is_left() {
    let failures = [
        (error(500, ""), Outcome::ServerError),
        (error(529, ""), Outcome::ServerError),
        (error(503, "retry-after-ms: 1\r\n"), Outcome::ServerError),
        (BREAK.to_string(), Outcome::Reset),
    ];
    for (failure, outcome) in failures {
        for (second, last) in [(completion("at last"), Outcome::Ok), (failure.clone(), outcome)] {
            let (old, seen) = Scripted::in_turn([failure.clone(), second]);
            let sidecar = Sidecar::start(twice(policy(old.address, nobody()), First::Other), some());
            let reply = sidecar.ask(&ask("{}"));
            assert_eq!(reply.status == 200, last == Outcome::Ok, "{failure}: {reply:?}");
            assert_eq!(reply.header("x-serin-attempts").is_some(), outcome != Outcome::Reset || reply.status == 200);
            assert_eq!([got(&seen), got(&seen)].map(|seen| seen.text().to_owned()), ["{}", "{}"]);
            sidecar.settle();
            // Every attempt is counted, and the request is evidence once.
            let judged = if last == Outcome::Ok { ONE_SUCCESS } else { ONE_FAILURE };
            assert_eq!(sidecar.judged(Arm::Stable), judged, "{failure}");
            let attempts = sidecar.attempts(Arm::Stable, OLD);
            assert_eq!(attempts.iter().map(|(_, count)| count).sum::<u64>(), 2, "{attempts:?}");
            assert!(attempts.contains(&(outcome, if last == Outcome::Ok { 1 } else { 2 })), "{attempts:?}");
        }
    }
}

#[test]
fn what_may_not_be_asked_again_is_not() {
    let upgrade = format!(
        "GET {CHAT} HTTP/1.1\r\nhost: h\r\nx-user-id: u\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    );
    let upload = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: h\r\nx-user-id: u\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nhi"
    );
    let cut = format!("HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n{BREAK}");
    for (case, request, failure, attempts) in [
        ("an upgrade", upgrade, error(500, ""), 2),
        ("a streamed upload", upload, error(500, ""), 2),
        ("a cut within the answer", ask("{}"), cut, 2),
        ("a long pause", ask("{}"), error(500, "retry-after: 3\r\n"), 2),
        ("another failure", ask("{}"), json(200, "", "[]"), 2),
        ("`attempts: 1`", ask("{}"), error(500, ""), 1),
    ] {
        let (old, seen) = Scripted::in_turn([failure, completion("not asked")]);
        let mut policy = twice(policy(old.address, nobody()), First::Other);
        with_rollout(&mut policy, |rollout| rollout.retry.attempts = attempts);
        let sidecar = Sidecar::start(policy, some());
        let mut client = sidecar.client();
        client.send(&request);
        if case == "a cut within the answer" {
            client.read_to_end();
        } else {
            assert_ne!(client.reply().text(), body_of(&completion("not asked")), "{case}");
        }
        sidecar.settle();
        assert_eq!(seen.try_iter().count(), 1, "{case}");
    }
}

#[test]
fn repeats_are_bounded_by_the_budget() {
    let (old, seen) = Scripted::in_turn((0..60).map(|_| error(500, "")));
    let sidecar = Sidecar::start(twice(policy(old.address, nobody()), First::Other), some());
    for _ in 0..40 {
        assert_eq!(sidecar.ask(&ask("{}")).status, 500);
    }
    // Ten were saved up, and a tenth of those that came after the first repeat.
    assert_eq!(seen.try_iter().count(), 53);
}

#[test]
fn the_same_provider_is_asked_before_another_where_it_comes_first() {
    for (first, asked) in [(First::Same, 2), (First::Other, 1)] {
        let (new, seen_new) = Scripted::in_turn([error(500, ""), error(500, "")]);
        let (old, seen_old) = Scripted::in_turn([completion("rescued")]);
        let sidecar = Sidecar::start(twice(both_ways(&old, &new), first), Percent::ALL);
        assert!(sidecar.ask(&ask("{}")).text().contains("rescued"));
        sidecar.settle();
        assert_eq!((seen_new.try_iter().count(), seen_old.try_iter().count()), (asked, 1), "{first:?}");
        assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE, "{first:?}");
    }
}

/// Each provider may be asked twice, and after minutes at least.
fn after_long(mut policy: Policy, first: First) -> Policy {
    let long = Millis(1_000_000_000);
    policy = twice(policy, first);
    with_rollout(&mut policy, |rollout| rollout.retry.backoff = Backoff { from: long, to: long });
    policy
}

#[test]
fn a_rollback_ends_a_pause_and_the_canary_is_not_asked_again() {
    for first in [First::Same, First::Other] {
        let (new, seen_new) = Scripted::in_turn([error(500, ""), completion("never")]);
        let (old, seen_old) = Scripted::in_turn([completion("stable")]);
        let mut policy = after_long(both_ways(&old, &new), first);
        if first == First::Other {
            with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::Nobody);
        }
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let before = sidecar.shared.load();
        let mut client = sidecar.client();
        client.send(ask("{}"));
        until("the first attempt has failed", || sidecar.attempts(Arm::Canary, NEW) == [(Outcome::ServerError, 1)]);
        sidecar.set_percent(Percent::ZERO);
        let reply = client.reply();
        assert!(reply.text().contains("stable"), "{first:?}: {reply:?}");
        assert_eq!(reply.header("x-serin-arm").as_deref(), Some("stable"));
        sidecar.settle();
        assert_eq!((seen_new.try_iter().count(), seen_old.try_iter().count()), (1, 1), "{first:?}");
        let totals = before.rollouts[0].evidence.totals(Arm::Canary);
        assert_eq!((totals.dispatched, totals.failed), (1, 1));
    }
}

#[test]
fn a_canary_that_is_found_down_is_not_paused_for() {
    let (new, seen_new) = Scripted::in_turn([error(500, ""), completion("never")]);
    let (old, _seen_old) = Scripted::in_turn([completion("stable")]);
    let sidecar = Sidecar::start(after_long(both_ways(&old, &new), First::Same), Percent::ALL);
    let before = sidecar.shared.load();
    let mut client = sidecar.client();
    client.send(ask("{}"));
    until("the first attempt has failed", || sidecar.attempts(Arm::Canary, NEW) == [(Outcome::ServerError, 1)]);
    until("nobody waits for its output", || sidecar.evidence(Arm::Canary).waits == (1, 1));
    sidecar.withdraw(&before.rollouts[0].evidence);
    let reply = client.reply();
    assert!(reply.text().contains("stable"), "{reply:?}");
    assert_eq!(reply.header("x-serin-arm").as_deref(), Some("canary"));
    sidecar.settle();
    assert_eq!(seen_new.try_iter().count(), 1);
}

#[test]
fn a_key_that_is_refused_or_throttled_gives_way_to_the_next_and_then_to_the_next_provider() {
    for (status, outcome) in
        [(401, Outcome::Auth), (403, Outcome::Auth), (402, Outcome::Quota), (429, Outcome::Throttled)]
    {
        let (old, seen_old) = Scripted::in_turn([completion("rescued")]);
        let (new, seen_new) =
            Scripted::in_turn([error(status, ""), completion("by the next key"), error(status, ""), error(status, "")]);
        let mut policy = both_ways(&old, &new);
        let keys = ["one", "two"].map(|key| Secret::new(key.to_owned()));
        with_provider(&mut policy, 1, |provider| provider.api_keys = keys.to_vec());
        let sidecar = Sidecar::start(policy, Percent::ALL);
        assert!(sidecar.ask(&ask("{}")).text().contains("by the next key"));
        let key = || got(&seen_new).header("authorization").unwrap();
        assert_eq!([key(), key()], ["Bearer one", "Bearer two"]);
        sidecar.settle();
        assert_eq!(sidecar.judged(Arm::Canary), ONE_SUCCESS, "{status}");
        // The next request begins with the next key.
        assert!(sidecar.ask(&ask("{}")).text().contains("rescued"));
        assert_eq!([key(), key()], ["Bearer two", "Bearer one"]);
        assert_eq!(got(&seen_old).header("authorization"), None);
        sidecar.settle();
        assert_eq!(sidecar.judged(Arm::Canary), (2, 1, 1, 0), "{status}");
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1), (outcome, 3)]);
    }
}

#[test]
fn a_reload_fills_no_budget_and_begins_no_round_of_keys_anew() {
    let throttled = || error(429, "retry-after: 0.01\r\n");
    let (old, seen) = Scripted::in_turn([throttled(), throttled(), throttled(), completion("at last")]);
    let sidecar = Sidecar::start(twice(policy(old.address, nobody()), First::Other), some());
    let budget = || Arc::clone(&sidecar.shared.load().rollouts[0].retry);
    while budget().affords(Core(0)) {
        budget().spend(Core(0));
    }
    for _ in 0..2 {
        assert_eq!(sidecar.ask(&ask("{}")).status, 429, "nothing is left");
        sidecar.reload(|policy| policy.drain = Millis(1));
    }
    budget().earn(Core(0), Percent::ALL);
    assert!(sidecar.ask(&ask("{}")).text().contains("at last"));
    assert_eq!(seen.try_iter().count(), 4);

    let (old, seen) = Scripted::in_turn((0..5).map(|_| completion("well")));
    let mut policy = policy(old.address, nobody());
    let keys = ["one", "two", "three"].map(|key| Secret::new(key.to_owned()));
    with_provider(&mut policy, 0, |provider| provider.api_keys = keys[..2].to_vec());
    let sidecar = Sidecar::start(policy, some());
    let key = || {
        assert_eq!(sidecar.ask(&ask("{}")).status, 200);
        got(&seen).header("authorization").unwrap()
    };
    let first = key();
    sidecar.reload(|policy| policy.drain = Millis(1));
    let second = key();
    sidecar.reload(|policy| with_provider(policy, 0, |provider| provider.api_keys = keys.to_vec()));
    assert_eq!(
        [first, second, key(), key(), key()],
        ["one", "two", "three", "one", "two"].map(|key| format!("Bearer {key}"))
    );
}

#[test]
fn a_refused_connection_is_dialled_twice_and_is_one_attempt() {
    let (old, _seen) = Scripted::in_turn([completion("rescued")]);
    let mut policy = twice(policy(old.address, nobody()), First::Other);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let reply = sidecar.ask(&ask("{}"));
    assert!(reply.text().contains("rescued"), "{reply:?}");
    assert_eq!(reply.header("x-serin-attempts").as_deref(), Some("2"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Connect, 1)]);
    assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
}

#[test]
fn a_stream_has_its_own_limit_for_the_head() {
    let (_never, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let old = Scripted::new(move |mut client| {
        client.message();
        let _ = wait.lock().unwrap().recv_timeout(std::time::Duration::from_millis(200));
        client.send(completion("late"));
    });
    let mut policy = policy(old.address, nobody());
    with_provider(&mut policy, 0, |provider| provider.timeouts.stream_headers = Millis(20));
    let sidecar = Sidecar::start(policy, some());
    assert!(sidecar.ask(&ask(r#"{"stream":false}"#)).text().contains("late"));
    let reply = sidecar.ask(&ask(r#"{"stream":true}"#));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (504, Some("timeout")));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::Ok, 1), (Outcome::Timeout, 1)]);
}

#[test]
fn a_streamed_canary_that_does_not_begin_is_given_up_for_stable() {
    for begun in ["", &stream(&[])] {
        let (old, _seen) = Scripted::in_turn([completion("rescued")]);
        let new = {
            let begun = begun.to_owned();
            Scripted::new(move |mut client| {
                client.message();
                client.send(&begun);
                client.read_to_end();
            })
        };
        let mut policy = both_ways(&old, &new);
        with_rollout(&mut policy, |rollout| rollout.give_up_after = Millis(30));
        let sidecar = Sidecar::start(policy, Percent::ALL);
        assert!(sidecar.ask(&ask(r#"{"stream":true}"#)).text().contains("rescued"));
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Timeout, 1)]);
        assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
    }
}

#[test]
fn a_canary_with_two_keys_is_waited_for_as_long_as_one_with_one() {
    let (old, _seen) = Scripted::in_turn([completion("rescued")]);
    let (new, seen_new, go) = when_told([error(429, "")]);
    let (_never, pause) = std::sync::mpsc::channel::<()>();
    let mut policy = both_ways(&old, &new);
    let keys = ["one", "two"].map(|key| Secret::new(key.to_owned()));
    with_provider(&mut policy, 1, |provider| provider.api_keys = keys.to_vec());
    with_rollout(&mut policy, |rollout| rollout.give_up_after = Millis(2000));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask(r#"{"stream":true}"#));
    got(&seen_new);
    let began = crate::clock::instant();
    let _ = pause.recv_timeout(std::time::Duration::from_millis(1600));
    go.send(()).unwrap();
    // It never answers with its second key.
    got(&seen_new);
    assert!(client.reply().text().contains("rescued"));
    assert!(began.elapsed() < std::time::Duration::from_millis(3500), "the second key began to wait anew");
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Timeout, 1), (Outcome::Throttled, 1)]);
}

#[test]
fn a_rollback_between_two_attempts_sends_the_next_one_to_stable() {
    let (old, seen_old) = Scripted::in_turn([completion("stable")]);
    let (new, seen_new, go) = when_told([error(401, ""), completion("never")]);
    let mut policy = both_ways(&old, &new);
    let keys = ["one", "two"].map(|key| Secret::new(key.to_owned()));
    with_provider(&mut policy, 1, |provider| provider.api_keys = keys.to_vec());
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let before = sidecar.shared.load();
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_new);
    sidecar.set_percent(Percent::ZERO);
    go.send(()).unwrap();
    let reply = client.reply();
    assert!(reply.text().contains("stable"), "{reply:?}");
    assert_eq!(reply.header("x-serin-arm").as_deref(), Some("stable"));
    got(&seen_old);
    sidecar.settle();
    assert!(seen_new.try_recv().is_err(), "the canary was asked after its rollback");
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Auth, 1)]);
    // What had failed by then belongs to the time before.
    let totals = before.rollouts[0].evidence.totals(Arm::Canary);
    assert_eq!((totals.dispatched, totals.failed), (1, 1));
    assert_eq!(sidecar.judged(Arm::Canary), NOTHING);
}

#[test]
fn a_client_that_leaves_between_or_within_attempts_leaves_nothing_behind() {
    // In the pause before a repetition, while stable is asked, and while an answer is held.
    let held = stream(&[ROLE]);
    for (first, second, expected) in [
        (error(429, "retry-after: 2\r\n"), None, vec![(Outcome::Throttled, 1)]),
        (error(400, ""), Some(String::new()), vec![(Outcome::ClientError, 1)]),
        (held, None, vec![(Outcome::ClientGone, 1)]),
    ] {
        let asked = second.is_some();
        let (old, seen_old) = Scripted::in_turn(second);
        let (new, seen_new) = Scripted::in_turn([first.clone()]);
        let mut policy = both_ways(&old, &new);
        if first.contains("429") {
            policy = twice(policy, First::Other);
            with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::Nobody);
        }
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let mut client = sidecar.client();
        client.send(ask(r#"{"stream":true}"#));
        got(&seen_new);
        if asked {
            got(&seen_old);
        } else if first.contains("429") {
            until("the failure is accounted for", || !sidecar.attempts(Arm::Canary, NEW).is_empty());
        }
        drop(client);
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), expected, "{first}");
        assert_eq!(sidecar.judged(Arm::Canary).0, 1);
        let ended = sidecar.shared.load().rollouts[0]
            .series(Arm::Canary, if asked { OLD } else { NEW })
            .requests(Outcome::ClientGone);
        assert_eq!(ended, 1, "{first}");
    }
}

#[test]
fn memory_for_held_bodies_comes_back_after_every_kind_of_end() {
    // Each request borrows more than half of it, and so does each answer that is held.
    let body = format!(r#"{{"stream":true,"messages":"{}"}}"#, "x".repeat(20_000));
    let long = json(500, "", &"y".repeat(15_000));
    let words =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "z".repeat(15_000));
    let answers = [long, BREAK.to_string(), stream(&[ROLE]) + LAST, stream(&[&words, STOP]) + LAST];
    let (old, _seen_old) = Scripted::in_turn((0..8).map(|_| completion("rescued")));
    let (new, _seen_new) = Scripted::in_turn(answers.iter().chain(&answers).cloned());
    let mut policy = both_ways(&old, &new);
    policy.limits.replay_memory = 37_000;
    let sidecar = Sidecar::start(policy, Percent::ALL);
    for _ in 0..8 {
        assert_eq!(sidecar.ask(&ask(&body)).status, 200);
        sidecar.settle();
    }
    let snapshot = sidecar.shared.load();
    assert_eq!(snapshot.rollouts[0].series(Arm::Stable, OLD).unheld(), 0, "a body found no memory");
    assert_eq!(sidecar.judged(Arm::Canary), (8, 2, 6, 0));
}
