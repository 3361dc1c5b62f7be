//! Requests that wait for a canary when the guard finds it down.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::Fallback;
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::proxy::attempt::withdrawal::{Withdrawable, unless_withdrawn};
use crate::proxy::core::Core;
use crate::proxy::request::reservation::BodyMemory;
use crate::state::evidence::Evidence;
use crate::state::inbox::inbox;
use crate::state::snapshot::SnapshotCell;
use crate::state::withdrawal::Withdrawal;

const CHAT: &str = "/v1/chat/completions";
const OLD: ProviderId = ProviderId(0);
const NEW: ProviderId = ProviderId(1);
const NOTHING: (u64, u64, u64, u64) = (0, 0, 0, 0);
const ONE_FAILURE: (u64, u64, u64, u64) = (1, 0, 1, 0);

fn ask(body: &str) -> String {
    post(CHAT, "x-user-id: u\r\n", body)
}

/// Sends this to each request and then nothing, and passes on what it got.
fn silent_after(said: String) -> (Scripted, Receiver<Message>) {
    let (sender, receiver) = channel();
    let provider = Scripted::new(move |mut client| {
        let _ = sender.send(client.message());
        client.send(&said);
        // Until the other end has had enough.
        client.read_to_end();
    });
    (provider, receiver)
}

fn evidence(sidecar: &Sidecar) -> Arc<Evidence> {
    Arc::clone(&sidecar.shared.load().rollouts[0].evidence)
}

fn is_answered_by_stable(sidecar: &Sidecar, reply: &Reply) {
    assert!(reply.status == 200 && reply.text().contains("rescued"), "{reply:?}");
    assert_eq!(reply.header("x-serin-provider").as_deref(), Some("old"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Timeout, 1)]);
    assert_eq!(sidecar.attempts(Arm::Canary, OLD), [(Outcome::Ok, 1)]);
}

#[test]
fn a_request_that_waits_anywhere_without_output_is_answered_by_stable() {
    let head = |kind: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    let places = [
        ("for a head", String::new(), "{}"),
        ("for a head of a stream", String::new(), r#"{"stream":true}"#),
        ("for a body", head("application/json"), "{}"),
        ("behind white space", head("application/json") + "1\r\n \r\n", "{}"),
        ("for the first event", head("text/event-stream"), r#"{"stream":true}"#),
        ("behind a comment", head("text/event-stream") + "8\r\n: ping\n\n\r\n", r#"{"stream":true}"#),
        ("behind a role", stream(&[ROLE]), r#"{"stream":true}"#),
    ];
    for (place, said, body) in places {
        let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
        let (new, seen_new) = silent_after(said);
        let mut policy = both_ways(&old, &new);
        with_rollout(&mut policy, |rollout| {
            (rollout.hold, rollout.give_up_after) = (Millis(600_000), Millis(600_000));
        });
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let evidence = evidence(&sidecar);
        let mut client = sidecar.client();
        client.send(ask(body));
        got(&seen_new);
        sidecar.withdraw(&evidence);
        let reply = client.reply();
        is_answered_by_stable(&sidecar, &reply);
        // It waits in an epoch that is over: what it comes to there is the canary's timeout, and nothing of stable's.
        let totals = |arm| {
            let totals = evidence.totals(arm);
            (totals.dispatched, totals.succeeded, totals.failed, totals.not_judged)
        };
        assert_eq!((totals(Arm::Canary), totals(Arm::Stable)), (ONE_FAILURE, NOTHING), "{place}");
        assert_eq!(evidence.totals(Arm::Canary).waits, (1, 1), "{place}");
    }
}

#[test]
fn a_request_that_waits_in_the_queue_is_answered_by_stable_too() {
    let (old, _seen_old) = Scripted::in_turn([completion("rescued"), completion("rescued")]);
    let (new, seen_new) = silent_after(String::new());
    let mut policy = both_ways(&old, &new);
    with_provider(&mut policy, 1, |provider| provider.max_connections = 1);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let evidence = evidence(&sidecar);
    let mut clients = [sidecar.client(), sidecar.client()];
    clients[0].send(ask("{}"));
    got(&seen_new);
    clients[1].send(ask("{}"));
    until("both are served", || sidecar.running.open_requests() == 2);
    sidecar.withdraw(&evidence);
    for client in &mut clients {
        let reply = client.reply();
        assert!(reply.status == 200 && reply.text().contains("rescued"), "{reply:?}");
    }
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, OLD), [(Outcome::Ok, 2)]);
}

#[test]
fn a_request_to_a_silent_stable_waits_and_then_the_canary_answers() {
    let some = Percent::from_hundredths(1).unwrap();
    let delta = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"of the canary\"}}]}\n\n";
    let begun = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    for (body, said) in [("{}", ""), (r#"{"stream":true}"#, ""), (r#"{"stream":true}"#, begun)] {
        for (waits, fallback) in [(true, true), (true, false), (false, true)] {
            let (old, seen_old) = silent_after(said.to_owned());
            let streamed = stream(&[delta, STOP]) + LAST;
            let answer = if body == "{}" { completion("of the canary") } else { streamed };
            let (new, seen_new) = Scripted::in_turn([answer]);
            let mut policy = both_ways(&old, &new);
            with_provider(&mut policy, 0, |provider| {
                (provider.timeouts.headers, provider.timeouts.stream_headers) = (Millis(1000), Millis(1000));
                provider.timeouts.first_output = Millis(1000);
            });
            if !fallback {
                with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::Nobody);
            }
            let sidecar = Sidecar::start(policy, some);
            if waits {
                evidence(&sidecar).withdrawal.set_stable_waits([Some(Millis(50)); 2]);
            }
            let began = crate::clock::instant();
            let reply = sidecar.ask(&ask(body));
            let waited = began.elapsed().as_millis();
            got(&seen_old);
            if fallback {
                assert!(reply.text().contains("of the canary"), "{body} {said}: {reply:?}");
                got(&seen_new);
                assert_eq!(waited < 1000, waits, "{body} {said}: {waited} ms");
            } else {
                // Nobody else may answer, so it is waited for as ever.
                assert!(waited >= 1000 && seen_new.try_recv().is_err(), "{body} {said}: {waited} ms");
            }
            sidecar.settle();
            assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::Timeout, 1)]);
        }
    }
}

