//! Several keys of one provider: which is asked, what its answer does to it, and what a request gets.

use std::sync::mpsc::{Receiver, channel};

use super::recovery::{CHAT, NEW, ask, error};
use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Fallback, KeyOrder, Policy, Provider, Secret};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};

const REVOKED: &str = r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#;
const SPENT: &str = r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#;
const FAST: &str = r#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#;

fn keys(provider: &mut Provider, keys: &[&str]) {
    provider.api_keys = keys.iter().map(|key| Secret::new((*key).to_owned())).collect();
}

/// A provider that answers each key by itself, and tells which was shown.
fn by_key(answer: impl Fn(&str, usize) -> String + Send + Sync + 'static) -> (Scripted, Receiver<String>) {
    let (sender, receiver) = channel();
    let count = std::sync::Mutex::new(std::collections::BTreeMap::<String, usize>::new());
    let provider = Scripted::new(move |mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let key = client.message().header("authorization").unwrap_or_default();
            let key = key.trim_start_matches("Bearer ").to_owned();
            let seen = {
                let mut counts = count.lock().unwrap();
                let seen = counts.entry(key.clone()).or_default();
                *seen += 1;
                *seen
            };
            let answer = answer(&key, seen);
            let _ = sender.send(key);
            client.send(answer);
        }
    });
    (provider, receiver)
}

fn alone(new: &Scripted, names: &[&str]) -> Policy {
    let mut policy = policy(refusing_address(), new.address);
    with_provider(&mut policy, 1, |provider| keys(provider, names));
    policy
}

fn shown(seen: &Receiver<String>) -> Vec<String> {
    seen.try_iter().collect()
}

#[test]
fn no_client_fails_while_one_of_three_keys_works() {
    let (new, seen) = by_key(|key, count| match key {
        "revoked" => json(401, "", REVOKED),
        "spent" => json(429, "", SPENT),
        // Every sixth request is one too many, and it says for how long.
        _ if count % 6 == 0 => json(429, "retry-after: 0\r\n", FAST),
        _ => completion("well"),
    });
    let mut policy = alone(&new, &["revoked", "spent", "limited"]);
    with_rollout(&mut policy, |rollout| rollout.retry.attempts = 2);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    for request in 0..30 {
        let reply = sidecar.ask(&ask("{}"));
        assert_eq!(reply.status, 200, "request {request}: {reply:?}");
    }
    let shown = shown(&seen);
    let of = |key: &str| shown.iter().filter(|shown| *shown == key).count();
    assert_eq!((of("revoked"), of("spent")), (1, 1), "each is asked once, and then left alone: {shown:?}");
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (30, 30, 0, 0), "what one key could not do is no evidence");
}

