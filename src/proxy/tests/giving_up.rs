//! When an attempt is given up, and what is left of it.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::recovery::{NEW, NOTHING, OLD, ONE_FAILURE, ask, error, some, twice};
use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Fallback, First, Secret};
use crate::decide::units::{Arm, Millis, Percent};

#[test]
fn a_stream_has_its_own_limit_for_the_head() {
    let (_never, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let old = Scripted::new(move |mut client| {
        client.message();
        let _ = wait.lock().unwrap().recv_timeout(std::time::Duration::from_millis(200));
        client.send(completion("late"));
    });
    let mut policy = policy(old.address, refusing_address());
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
    let (new, seen_new, go) = on_signal([error(429, "")]);
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
    let (new, seen_new, go) = on_signal([error(401, ""), completion("never")]);
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
    assert_eq!(snapshot.rollouts[0].series(Arm::Stable, OLD).unbuffered(), 0, "a body found no memory");
    assert_eq!(sidecar.judged(Arm::Canary), (8, 2, 6, 0));
}
