//! What leaves a rollout's stable out for others than the request that met it, and what does not.

use std::net::SocketAddr;
use std::sync::Arc;

use super::support::*;
use crate::clock;
use crate::decide::breaker::CircuitState;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{BreakerRule, Fallback, Policy};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::state::provider::BreakerKind;

const CHAT: &str = "/v1/chat/completions";
const OLD: ProviderId = ProviderId(0);
const NEW: ProviderId = ProviderId(1);
/// As easily opened as can be.
const RULE: BreakerRule = BreakerRule { failures: 1, open_for: Millis(600_000) };
const NOTHING: (u64, u64, u64, u64) = (0, 0, 0, 0);

/// Of a user whom a bucket sends to stable at 0.01%.
fn ask(body: &str) -> String {
    post(CHAT, "x-user-id: u\r\n", body)
}

fn some() -> Percent {
    Percent::from_hundredths(1).unwrap()
}

fn between(old: SocketAddr, new: SocketAddr) -> Policy {
    let mut policy = policy(old, new);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    with_provider(&mut policy, 0, |provider| provider.breaker = Some(RULE));
    policy
}

fn reach(sidecar: &Sidecar) -> CircuitState {
    sidecar.shared.load().provider(OLD).circuit(BreakerKind::Reach)
}

/// As after failures to connect for more than a second.
fn out_of_reach(sidecar: &Sidecar) {
    let snapshot = sidecar.shared.load();
    snapshot.provider(OLD).record_connect_failure(Some(&RULE), Millis(0));
    until("a second has passed", || {
        snapshot.provider(OLD).record_connect_failure(Some(&RULE), clock::now());
        matches!(reach(sidecar), CircuitState::Open { .. })
    });
}

