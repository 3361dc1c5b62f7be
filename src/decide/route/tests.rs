//! What a plan says besides the arm; the arm itself has a table that Python computed (`tests/split_golden.rs`).

use http::HeaderMap;

use super::*;
use crate::decide::bucket::bucket_and_slot;
use crate::flags::Environment;
use crate::flags::compile::compile;
use crate::wire::body::peek;

const PATH: &str = "/chat/completions";

/// A rollout `chat` from `old` to `new`, which translates `gpt-4` alone.
fn policy(keys: &str) -> Policy {
    let text = format!(
        "providers:\n  old: {{ base_url: http://a.test/v1 }}\n  \
         new: {{ base_url: http://b.test/v1, models: {{ gpt-4: n4 }}, unmapped: stable }}\n\
         rollouts:\n  - {{ name: other, match: {{ path: /other }}, stable: old }}\n  \
         - {{ name: chat, stable: old, canary: new, {keys} }}\n"
    );
    Policy::clone(&compile(&text, &Environment::without_secrets()).unwrap().policy)
}

fn planned(policy: &Policy, percent: u16, headers: &HeaderMap, query: Option<&str>, body: &str) -> Plan {
    let wanted = wanted_fields(policy);
    let body_peek = peek(body.as_bytes(), &wanted).ok();
    let facts = Facts {
        purpose: Purpose::Generate,
        path: PATH,
        query,
        headers,
        body: body_peek.as_ref(),
        bytes: Some(body.as_bytes()),
        state: StateAt::Nowhere,
    };
    let share = RouteShare { percent: Percent::from_hundredths(percent).unwrap(), buckets_only: false };
    plan(policy, |_| share, &facts, || 0).unwrap()
}

fn of_body(policy: &Policy, percent: u16, body: &str) -> Plan {
    planned(policy, percent, &HeaderMap::new(), None, body)
}

#[test]
fn a_rollout_is_found_by_its_name() {
    let policy = policy("percent: 10%");
    assert_eq!(policy.rollout("chat").unwrap().name, "chat");
    assert_eq!(policy.rollout("other").unwrap().name, "other");
    assert!(policy.rollout("caht").is_none());
}

#[test]
fn a_plan_says_why_and_whose_it_is() {
    let policy = policy("percent: 10%");
    let ada = Some(bucket_and_slot("", b"ada").slot);
    let of_ada = |model: &str| format!(r#"{{"model":"{model}","user":"ada","messages":[]}}"#);
    let said = |percent, model| {
        let Plan { arm, reason, slot, counted, .. } = of_body(&policy, percent, &of_ada(model));
        (arm, reason, slot, counted)
    };
    let (stable, canary) = (Some(Arm::Stable), Some(Arm::Canary));
    assert_eq!(said(0, "gpt-4"), (stable, RouteReason::CanaryOff, None, false));
    assert_eq!(
        said(10_000, "gpt-4"),
        (canary, RouteReason::Everybody, ada, true),
        "the guard tells users apart here too"
    );
    assert_eq!(said(10_000, "gpt-5"), (stable, RouteReason::Unmapped, None, false));
    assert_eq!(said(1, "gpt-4"), (stable, RouteReason::Bucket, ada, true));
    let nameless = of_body(&policy, 10_000, "{}");
    assert_eq!((nameless.arm, nameless.reason), (stable, RouteReason::Unmapped), "it has no model that is mapped");
}

#[test]
fn bodies_without_a_conversation_are_told_apart_by_their_first_64_kib() {
    let policy = policy("percent: 100%");
    let body = |at: usize| {
        let mut input = "x".repeat(100_000);
        input.replace_range(at..=at, "y");
        format!(r#"{{"model":"gpt-4","top_p":"{input}"}}"#)
    };
    let slot = |at: usize| of_body(&policy, 10_000, &body(at)).slot.unwrap();
    assert_ne!(slot(1000), slot(2000));
    assert_ne!(slot(60_000), slot(2000));
    assert_eq!(slot(70_000), slot(99_000), "beyond what is looked at");
}

#[test]
fn the_first_source_that_has_a_user_says_who_it_is() {
    let policy = policy("percent: 10%, user: [\"header:x-uid\", \"cookie:uid\", \"query:uid\", \"body:user\"]");
    let sources = &policy.rollout("chat").unwrap().user;
    let wanted = wanted_fields(&policy);
    let whose = |header: &str, cookie: &str, query: &str, user: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-uid", header.parse().unwrap());
        headers.insert("cookie", format!("a=b; uid={cookie}").parse().unwrap());
        let (query, body) = (format!("uid={query}"), format!(r#"{{"user":"{user}"}}"#));
        let body = peek(body.as_bytes(), &wanted).unwrap();
        let facts = Facts {
            purpose: Purpose::Generate,
            path: PATH,
            query: Some(&query),
            headers: &headers,
            body: Some(&body),
            bytes: None,
            state: StateAt::Nowhere,
        };
        user_id(sources, &facts).map(|id| String::from_utf8(id.into_owned()).unwrap())
    };
    for (header, cookie, query, user, found) in [
        ("ada", "bob", "cyd", "dan", Some("ada")),
        ("anonymous", "bob", "cyd", "dan", Some("bob")),
        ("", "null", "cyd", "dan", Some("cyd")),
        ("", "", "", "d\\u0061n", Some("dan")),
        ("-1", "", "0", " ", None),
    ] {
        assert_eq!(whose(header, cookie, query, user).as_deref(), found, "{header} {cookie} {query} {user}");
    }
}