#[test]
fn a_429_rests_the_account_with_this_model_only() {
    let (new, seen) = by_key(|key, _| match key {
        "a" | "b" => json(429, "retry-after: 60\r\n", FAST),
        _ => completion("well"),
    });
    let mut policy = alone(&new, &["a", "b", "c"]);
    with_provider(&mut policy, 1, |provider| {
        provider.keys.accounts = vec![Some("one".to_owned()), Some("one".to_owned()), None];
    });
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let ask = |model: &str| assert_eq!(sidecar.ask(&post(CHAT, "", &format!(r#"{{"model":"{model}"}}"#))).status, 200);
    ask("x");
    assert_eq!(shown(&seen), ["a", "c"], "b is of the same account");
    ask("x");
    assert_eq!(shown(&seen), ["c"]);
    ask("y");
    assert_eq!(shown(&seen), ["a", "c"], "another model is another limit");
}

#[test]
fn overload_rests_no_key_and_a_403_only_one_that_it_is_about() {
    for (answer, again) in [
        (json(503, "", FAST), true),
        (json(529, "", FAST), true),
        (json(403, "", r#"{"error":{"message":"Country, region, or territory not supported"}}"#), true),
        (json(403, "", r#"{"error":{"message":"This API key has been disabled"}}"#), false),
        (
            json(400, "", r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key."}}]"#),
            false,
        ),
        (json(402, "", "{}"), false),
    ] {
        let first = answer.clone();
        let (new, seen) = by_key(move |key, _| if key == "a" { first.clone() } else { completion("well") });
        let sidecar = Sidecar::start(alone(&new, &["a", "b"]), Percent::ALL);
        sidecar.ask(&ask("{}"));
        shown(&seen);
        sidecar.ask(&ask("{}"));
        assert_eq!(shown(&seen)[0], if again { "a" } else { "b" }, "{answer}");
    }
}

#[test]
fn where_every_key_rests_the_one_that_is_free_soonest_is_asked_and_its_success_is_believed() {
    let (new, seen) = by_key(|key, count| match (key, count) {
        ("a", 1) => json(429, "retry-after: 600\r\n", FAST),
        ("b", 1) => json(429, "retry-after: 60\r\n", FAST),
        _ => completion("well"),
    });
    let sidecar = Sidecar::start(alone(&new, &["a", "b"]), Percent::ALL);
    assert_eq!(sidecar.ask(&ask("{}")).status, 429);
    assert_eq!(shown(&seen), ["a", "b"]);
    assert_eq!(sidecar.ask(&ask("{}")).status, 200, "nobody is turned away for a key's state");
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    assert_eq!(shown(&seen), ["b", "b"]);
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 2), (Outcome::Throttled, 2)]);
}

#[test]
fn a_canary_whose_keys_are_all_refused_is_asked_and_judged_and_a_plain_route_goes_to_its_next() {
    let (new, seen) = by_key(|_, _| json(401, "", REVOKED));
    let (old, _seen_old) = Scripted::answering(completion("rescued"));
    let mut canary = both_ways(&old, &new);
    with_provider(&mut canary, 1, |provider| keys(provider, &["a", "b"]));
    let sidecar = Sidecar::start(canary, Percent::ALL);
    for _ in 0..5 {
        assert!(sidecar.ask(&ask("{}")).text().contains("rescued"));
    }
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (5, 0, 5, 0), "the guard sees every one");
    assert_eq!(shown(&seen), ["a", "b", "a", "b", "a", "b"], "one key a request, once both are known");

    let (first, seen) = by_key(|_, _| json(401, "", REVOKED));
    let mut plain = policy(first.address, old.address);
    with_provider(&mut plain, 0, |provider| keys(provider, &["a", "b"]));
    with_rollout(&mut plain, |rollout| {
        (rollout.canary, rollout.fallback) = (None, Fallback::List(vec![ProviderId(1)]));
    });
    let sidecar = Sidecar::start(plain, Percent::ZERO);
    for _ in 0..5 {
        assert!(sidecar.ask(&ask("{}")).text().contains("rescued"));
    }
    assert_eq!(shown(&seen), ["a", "b"], "it is put last while none of its keys is usable");
}

#[test]
fn a_stable_whose_keys_rest_sends_no_other_user_to_the_canary() {
    let (old, seen_old) =
        by_key(|_, count| if count == 1 { json(429, "retry-after: 60\r\n", FAST) } else { completion("stable") });
    let (new, _seen) = Scripted::answering(completion("canary"));
    let mut policy = both_ways(&old, &new);
    with_provider(&mut policy, 0, |provider| keys(provider, &["a"]));
    let sidecar = Sidecar::start(policy, Percent::from_hundredths(1).unwrap());
    let ask = || sidecar.ask(&post(CHAT, "x-user-id: stable-user\r\n", "{}"));
    assert!(ask().text().contains("canary"));
    for _ in 0..3 {
        assert!(ask().text().contains("stable"));
    }
    assert_eq!(shown(&seen_old).len(), 4);
}

#[test]
fn spread_keys_are_a_user_s_own_wherever_the_user_is_found() {
    let (new, seen) = by_key(|_, _| completion("well"));
    let mut canary = alone(&new, &["a", "b", "c"]);
    with_provider(&mut canary, 1, |provider| provider.keys.order = KeyOrder::Spread);
    let mut plain = policy(new.address, refusing_address());
    with_provider(&mut plain, 0, |provider| {
        keys(provider, &["a", "b", "c"]);
        provider.keys.order = KeyOrder::Spread;
    });
    with_rollout(&mut plain, |rollout| rollout.canary = None);
    for policy in [canary, plain] {
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let of_user = |user: usize| {
            let by_header = post(CHAT, &format!("x-user-id: user-{user}\r\n"), "{}");
            let by_body = post(CHAT, "", &format!(r#"{{"user":"user-{user}"}}"#));
            for request in [&by_header, &by_body, &by_header] {
                assert_eq!(sidecar.ask(request).status, 200);
            }
            let shown = shown(&seen);
            assert_eq!(shown.len(), 3);
            assert!(shown.iter().all(|key| *key == shown[0]), "{shown:?}");
            shown[0].clone()
        };
        let all: std::collections::BTreeSet<String> = (0..20).map(of_user).collect();
        assert_eq!(all.len(), 3, "{all:?}");
    }
}

#[test]
fn a_client_s_own_key_is_never_judged() {
    let (old, _seen) = Scripted::in_turn([error(401, ""), error(429, ""), completion("well")]);
    let mut policy = policy(old.address, refusing_address());
    with_rollout(&mut policy, |rollout| rollout.give_up_after = Millis(2000));
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let status = || sidecar.ask(&post(CHAT, "authorization: Bearer app\r\n", "{}")).status;
    assert_eq!([status(), status(), status()], [401, 429, 200]);
    assert!(!sidecar.shared.load().providers[0].has_key_trouble());
}
