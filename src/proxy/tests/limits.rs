//! Limits of providers and of clients: who is sent elsewhere, who waits, who is refused, and what it is counted as.

use std::sync::Arc;

use super::recovery::{CHAT, NEW, NOTHING, OLD, ask, error, some};
use super::support::*;
use crate::clock;
use crate::decide::limit::Rate;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Client as Customer, ClientLimit, Policy, RateLimit, Secret, WhenFull};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::state::limit::{LimitKind, Turned};

const ONE_SUCCESS: (u64, u64, u64, u64) = (1, 1, 0, 0);
const LONG: Millis = Millis(60_000);

/// One request an hour.
fn one() -> RateLimit {
    RateLimit {
        requests: Some(Rate::new(1, 1)),
        tokens: None,
        in_flight: None,
        when_full: WhenFull::Fallback,
        wait: Millis(1),
        follow_headers: false,
    }
}

fn limited(mut policy: Policy, index: usize, limit: RateLimit) -> Policy {
    with_provider(&mut policy, index, |provider| provider.rate_limit = Some(limit));
    policy
}

fn turned(sidecar: &Sidecar, id: ProviderId, kind: LimitKind) -> [u64; 5] {
    let snapshot = sidecar.shared.load();
    Turned::ALL.map(|turned| snapshot.provider(id).limit().turned(kind, turned))
}

#[test]
fn a_full_limit_sends_to_the_other_candidate_and_that_is_no_evidence() {
    let (new, seen_new) = Scripted::answering(completion("new"));
    let (old, seen_old) = Scripted::answering(completion("old"));
    let sidecar = Sidecar::start(limited(both_ways(&old, &new), 1, one()), Percent::ALL);
    let served = [0, 1, 2].map(|_| sidecar.ask(&ask("{}")).header("x-serin-provider").unwrap());
    assert_eq!(served, ["new", "old", "old"]);
    sidecar.settle();
    assert_eq!((seen_new.try_iter().count(), seen_old.try_iter().count()), (1, 2));
    assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (ONE_SUCCESS, NOTHING));
    assert_eq!(turned(&sidecar, NEW, LimitKind::Requests), [2, 0, 0, 0, 0]);
    assert!(sidecar.shared.load().provider(NEW).is_healthy());
    assert_eq!(sidecar.attempts(Arm::Canary, OLD), [(Outcome::Ok, 2)]);
}

#[test]
fn the_last_candidate_waits_and_is_then_sent_anyway() {
    let (new, seen_new) = Scripted::answering(completion("new"));
    let (old, _seen_old) = Scripted::answering(error(500, ""));
    let mut policy = limited(both_ways(&old, &new), 1, one());
    with_rollout(&mut policy, |rollout| rollout.retry.attempts = 1);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    for _ in 0..2 {
        assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    }
    assert_eq!(seen_new.try_iter().count(), 2);
    assert_eq!(turned(&sidecar, NEW, LimitKind::Requests), [1, 0, 1, 0, 0], "elsewhere first, where it failed");
}

/// Neither candidate has room: each is asked once, and one of them waits.
#[test]
fn two_full_candidates_do_not_send_a_request_to_and_fro() {
    for when_full in [WhenFull::Fallback, WhenFull::Wait] {
        let (new, _seen_new) = Scripted::answering(completion("new"));
        let (old, _seen_old) = Scripted::answering(completion("old"));
        let limit = RateLimit { when_full, ..one() };
        let policy = limited(limited(both_ways(&old, &new), 0, limit.clone()), 1, limit);
        let sidecar = Sidecar::start(policy, Percent::ALL);
        for _ in 0..2 {
            assert_eq!(sidecar.ask(&ask("{}")).status, 200);
        }
        let reply = sidecar.ask(&ask("{}"));
        sidecar.settle();
        let turns = [NEW, OLD].map(|id| turned(&sidecar, id, LimitKind::Requests).into_iter().sum::<u64>());
        match when_full {
            WhenFull::Fallback => assert_eq!((reply.status, turns), (200, [2, 1]), "elsewhere, then sent anyway"),
            _ => assert_eq!((reply.status, turns), (429, [2, 1])),
        }
    }
}

