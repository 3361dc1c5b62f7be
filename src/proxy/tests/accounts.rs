//! What is owed after every turn a request may take: attempts, evidence, the breaker's probe, bodies.

use std::sync::mpsc::channel;

use super::support::*;
use crate::clock;
use crate::decide::breaker::{AttemptSignal, CircuitState};
use crate::decide::outcome::Outcome;
use crate::decide::policy::{BreakerRule, Fallback, PathPart, PathTemplate, Policy, Rollout, Unmatched};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::state::provider::BreakerKind;

const CHAT: &str = "/v1/chat/completions";
const OLD: ProviderId = ProviderId(0);
const NEW: ProviderId = ProviderId(1);
const THIRD: ProviderId = ProviderId(2);
/// Opens at once, and is due at once.
const AT_ONCE: BreakerRule = BreakerRule { failures: 1, open_for: Millis(1) };
const FOR_LONG: BreakerRule = BreakerRule { failures: 2, open_for: Millis(600_000) };

/// Of a user whom a bucket sends to the canary at 100% and to stable at 0.01%.
fn ask(body: &str) -> String {
    post(CHAT, "x-user-id: u\r\n", body)
}

fn some() -> Percent {
    Percent::from_hundredths(1).unwrap()
}

fn breaker(sidecar: &Sidecar, id: ProviderId) -> CircuitState {
    sidecar.shared.load().provider(id).circuit(BreakerKind::Failures)
}

/// Opens the breaker, and waits until a request may try.
fn trip(sidecar: &Sidecar, id: ProviderId) {
    let health = std::sync::Arc::clone(sidecar.shared.load().provider(id));
    health.end_attempt(Some(&AT_ONCE), None, None, AttemptSignal::Failure, clock::now());
    let is_due =
        || matches!(health.circuit(BreakerKind::Failures), CircuitState::Open { until, .. } if until <= clock::now());
    until("the breaker may be probed", is_due);
}

/// A route without a canary: there a breaker counts whatever fails.
fn plain(rollout: &mut Rollout) {
    rollout.canary = None;
}

fn with_breaker(policy: &mut Policy, index: usize, rule: BreakerRule) {
    with_provider(policy, index, |provider| provider.breaker = Some(rule));
}

fn refusal() -> String {
    json(400, "", r#"{"error":{"message":"no","type":"x","param":null,"code":null}}"#)
}

#[test]
fn a_reload_while_stable_is_about_to_be_asked_loses_no_attempt() {
    let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
    let (new, seen_new, go) = on_signal([refusal(), completion("after the reload")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_new);
    sidecar.reload(|_| ());
    go.send(()).unwrap();
    got(&seen_new);
    go.send(()).unwrap();
    assert!(client.reply().text().contains("after the reload"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1), (Outcome::ClientError, 1)]);
    // One request, and well.
    assert_eq!(sidecar.judged(Arm::Canary), (1, 1, 0, 0));
}

#[test]
fn a_probe_whose_connection_is_dialled_twice_still_finds_out() {
    let mut policy = policy(refusing_address(), refusing_address());
    with_breaker(&mut policy, 0, AT_ONCE);
    with_rollout(&mut policy, plain);
    let sidecar = Sidecar::start(policy, some());
    for failures in 1..4 {
        assert_eq!(sidecar.ask(&ask("{}")).status, 502);
        sidecar.settle();
        let state = breaker(&sidecar, OLD);
        assert!(matches!(state, CircuitState::Open { .. }) && state.failures() == failures, "{state:?}");
        until(
            "it may be probed",
            || !matches!(breaker(&sidecar, OLD), CircuitState::Open { until, .. } if until > clock::now()),
        );
    }
}

#[test]
fn a_probe_that_is_planned_anew_gives_its_turn_back() {
    let (old, seen_old, go) = on_signal([completion("first"), completion("second")]);
    let mut policy = policy(old.address, refusing_address());
    with_breaker(&mut policy, 0, FOR_LONG);
    with_rollout(&mut policy, plain);
    with_provider(&mut policy, 0, |provider| provider.max_connections = 1);
    let sidecar = Sidecar::start(policy, some());
    let (mut first, mut second) = (sidecar.client(), sidecar.client());
    first.send(ask("{}"));
    got(&seen_old);
    trip(&sidecar, OLD);
    // It is the probe, and waits for the one connection.
    second.send(ask("{}"));
    until("it is the probe", || matches!(breaker(&sidecar, OLD), CircuitState::HalfOpen { .. }));
    sidecar.reload(|_| ());
    go.send(()).unwrap();
    assert!(first.reply().text().contains("first"));
    got(&seen_old);
    go.send(()).unwrap();
    assert!(second.reply().text().contains("second"));
    sidecar.settle();
    assert_eq!(breaker(&sidecar, OLD), CircuitState::CLOSED);
}

#[test]
fn a_probe_whose_client_leaves_before_it_was_sent_gives_its_turn_back() {
    let (third, seen_third, _go) = on_signal([]);
    let (new, _seen_new) = Scripted::in_turn([json(500, "", "{}")]);
    let mut policy = policy(refusing_address(), new.address);
    policy.providers.push(std::sync::Arc::new(provider("third", third.address)));
    policy.unmatched = Unmatched::Provider(THIRD);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::List(vec![THIRD]));
    with_breaker(&mut policy, 2, FOR_LONG);
    with_provider(&mut policy, 2, |provider| provider.max_connections = 1);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut occupant = sidecar.client();
    occupant.send(post("/v1/files", "", "{}"));
    got(&seen_third);
    trip(&sidecar, THIRD);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    until("it is the probe", || matches!(breaker(&sidecar, THIRD), CircuitState::HalfOpen { .. }));
    drop(client);
    until("it is no more", || matches!(breaker(&sidecar, THIRD), CircuitState::Open { .. }));
    drop(occupant);
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::ServerError, 1)]);
    assert_eq!(sidecar.judged(Arm::Canary), (1, 0, 1, 0));
}

