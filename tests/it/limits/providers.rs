//! What becomes of a request that a provider's limit has no room for, and what tells how much room there is.

use super::{CHAT, ask, expect_evidence, expect_turned, limited, served};
use crate::support::api::Api;
use crate::support::scripted::Scripted;
use crate::support::scripted::step::{Step, head, json, sized};

const ONE: &str = "requests_per_minute: 1, burst: 1";

#[test]
fn fallback_asks_the_other_candidate() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let sidecar = limited(ONE, &stable, &canary);
    assert_eq!(served(&sidecar, 3), "newcorp oldcorp oldcorp ");
    assert_eq!((stable.count(), canary.count()), (2, 1));
    expect_turned(&sidecar, "requests", "other", 2);
    expect_evidence(&sidecar, 1);
    sidecar.expect_attempts("chat", &[("newcorp", "ok", 1), ("oldcorp", "ok", 2)]).unwrap();
}

#[test]
fn fallback_sends_anyway_after_a_wait_where_the_other_has_failed() {
    let (stable, canary) = (Scripted::refusing(500), Scripted::healthy("newcorp"));
    let sidecar = limited(&format!("{ONE}, wait: 10ms"), &stable, &canary);
    assert_eq!(served(&sidecar, 2), "newcorp newcorp ");
    expect_turned(&sidecar, "requests", "sent_anyway", 1);
}

#[test]
fn wait_asks_the_other_candidate_when_no_turn_comes() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let sidecar = limited(&format!("{ONE}, when_full: wait, wait: 10ms"), &stable, &canary);
    assert_eq!(served(&sidecar, 2), "newcorp oldcorp ");
    expect_turned(&sidecar, "requests", "other", 1);
    expect_evidence(&sidecar, 1);
}

#[test]
fn refuse_answers_429_in_the_api_of_the_request_and_asks_nobody() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let sidecar = limited(&format!("{ONE}, when_full: refuse"), &stable, &canary);
    assert_eq!(served(&sidecar, 1), "newcorp ");
    for api in Api::ALL {
        let refused = sidecar.whole(api.path(), &[], &api.ask("m", false));
        assert_eq!((refused.status, refused.header("x-serin-error")), (429, "rate_limit"), "{api}");
        let after: u64 = refused.header("retry-after").parse().unwrap();
        let millis: u64 = refused.header("retry-after-ms").parse().unwrap();
        assert!((1..=60).contains(&after) && millis.div_ceil(1000) <= after, "{api}: {:?}", refused.headers);
        let body = refused.json();
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains("`rate_limit` of provider `newcorp` is used up"), "{message}");
        assert_eq!(body["error"]["type"], "rate_limit_error", "{api}: {body}");
        assert_eq!(body["type"] == "error", api == Api::Messages, "{api}: {body}");
    }
    assert_eq!((stable.count(), canary.count()), (0, 1));
    expect_turned(&sidecar, "requests", "refused", 3);
    expect_evidence(&sidecar, 1);
}

#[test]
fn observe_counts_and_lets_pass() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let sidecar = limited(&format!("{ONE}, when_full: observe"), &stable, &canary);
    assert_eq!(served(&sidecar, 3), "newcorp newcorp newcorp ");
    expect_turned(&sidecar, "requests", "observed", 2);
    expect_evidence(&sidecar, 3);
}

#[test]
fn tokens_are_settled_by_usage_and_a_request_that_may_take_too_many_goes_elsewhere() {
    let usage = r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":1000,"completion_tokens":2000}}"#;
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    canary.queue((0..2).map(|_| vec![Step::Write(json(200, usage))]));
    let sidecar = limited("tokens_per_minute: 6000", &stable, &canary);
    let asked = |most: u32| {
        let answer = sidecar.whole(CHAT, &[], &format!(r#"{{"model":"m","max_tokens":{most},"messages":[]}}"#));
        answer.header("x-serin-provider").to_owned()
    };
    // What was reserved of the first is 5000 and a little, and 3000 once it is settled: the second fits only then.
    assert_eq!([asked(5000), asked(2500), asked(2500)], ["newcorp", "newcorp", "oldcorp"]);
    expect_turned(&sidecar, "tokens", "other", 1);
    expect_evidence(&sidecar, 2);
}

#[test]
fn a_low_priority_gives_way_while_less_than_a_fifth_is_left() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let sidecar = limited("requests_per_minute: 1, burst: 10", &stable, &canary);
    let low = || ask(&sidecar, &[("x-serin-priority", "low")]).header("x-serin-provider").to_owned();
    assert_eq!(low(), "newcorp");
    assert_eq!(served(&sidecar, 8), "newcorp ".repeat(8));
    assert_eq!(low(), "oldcorp");
    assert_eq!(served(&sidecar, 2), "newcorp oldcorp ", "the last one is for others");
    expect_turned(&sidecar, "requests", "other", 2);
    assert!(canary.requests().iter().all(|seen| seen.field("x-serin-priority").is_none()), "it is for Serin alone");
}

#[test]
fn what_the_provider_says_is_left_is_followed() {
    for (left, then) in [("0", "oldcorp "), ("-1", "newcorp "), ("7", "newcorp ")] {
        let says = format!(
            "content-type: application/json\r\nx-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: \
             {left}\r\n"
        );
        let answer =
            sized(&head(200, &says), br#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#);
        let stable = Scripted::healthy("oldcorp");
        let canary = Scripted::start("newcorp", move |_| vec![Step::Write(answer.clone())]);
        let sidecar = limited("requests_per_minute: 60, burst: 60, follow_headers: true", &stable, &canary);
        assert_eq!(served(&sidecar, 1), "newcorp ");
        assert_eq!(served(&sidecar, 1), then, "{left} are left");
    }
}

#[test]
fn a_429_closes_a_limit_that_follows_for_as_long_as_it_asks() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let full = sized(&head(429, "content-type: application/json\r\nretry-after: 40\r\n"), b"{}");
    canary.queue([vec![Step::Write(full)]]);
    let sidecar = limited("requests_per_minute: 600, follow_headers: true", &stable, &canary);
    assert_eq!(served(&sidecar, 3), "oldcorp oldcorp oldcorp ");
    assert_eq!(canary.count(), 1, "it is not asked while it wants to be left alone");
    expect_turned(&sidecar, "requests", "other", 2);
}