/// The chosen provider failed, and the next one's limit refuses: the one after it is asked.
#[test]
fn a_limit_that_refuses_passes_a_request_of_another_provider_on() {
    let (new, _seen_new) = Scripted::answering(error(500, ""));
    let (old, _seen_old) = Scripted::answering(completion("old"));
    let mut policy = limited(both_ways(&old, &new), 0, RateLimit { when_full: WhenFull::Refuse, ..one() });
    with_rollout(&mut policy, |rollout| rollout.retry.attempts = 1);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    assert_eq!(sidecar.ask(&ask("{}")).status, 500, "the failure of the provider that was chosen");
    sidecar.settle();
    assert_eq!(turned(&sidecar, OLD, LimitKind::Requests), [0, 0, 0, 1, 0]);
}

/// A file has no tokens, and one that is larger than a minute's worth closes nothing.
#[test]
fn an_upload_takes_no_tokens() {
    let usage = r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9}}"#;
    let (old, _seen) = Scripted::answering(json(200, "", usage));
    let limit = RateLimit { requests: None, tokens: Some(Rate::new(1000, 1000)), ..one() };
    let sidecar = Sidecar::start(limited(policy(old.address, refusing_address()), 0, limit.clone()), some());
    let state = Arc::clone(sidecar.shared.load().provider(OLD));
    let left = || state.limit().left(&limit, clock::nanos())[1].unwrap();
    let body = "x".repeat(100_000);
    assert_eq!(sidecar.ask(&post("/v1/files", "", &body)).status, 200);
    sidecar.settle();
    assert!(left() >= 950, "{}", left());
    // A chat that is larger than all of it passes alone, and is settled by its usage.
    let chat = ask(&format!(r#"{{"messages":"{}"}}"#, "a word ".repeat(9000)));
    until("it is full", || left() == 1000);
    assert_eq!(sidecar.ask(&chat).status, 200);
    sidecar.settle();
    assert!(left() >= 950, "{}", left());
}

#[test]
fn who_waits_has_its_turn_when_another_ends() {
    let (old, seen, go) = on_signal((0..3).map(|_| completion("old")));
    let limit = RateLimit { requests: None, in_flight: Some(1), when_full: WhenFull::Wait, wait: LONG, ..one() };
    let sidecar = Sidecar::start(limited(policy(old.address, refusing_address()), 0, limit), some());
    let mut first = sidecar.client();
    first.send(ask("{}"));
    got(&seen);
    let waiting = || sidecar.shared.load().provider(OLD).limit().queue.waiting();
    let mut others: Vec<_> = (1..=2)
        .map(|place| {
            let mut client = sidecar.client();
            client.send(ask(&format!(r#"{{"n":{place}}}"#)));
            until("it waits", || waiting() == place);
            client
        })
        .collect();
    for (place, client) in others.iter_mut().enumerate() {
        assert!(seen.try_recv().is_err(), "one at a time");
        go.send(()).unwrap();
        assert!(got(&seen).text().contains(&format!("{}", place + 1)), "in the order in which they came");
        if place == 0 {
            assert_eq!(first.reply().status, 200);
        }
        let _ = client;
    }
    go.send(()).unwrap();
    for client in &mut others {
        assert_eq!(client.reply().status, 200);
    }
    sidecar.settle();
    let state = Arc::clone(sidecar.shared.load().provider(OLD));
    assert_eq!((state.limit().in_flight(), waiting()), (0, 0));
    assert_eq!(turned(&sidecar, OLD, LimitKind::InFlight), [0, 2, 0, 0, 0]);
}

#[test]
fn whoever_leaves_or_is_planned_anew_gives_its_place_back() {
    let (new, seen_new, go) = on_signal([completion("new")]);
    let (old, _seen) = Scripted::answering(completion("old"));
    let limit = RateLimit { requests: None, in_flight: Some(1), when_full: WhenFull::Wait, wait: LONG, ..one() };
    let sidecar = Sidecar::start(limited(both_ways(&old, &new), 1, limit), Percent::ALL);
    let state = Arc::clone(sidecar.shared.load().provider(NEW));
    let mut first = sidecar.client();
    first.send(ask("{}"));
    got(&seen_new);
    let mut gone = sidecar.client();
    gone.send(ask("{}"));
    until("it waits", || state.limit().queue.waiting() == 1);
    drop(gone);
    until("its place is free", || state.limit().queue.waiting() == 0);
    let mut moved = sidecar.client();
    moved.send(ask("{}"));
    until("it waits", || state.limit().queue.waiting() == 1);
    // Everybody back on stable: who waits does not wait for the canary any longer.
    sidecar.set_percent(Percent::ZERO);
    assert!(moved.reply().text().contains("old"));
    go.send(()).unwrap();
    assert!(first.reply().text().contains("new"));
    sidecar.settle();
    assert_eq!((state.limit().in_flight(), state.limit().sent()), (0, 1));
}

#[test]
fn a_turn_that_does_not_come_in_time_is_refused_where_nobody_else_is_left() {
    let anthropic = post("/v1/messages", "x-user-id: u\r\n", "{}");
    // A text of last resort takes the place of failures, and a limit of the file is none.
    for (when_full, request, text) in [
        (WhenFull::Wait, ask("{}"), None),
        (WhenFull::Wait, ask("{}"), Some("busy")),
        (WhenFull::Refuse, ask("{}"), None),
        (WhenFull::Refuse, ask("{}"), Some("busy")),
        (WhenFull::Refuse, anthropic, Some("busy")),
    ] {
        let (old, seen) = Scripted::answering(completion("old"));
        let limit = RateLimit { when_full, ..one() };
        let mut policy = limited(policy(old.address, refusing_address()), 0, limit);
        with_rollout(&mut policy, |rollout| rollout.last_resort = text.map(str::to_owned));
        let sidecar = Sidecar::start(policy, some());
        assert_eq!(sidecar.ask(&ask("{}")).status, 200);
        let reply = sidecar.ask(&request);
        assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (429, Some("rate_limit")));
        let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((58..=60).contains(&after), "{after}");
        assert!(reply.text().contains("rate_limit_error"), "{}", reply.text());
        sidecar.settle();
        assert_eq!(seen.try_iter().count(), 1);
        assert_eq!(sidecar.judged(Arm::Stable), ONE_SUCCESS, "it is no evidence");
        assert_eq!(sidecar.ended(Arm::Stable, Outcome::SerinError), 1);
        assert_eq!(turned(&sidecar, OLD, LimitKind::Requests), [0, 0, 0, 1, 0]);
    }
}

#[test]
fn what_is_observed_passes_and_is_counted() {
    let (old, _seen) = Scripted::answering(completion("old"));
    let limit = RateLimit { when_full: WhenFull::Observe, ..one() };
    let sidecar = Sidecar::start(limited(policy(old.address, refusing_address()), 0, limit), some());
    (0..3).for_each(|_| assert_eq!(sidecar.ask(&ask("{}")).status, 200));
    sidecar.settle();
    assert_eq!(turned(&sidecar, OLD, LimitKind::Requests), [0, 0, 0, 0, 2]);
    assert_eq!(sidecar.judged(Arm::Stable), (3, 3, 0, 0));
}

#[test]
fn what_gives_way_is_sent_elsewhere_while_a_fifth_is_left() {
    let (new, _seen_new) = Scripted::answering(completion("new"));
    let (old, _seen_old) = Scripted::answering(completion("old"));
    let limit = RateLimit { requests: Some(Rate::new(1, 10)), ..one() };
    let sidecar = Sidecar::start(limited(both_ways(&old, &new), 1, limit), Percent::ALL);
    let low = post(CHAT, "x-user-id: u\r\nx-serin-priority: low\r\n", "{}");
    (0..9).for_each(|_| assert!(sidecar.ask(&ask("{}")).text().contains("new")));
    assert!(sidecar.ask(&low).text().contains("old"));
    assert!(sidecar.ask(&ask("{}")).text().contains("new"), "the last one");
}

#[test]
fn tokens_are_reserved_and_settled_by_usage() {
    let usage = r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":300,"completion_tokens":200}}"#;
    let (old, _seen) = Scripted::in_turn([json(200, "", usage), error(429, ""), json(200, "", usage)]);
    let limit = RateLimit { requests: None, tokens: Some(Rate::new(10_000, 10_000)), ..one() };
    let sidecar = Sidecar::start(limited(policy(old.address, refusing_address()), 0, limit.clone()), some());
    let state = Arc::clone(sidecar.shared.load().provider(OLD));
    let left = || state.limit().left(&limit, clock::nanos())[1].unwrap();
    sidecar.ask(&ask(r#"{"model":"m","max_tokens":50,"max_completion_tokens":2000}"#));
    sidecar.settle();
    // Some come back while this runs.
    assert!((9500..10_000).contains(&left()), "{}", left());
    sidecar.ask(&ask("{}"));
    sidecar.settle();
    assert!(left() >= 9500, "a refusal took nothing: {}", left());
    sidecar.ask(&ask("{}"));
    sidecar.settle();
    assert!((9000..10_000).contains(&left()), "{}", left());
}

#[test]
fn what_the_provider_says_is_left_is_followed() {
    let left =
        |requests: &str| format!("x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: {requests}\r\n");
    for (headers, served) in [(left("0"), "old"), (left("-1"), "new"), (left("7"), "new")] {
        let answer = completion("new").replacen("\r\n", &format!("\r\n{headers}"), 1);
        let (new, _seen_new) = Scripted::answering(answer);
        let (old, _seen_old) = Scripted::answering(completion("old"));
        let limit = RateLimit { requests: Some(Rate::new(1, 100)), follow_headers: true, ..one() };
        let sidecar = Sidecar::start(limited(both_ways(&old, &new), 1, limit), Percent::ALL);
        assert!(sidecar.ask(&ask("{}")).text().contains("new"));
        assert!(sidecar.ask(&ask("{}")).text().contains(served), "{headers}");
    }
}

#[test]
fn a_client_is_refused_beyond_its_limit_and_others_are_not() {
    let (old, seen) = Scripted::answering(completion("old"));
    let mut policy = policy(old.address, refusing_address());
    let customer = |name: &str, observe| Customer {
        name: name.to_owned(),
        key: Secret::new(format!("key-of-{name}")),
        rate_limit: Some(ClientLimit { requests: Rate::new(1, 1), observe }),
    };
    policy.clients = vec![customer("batch", false), customer("watched", true)];
    let sidecar = Sidecar::start(policy, some());
    let of = |name: &str| post(CHAT, &format!("x-user-id: u\r\nauthorization: Bearer key-of-{name}\r\n"), "{}");
    assert_eq!(sidecar.ask(&of("batch")).status, 200);
    let refused = sidecar.ask(&of("batch"));
    assert_eq!((refused.status, refused.header("x-serin-error").as_deref()), (429, Some("rate_limit")));
    assert!(refused.header("retry-after").is_some() && refused.text().contains("`batch`"));
    (0..3).for_each(|_| assert_eq!(sidecar.ask(&of("watched")).status, 200));
    // An edit of something else fills no bucket.
    sidecar.reload(|policy| policy.drain = Millis(1));
    assert_eq!(sidecar.ask(&of("batch")).status, 429);
    assert_eq!(seen.try_iter().count(), 4);
    let counts = |name: &str| {
        let limits = sidecar.shared.sources.client_limits();
        let (_, _, state) = limits.iter().find(|(known, _, _)| known == name).unwrap();
        [Turned::Refused, Turned::Observed].map(|turned| state.turned(LimitKind::Requests, turned))
    };
    assert_eq!([counts("batch"), counts("watched")], [[2, 0], [0, 2]]);
}