#[test]
fn a_request_that_cannot_be_made_for_the_canary_is_no_success_of_it() {
    let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
    let mut policy = both_ways(&old, &Scripted::in_turn([completion("not asked")]).0);
    with_provider(&mut policy, 1, |provider| {
        provider.path = Some(PathTemplate(vec![PathPart::Text("/".to_owned()), PathPart::Model]));
    });
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let reply = sidecar.ask(&ask(&format!(r#"{{"model":"{}"}}"#, "m".repeat(70_000))));
    assert!(reply.text().contains("rescued"), "{reply:?}");
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::SerinError, 1)]);
    assert_eq!(sidecar.judged(Arm::Canary), (1, 0, 0, 1));
}

#[test]
fn no_provider_is_given_up_for_one_that_cannot_be_used() {
    let (new, seen_new, go) =
        on_signal([stream(&["data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"late\"}}]}\n\n", STOP]) + LAST]);
    let (_never, wait) = channel::<()>();
    let mut policy = both_ways(&Scripted::in_turn([completion("not asked")]).0, &new);
    with_provider(&mut policy, 0, |provider| provider.unusable = Some("it has no key".to_owned()));
    with_rollout(&mut policy, |rollout| rollout.give_up_after = Millis(20));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask(r#"{"stream":true}"#));
    got(&seen_new);
    // Longer than it would be waited for if another candidate were left.
    let _ = wait.recv_timeout(std::time::Duration::from_millis(200));
    go.send(()).unwrap();
    assert!(client.reply().text().contains("late"));
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (1, 1, 0, 0));
}