#[test]
fn what_comes_after_it_was_found_down_is_not_withdrawn() {
    let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
    let (new, seen_new, go) = on_signal([completion("new")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let evidence = evidence(&sidecar);
    evidence.withdrawal.raise(evidence.samples.second() + 1);
    evidence.samples.set_second(evidence.samples.second() + 1);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_new);
    sidecar.set_percent(Percent::ALL);
    go.send(()).unwrap();
    assert!(client.reply().text().contains("new"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)]);
}

#[test]
fn an_answer_that_has_begun_is_not_given_up() {
    let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
    let (sender, seen_new) = channel();
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let new = Scripted::new(move |mut client| {
        client.message();
        client.send(stream(&[ROLE, WORD]));
        let _ = sender.send(());
        let _ = wait.lock().unwrap().recv();
        client.send(format!("{:x}\r\n{STOP}\r\n{LAST}", STOP.len()));
    });
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.stream_mode = crate::decide::policy::StreamMode::Buffered);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let evidence = evidence(&sidecar);
    let mut client = sidecar.client();
    client.send(ask(r#"{"stream":true}"#));
    got(&seen_new);
    // Its output was seen, though it is held.
    until("output was seen", || evidence.totals(Arm::Canary).waits == (1, 1));
    sidecar.withdraw(&evidence);
    go.send(()).unwrap();
    let reply = client.reply();
    assert!(reply.status == 200 && reply.text().contains("hi"), "{reply:?}");
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)]);
    assert_eq!(sidecar.attempts(Arm::Canary, OLD), []);
}

