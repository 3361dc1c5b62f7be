//! When the same provider is asked again, with the same key or the next one.

use std::sync::Arc;

use super::recovery::{CHAT, NEW, OLD, ONE_FAILURE, ask, error, some, twice};
use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Backoff, Fallback, First, Policy, Secret};
use crate::decide::units::{Arm, Millis, Percent};
use crate::state::counters::Core;

const ONE_SUCCESS: (u64, u64, u64, u64) = (1, 1, 0, 0);

#[test]
fn the_last_candidate_is_waited_for_when_it_asks_for_little() {
    for (wait, again) in
        [("retry-after: 0.01\r\n", true), ("retry-after-ms: 10\r\n", true), ("retry-after: 3\r\n", false)]
    {
        let (old, _seen) = Scripted::in_turn([error(429, wait), completion("at last")]);
        let sidecar = Sidecar::start(twice(policy(old.address, refusing_address()), First::Other), some());
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
fn a_provider_that_failed_is_asked_again_where_no_other_is_left() {
    let failures = [
        (error(500, ""), Outcome::ServerError),
        (error(529, ""), Outcome::ServerError),
        (error(503, "retry-after-ms: 1\r\n"), Outcome::ServerError),
        (BREAK.to_string(), Outcome::Reset),
    ];
    for (failure, outcome) in failures {
        for (second, last) in [(completion("at last"), Outcome::Ok), (failure.clone(), outcome)] {
            let (old, seen) = Scripted::in_turn([failure.clone(), second]);
            let sidecar = Sidecar::start(twice(policy(old.address, refusing_address()), First::Other), some());
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
        let mut policy = twice(policy(old.address, refusing_address()), First::Other);
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
fn retries_are_bounded_by_the_budget() {
    let (old, seen) = Scripted::in_turn((0..60).map(|_| error(500, "")));
    let sidecar = Sidecar::start(twice(policy(old.address, refusing_address()), First::Other), some());
    for _ in 0..40 {
        assert_eq!(sidecar.ask(&ask("{}")).status, 500);
    }
    // Ten were saved up, and a tenth of those that came after the first repeat.
    assert_eq!(seen.try_iter().count(), 53);
}

#[test]
fn clients_are_told_not_to_retry_once_the_budget_is_spent() {
    const NOT: &str = "false";
    let refused = refusing_address();
    for (failures, status, attempts, share, told) in [
        ("a 429", 429, 2, 10, Some(NOT)),
        ("a 500", 500, 2, 10, Some(NOT)),
        ("no answer", 502, 2, 10, Some(NOT)),
        ("a 429 whose provider says otherwise", 429, 2, 10, Some("true")),
        ("a refusal", 400, 2, 10, None),
        ("a 429 where nothing is retried", 429, 1, 10, None),
        ("a 429 without a budget", 429, 2, 0, None),
    ] {
        let headers = if told == Some("true") { "x-should-retry: true\r\n" } else { "" };
        let (old, _seen) = Scripted::in_turn((0..2).map(|_| error(status, headers)));
        let at = if failures == "no answer" { refused } else { old.address };
        let mut policy = twice(policy(at, refused), First::Other);
        let budget = Percent::from_hundredths(share * 100).unwrap();
        with_rollout(&mut policy, |rollout| (rollout.retry.attempts, rollout.retry.budget) = (attempts, budget));
        let sidecar = Sidecar::start(policy, some());
        let before = sidecar.ask(&ask("{}"));
        assert_eq!(before.header("x-should-retry").as_deref(), told.filter(|told| *told != NOT), "{failures}: not yet");
        let budget = Arc::clone(&sidecar.shared.load().rollouts[0].retry);
        while budget.affords() {
            budget.spend();
        }
        let (old, _seen) = Scripted::in_turn((0..2).map(|_| error(status, headers)));
        sidecar.reload(|policy| {
            if failures != "no answer" {
                with_provider(policy, 0, |provider| provider.base_url.port = old.address.port());
            }
        });
        let reply = sidecar.ask(&ask("{}"));
        assert_eq!((reply.status, reply.header("x-should-retry").as_deref()), (status, told), "{failures}");
    }
}

#[test]
fn a_429_that_tells_when_its_limit_is_back_is_waited_for() {
    let back_in = |reset: &str| format!("x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: {reset}\r\n");
    let day = "x-ratelimit-remaining-requests-day: 0\r\nx-ratelimit-reset-requests-day: 0.01\r\n".to_owned();
    for (headers, again) in [(back_in("12ms"), true), (back_in("6m0s"), false), (day, false), (String::new(), false)] {
        let (old, _seen) = Scripted::in_turn([error(429, &headers), completion("at last")]);
        let sidecar = Sidecar::start(twice(policy(old.address, refusing_address()), First::Other), some());
        assert_eq!(sidecar.ask(&ask("{}")).status, if again { 200 } else { 429 }, "{headers}");
    }
    let in_body = r#"{"error":{"message":"no","type":"x"},"retry_after":0.01}"#;
    let (old, _seen) = Scripted::in_turn([json(429, "", in_body), completion("at last")]);
    let sidecar = Sidecar::start(twice(policy(old.address, refusing_address()), First::Other), some());
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
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
        // The next request begins with the key that works, unless nothing was said against the first. The other is at
        // rest, and is not asked.
        assert!(sidecar.ask(&ask("{}")).text().contains("rescued"));
        let (began, failed) =
            if status == 403 { (vec!["Bearer one", "Bearer two"], 3) } else { (vec!["Bearer two"], 2) };
        assert_eq!(began.iter().map(|_| key()).collect::<Vec<_>>(), began, "{status}");
        assert_eq!(got(&seen_old).header("authorization"), None);
        sidecar.settle();
        assert!(seen_new.try_recv().is_err(), "{status}");
        assert_eq!(sidecar.judged(Arm::Canary), (2, 1, 1, 0), "{status}");
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1), (outcome, failed)]);
    }
}

#[test]
fn a_reload_fills_no_budget() {
    let throttled = || error(429, "retry-after: 0.01\r\n");
    let (old, seen) = Scripted::in_turn([throttled(), throttled(), throttled(), completion("at last")]);
    let sidecar = Sidecar::start(twice(policy(old.address, refusing_address()), First::Other), some());
    let budget = || Arc::clone(&sidecar.shared.load().rollouts[0].retry);
    while budget().affords() {
        budget().spend();
    }
    for _ in 0..2 {
        assert_eq!(sidecar.ask(&ask("{}")).status, 429, "nothing is left");
        sidecar.reload(|policy| policy.drain = Millis(1));
    }
    budget().earn(Core(0), Percent::ALL);
    assert!(sidecar.ask(&ask("{}")).text().contains("at last"));
    assert_eq!(seen.try_iter().count(), 4);
}

#[test]
fn a_refused_connection_is_dialled_twice_and_is_one_attempt() {
    let (old, _seen) = Scripted::in_turn([completion("rescued")]);
    let mut policy = twice(policy(old.address, refusing_address()), First::Other);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let reply = sidecar.ask(&ask("{}"));
    assert!(reply.text().contains("rescued"), "{reply:?}");
    assert_eq!(reply.header("x-serin-attempts").as_deref(), Some("2"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Connect, 1)]);
    assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
}