#[test]
fn a_canary_whose_connections_are_all_taken_is_given_up_in_time() {
    let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
    let (new, seen_new, _go) = on_signal([]);
    let mut policy = both_ways(&old, &new);
    with_provider(&mut policy, 1, |provider| provider.max_connections = 1);
    with_rollout(&mut policy, |rollout| rollout.give_up_after = Millis(50));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut occupant = sidecar.client();
    occupant.send(ask(r#"{"stream":false}"#));
    got(&seen_new);
    let reply = sidecar.ask(&ask(r#"{"stream":true}"#));
    assert!(reply.text().contains("rescued"), "{reply:?}");
    drop(occupant);
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::ClientGone, 1), (Outcome::SerinError, 1)]);
    assert_eq!(sidecar.judged(Arm::Canary), (2, 0, 0, 2));
}

#[test]
fn no_request_waits_for_a_free_connection_longer_than_it_takes_to_connect() {
    for has_other in [true, false] {
        let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
        let (new, seen_new, _go) = on_signal([]);
        let mut policy = both_ways(&old, &new);
        with_provider(&mut policy, 1, |provider| {
            (provider.max_connections, provider.timeouts.connect) = (1, Millis(50));
        });
        with_rollout(&mut policy, |rollout| {
            rollout.give_up_after = Millis(600_000);
            if !has_other {
                rollout.fallback = Fallback::Nobody;
            }
        });
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let mut occupant = sidecar.client();
        occupant.send(ask("{}"));
        got(&seen_new);
        let reply = sidecar.ask(&ask("{}"));
        if has_other {
            assert!(reply.text().contains("rescued"), "{reply:?}");
        } else {
            assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (503, Some("resources")));
            assert!(reply.text().contains("were in use; raise max_connections"), "{reply:?}");
        }
        drop(occupant);
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::ClientGone, 1), (Outcome::SerinError, 1)]);
        assert_eq!(sidecar.judged(Arm::Canary), (2, 0, 0, 2));
    }
}

#[test]
fn embeddings_are_not_asked_of_another_model() {
    let (old, seen_old) = Scripted::in_turn([json(200, "", r#"{"data":[]}"#)]);
    let (new, _seen_new) = Scripted::in_turn([refusal()]);
    let mut policy = policy(old.address, new.address);
    with_rollout(&mut policy, |rollout| {
        rollout.matches.endpoints = vec!["embeddings".to_owned()];
        rollout.fallback = Fallback::List(vec![NEW]);
    });
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert_eq!(sidecar.ask(&post("/v1/embeddings", "x-user-id: u\r\n", "{}")).status, 400);
    sidecar.settle();
    assert!(seen_old.try_recv().is_err(), "stable was asked");
}

#[test]
fn an_open_breaker_sends_elsewhere_and_never_refuses() {
    let failure = || json(500, "", "{}");
    for others in [true, false] {
        let (old, seen_old) = Scripted::in_turn((0..3).map(|_| failure()));
        let (new, _seen_new) = Scripted::in_turn((0..3).map(|_| completion("rescued")));
        let mut policy = both_ways(&old, &new);
        with_breaker(&mut policy, 0, FOR_LONG);
        with_rollout(&mut policy, |rollout| {
            plain(rollout);
            rollout.fallback = if others { Fallback::List(vec![NEW]) } else { Fallback::Nobody };
        });
        let sidecar = Sidecar::start(policy, some());
        for _ in 0..3 {
            assert_eq!(sidecar.ask(&ask("{}")).status, if others { 200 } else { 500 });
            sidecar.settle();
        }
        assert!(matches!(breaker(&sidecar, OLD), CircuitState::Open { failures: 2, .. }));
        let asked = if others { 2 } else { 3 };
        assert_eq!(seen_old.try_iter().count(), asked);
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::ServerError, asked as u64)]);
        assert_eq!(sidecar.shared.load().provider(OLD).diverted(BreakerKind::Failures), u64::from(others));
    }
}

#[test]
fn a_probe_that_succeeds_closes_the_breaker_and_one_that_says_nothing_leaves_it_due() {
    let (old, _seen_old) = Scripted::in_turn([json(404, "", "{}"), completion("well")]);
    let mut policy = policy(old.address, refusing_address());
    with_breaker(&mut policy, 0, FOR_LONG);
    with_rollout(&mut policy, plain);
    let sidecar = Sidecar::start(policy, some());
    trip(&sidecar, OLD);
    assert_eq!(sidecar.ask(&ask("{}")).status, 404);
    sidecar.settle();
    assert!(matches!(breaker(&sidecar, OLD), CircuitState::Open { failures: 1, until, .. } if until <= clock::now()));
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    sidecar.settle();
    assert_eq!(breaker(&sidecar, OLD), CircuitState::CLOSED);
}