#[test]
fn whatever_stable_does_with_one_users_requests_moves_no_other_user() {
    let failures = [
        json(500, "", "{}"),
        json(503, "retry-after: 1\r\n", "{}"),
        json(529, "", "{}"),
        json(429, "retry-after: 30\r\n", "{}"),
        json(401, "", "{}"),
        json(404, "", "{}"),
        json(408, "", "{}"),
        json(200, "", r#"{"error":{"message":"overloaded"}}"#),
        json(200, "", "{}"),
        BREAK.to_string(),
        format!("not HTTP at all\r\n\r\n{BREAK}"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{BREAK}"),
        stream(&[ROLE]) + "\u{17}",
    ];
    for failure in failures {
        let (old, seen_old) =
            Scripted::in_turn((0..12).map(|_| failure.clone()).chain((0..2).map(|_| completion("of stable"))));
        let (new, seen_new) = Scripted::in_turn((0..12).map(|_| completion("rescued")));
        let sidecar = Sidecar::start(between(old.address, new.address), some());
        for _ in 0..12 {
            sidecar.ask(&ask("{}"));
        }
        sidecar.settle();
        let rescued = seen_new.try_iter().count();
        for user in ["v", "w"] {
            let reply = sidecar.ask(&post(CHAT, &format!("x-user-id: {user}\r\n"), "{}"));
            assert!(reply.text().contains("of stable"), "{failure}: {reply:?}");
            assert_eq!(reply.header("x-serin-attempts"), None, "{failure}");
        }
        sidecar.settle();
        assert_eq!((seen_old.try_iter().count(), seen_new.try_iter().count()), (14, 0), "{failure}");
        assert!(sidecar.shared.load().provider(OLD).is_healthy(), "{failure}");
        // Those of its own that the canary answered are counted as such.
        let answered = sidecar.shared.load().rollouts[0].series(Arm::Stable, NEW).fallbacks();
        assert_eq!(answered, rescued as u64, "{failure}");
    }
}

#[test]
fn a_client_that_gives_up_on_stable_moves_nobody() {
    let (old, seen_old, go) = on_signal((0..6).map(|_| completion("of stable")));
    let (new, seen_new) = Scripted::in_turn([""; 0]);
    let sidecar = Sidecar::start(between(old.address, new.address), some());
    for _ in 0..5 {
        let mut client = sidecar.client();
        client.send(ask(r#"{"stream":true}"#));
        got(&seen_old);
        drop(client);
        // Its provider answers in vain.
        go.send(()).unwrap();
    }
    sidecar.until_ended(Arm::Stable, Outcome::ClientGone, 5);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_old);
    go.send(()).unwrap();
    assert!(client.reply().text().contains("of stable"));
    assert!(seen_new.try_recv().is_err() && sidecar.shared.load().provider(OLD).is_healthy());
}

#[test]
fn an_upgrade_that_finds_no_connection_says_nothing_of_others() {
    let (new, _seen_new) = Scripted::in_turn([""; 0]);
    let sidecar = Sidecar::start(between(refusing_address(), new.address), Percent::ZERO);
    let upgrade = format!(
        "GET {CHAT} HTTP/1.1\r\nhost: h\r\nx-user-id: u\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    );
    assert_eq!(sidecar.ask(&upgrade).status, 502);
    assert!(sidecar.shared.load().provider(OLD).is_healthy());
    assert_eq!(sidecar.ask(&ask("{}")).status, 502);
    assert!(matches!(reach(&sidecar), CircuitState::Closed { failures: 1, .. }), "as this does");
}

#[test]
fn each_request_falls_back_until_stable_is_known_to_be_out_of_reach_and_then_none_asks_it() {
    let (new, _seen_new) = Scripted::in_turn((0..2).map(|_| completion("rescued")));
    let sidecar = Sidecar::start(between(refusing_address(), new.address), some());
    let reply = sidecar.ask(&ask("{}"));
    assert!(reply.text().contains("rescued"), "{reply:?}");
    assert_eq!(reply.header("x-serin-attempts").as_deref(), Some("2"));
    assert!(matches!(reach(&sidecar), CircuitState::Closed { failures: 1, .. }), "it takes a second");
    out_of_reach(&sidecar);
    let reply = sidecar.ask(&ask("{}"));
    assert!(reply.text().contains("rescued"), "{reply:?}");
    assert_eq!((reply.header("x-serin-attempts"), reply.header("x-serin-arm").as_deref()), (None, Some("stable")));
    sidecar.settle();
    let snapshot = sidecar.shared.load();
    assert_eq!(BreakerKind::ALL.map(|breaker| snapshot.provider(OLD).diverted(breaker)), [0, 1]);
    // Both are reported, and what was sent elsewhere is neither exposure nor evidence.
    assert_eq!(snapshot.rollouts[0].series(Arm::Stable, NEW).fallbacks(), 2);
    assert_eq!((sidecar.judged(Arm::Stable), sidecar.judged(Arm::Canary)), ((1, 0, 1, 0), NOTHING));
}

#[test]
fn the_head_of_any_answer_brings_stable_back() {
    let failure = json(500, "", "{}");
    let (old, _seen_old) = Scripted::in_turn([failure, completion("of stable")]);
    // The canary fails, so that stable is asked after all.
    let (new, _seen_new) = Scripted::in_turn([json(503, "", "{}")]);
    let sidecar = Sidecar::start(between(old.address, new.address), some());
    out_of_reach(&sidecar);
    assert_eq!(sidecar.ask(&ask("{}")).status, 500, "the words of the provider that the split chose");
    sidecar.settle();
    let stable = Arc::clone(sidecar.shared.load().provider(OLD));
    let counts = BreakerKind::ALL.map(|breaker| (stable.bypassed(breaker), stable.diverted(breaker)));
    assert_eq!(counts, [(0, 0), (1, 0)], "it was asked after all");
    assert!(sidecar.shared.load().provider(OLD).is_healthy());
    assert!(sidecar.ask(&ask("{}")).text().contains("of stable"));
}

#[test]
fn no_request_is_sent_elsewhere_where_no_other_candidate_may_answer() {
    let body = r#"{"previous_response_id":"resp_1"}"#;
    let unchanged: fn(&mut Policy) = |_| ();
    for (case, body, percent, change) in [
        ("a canary at 0", "{}", Percent::ZERO, unchanged),
        ("`fallback: false`", "{}", some(), |policy| {
            with_rollout(policy, |rollout| rollout.fallback = Fallback::Nobody);
        }),
        ("`breaker: off`", "{}", some(), |policy| with_provider(policy, 0, |provider| provider.breaker = None)),
        ("a request that builds on an earlier answer", body, some(), unchanged),
    ] {
        let (old, seen_old) = Scripted::in_turn([completion("of stable")]);
        let (new, seen_new) = Scripted::in_turn([""; 0]);
        let mut policy = between(old.address, new.address);
        change(&mut policy);
        let sidecar = Sidecar::start(policy, percent);
        out_of_reach(&sidecar);
        assert!(sidecar.ask(&ask(body)).text().contains("of stable"), "{case}");
        assert_eq!((seen_old.try_iter().count(), seen_new.try_iter().count()), (1, 0), "{case}");
    }
}

#[test]
fn what_builds_on_an_earlier_answer_is_answered_by_no_other_provider() {
    let (old, _seen_old) = Scripted::in_turn([json(500, "x-from: old\r\n", "{}")]);
    let (new, seen_new) = Scripted::in_turn([""; 0]);
    let sidecar = Sidecar::start(between(old.address, new.address), some());
    let reply = sidecar.ask(&ask(r#"{"conversation":"conv_1"}"#));
    assert_eq!((reply.status, reply.header("x-from").as_deref()), (500, Some("old")));
    assert!(seen_new.try_recv().is_err());
}

#[test]
fn a_canary_that_answers_no_request_either_is_asked_last() {
    let (old, seen_old) = Scripted::in_turn([completion("of stable")]);
    let (new, seen_new) = Scripted::in_turn([""; 0]);
    let sidecar = Sidecar::start(between(old.address, new.address), some());
    out_of_reach(&sidecar);
    let now = sidecar.shared.load();
    let mut next = snapshot(now.revision + 1, (*now.policy).clone(), some(), 1);
    next.providers.clone_from(&now.providers);
    next.rollouts[0].diverts = false;
    sidecar.shared.publish(next);
    assert!(sidecar.ask(&ask("{}")).text().contains("of stable"));
    assert_eq!((seen_old.try_iter().count(), seen_new.try_iter().count()), (1, 0));
    assert!(sidecar.shared.load().provider(OLD).is_healthy(), "it came back");
}