#[test]
fn a_request_that_no_other_candidate_may_answer_waits_on() {
    let upload = "POST /v1/chat/completions HTTP/1.1\r\nhost: sidecar\r\nx-user-id: u\r\ncontent-type: \
                  application/octet-stream\r\ncontent-length: 2\r\n\r\nab";
    let upgrade = "GET /v1/chat/completions HTTP/1.1\r\nhost: sidecar\r\nx-user-id: u\r\nconnection: upgrade\r\nupgrade: \
                   another\r\n\r\n";
    for (request, fallback) in [
        (ask("{}"), Fallback::Nobody),
        (upload.to_owned(), Fallback::OtherArm),
        (upgrade.to_owned(), Fallback::OtherArm),
    ] {
        let (old, seen_old) = Scripted::in_turn([completion("rescued")]);
        let (new, seen_new, go) = on_signal([completion("late")]);
        let mut policy = both_ways(&old, &new);
        with_rollout(&mut policy, |rollout| rollout.fallback = fallback.clone());
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let evidence = evidence(&sidecar);
        let mut client = sidecar.client();
        client.send(&request);
        if seen_new.recv_timeout(PATIENCE).is_err() {
            panic!("{request} did not reach the canary: {:?}", seen_old.try_recv());
        }
        sidecar.withdraw(&evidence);
        go.send(()).unwrap();
        let reply = client.reply();
        assert!(reply.text().contains("late"), "{request}: {reply:?}");
        assert!(seen_old.try_recv().is_err(), "{request}");
        sidecar.settle();
    }
}

#[test]
fn a_client_that_leaves_during_the_recovery_is_one_that_left() {
    let (old, seen_old, _go) = on_signal([completion("rescued")]);
    let (new, seen_new) = silent_after(String::new());
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let evidence = evidence(&sidecar);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_new);
    sidecar.withdraw(&evidence);
    got(&seen_old);
    drop(client);
    let gone = || sidecar.shared.load().rollouts[0].series(Arm::Canary, OLD).requests(Outcome::ClientGone);
    until("the client has left", || gone() == 1);
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Timeout, 1)]);
    assert_eq!(sidecar.attempts(Arm::Canary, OLD), [(Outcome::ClientGone, 1)]);
}

#[test]
fn when_stable_fails_too_the_error_says_what_was_waited_for() {
    let (old, _seen_old) = Scripted::in_turn([json(503, "", "{}")]);
    let (new, seen_new) = silent_after(String::new());
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let evidence = evidence(&sidecar);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_new);
    sidecar.withdraw(&evidence);
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (504, Some("timeout")));
    assert!(reply.text().contains("the guard found the provider down"), "{reply:?}");
    sidecar.settle();
}

fn core() -> Rc<Core> {
    let address = ([127, 0, 0, 1], 80).into();
    let shared = SnapshotCell::new(snapshot(1, policy(address, address), Percent::ALL, 1), 1);
    Core::new(0, 1, &shared, inbox().0, Arc::default(), Arc::new(BodyMemory::default()))
}

/// By which of these moments an attempt that never ends is given up; `None`: by none of them.
async fn given_up(request: Option<Withdrawable<'_>>, moments: &[u64]) -> Option<usize> {
    let core = core();
    let attempt = pin!(std::future::pending::<()>());
    let mut request = pin!(unless_withdrawn(&core, request, None, None, attempt));
    let mut before = 0;
    for (place, moment) in moments.iter().enumerate() {
        let wait = Duration::from_millis(moment - before);
        if let Ok(done) = tokio::time::timeout(wait, &mut request).await {
            assert!(done.is_none());
            return Some(place);
        }
        before = *moment;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_request_leaves_between_half_a_second_and_two() {
    let (withdrawal, has_output) = (Withdrawal::default(), Cell::new(false));
    withdrawal.raise(8);
    let request = |second| Some(Withdrawable { withdrawal: &withdrawal, second, has_output: &has_output });
    let mut left = [0; 3];
    for _ in 0..100 {
        left[given_up(request(7), &[499, 1250, 2002]).await.unwrap()] += 1;
    }
    assert!(left[0] == 0 && left[1] > 20 && left[2] > 20, "not all at once: {left:?}");
    assert_eq!(given_up(request(8), &[3_600_000]).await, None, "sent after it was found down");
    assert_eq!(given_up(None, &[3_600_000]).await, None);
    has_output.set(true);
    assert_eq!(given_up(request(7), &[3_600_000]).await, None, "it has an answer");
}
