//! What is owed after every turn a request may take: attempts, evidence, the breaker's probe, bodies.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::support::*;
use crate::clock;
use crate::decide::breaker::{State, Verdict};
use crate::decide::outcome::Outcome;
use crate::decide::policy::{BreakerRule, Fallback, PathPart, PathTemplate, Policy};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};

const CHAT: &str = "/v1/chat/completions";
const OLD: ProviderId = ProviderId(0);
const NEW: ProviderId = ProviderId(1);
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

/// A provider that tells when a request has come, and answers with the next of these when told to.
fn when_told(answers: impl IntoIterator<Item = String>) -> (Scripted, Receiver<Message>, Sender<()>) {
    let answers = Mutex::new(answers.into_iter().collect::<std::collections::VecDeque<_>>());
    let (sender, receiver) = channel();
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let provider = Scripted::new(move |mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let _ = sender.send(client.message());
            if wait.lock().unwrap().recv().is_err() {
                return;
            }
            let answer = answers.lock().unwrap().pop_front().unwrap();
            client.send(answer);
        }
    });
    (provider, receiver, go)
}

fn breaker(sidecar: &Sidecar, id: ProviderId) -> State {
    sidecar.shared.load().health(id).look()
}

/// Opens the breaker, and waits until a request may try.
fn trip(sidecar: &Sidecar, id: ProviderId) {
    let health = std::sync::Arc::clone(sidecar.shared.load().health(id));
    health.tell(Some(&AT_ONCE), false, None, Verdict::Failure, clock::now());
    let is_due = || matches!(health.look(), State::Open { until, .. } if until <= clock::now());
    until("the breaker may be probed", is_due);
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
    let (new, seen_new, go) = when_told([refusal(), completion("after the reload")]);
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
    assert_eq!(sidecar.judged(Arm::Canary), (2, 1, 0, 1));
}

#[test]
fn an_open_breaker_sends_elsewhere_and_never_refuses() {
    let failure = || json(500, "", "{}");
    for others in [true, false] {
        let (old, seen_old) = Scripted::in_turn((0..3).map(|_| failure()));
        let (new, _seen_new) = Scripted::in_turn((0..3).map(|_| completion("rescued")));
        let mut policy = both_ways(&old, &new);
        with_breaker(&mut policy, 0, FOR_LONG);
        if !others {
            with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::Nobody);
        }
        let sidecar = Sidecar::start(policy, some());
        for _ in 0..3 {
            assert_eq!(sidecar.ask(&ask("{}")).status, if others { 200 } else { 500 });
            sidecar.settle();
        }
        assert!(matches!(breaker(&sidecar, OLD), State::Open { failures: 2, .. }));
        let asked = if others { 2 } else { 3 };
        assert_eq!(seen_old.try_iter().count(), asked);
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::ServerError, asked as u64)]);
        assert_eq!(sidecar.shared.load().health(OLD).diverted(), u64::from(others));
        // What was sent elsewhere is neither exposure nor evidence.
        assert_eq!(sidecar.judged(Arm::Stable), (asked as u64, 0, asked as u64, 0));
    }
}

#[test]
fn a_probe_that_succeeds_closes_the_breaker_and_one_that_says_nothing_leaves_it_due() {
    let (old, _seen_old) = Scripted::in_turn([json(404, "", "{}"), completion("well")]);
    let mut policy = policy(old.address, nobody());
    with_breaker(&mut policy, 0, FOR_LONG);
    let sidecar = Sidecar::start(policy, some());
    trip(&sidecar, OLD);
    assert_eq!(sidecar.ask(&ask("{}")).status, 404);
    sidecar.settle();
    assert!(matches!(breaker(&sidecar, OLD), State::Open { failures: 1, until } if until <= clock::now()));
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    sidecar.settle();
    assert_eq!(breaker(&sidecar, OLD), State::CLOSED);
}
