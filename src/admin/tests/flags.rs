//! OFREP, as the published clients of several languages need it.

use super::samples::{percent, policy, snapshot};
use super::*;

const ONE: &str = "/ofrep/v1/evaluate/flags/new-prompt";
const ALL: &str = "/ofrep/v1/evaluate/flags";

/// Ports whose rollout stands at this share.
fn at(share: u16) -> Ports {
    let ports = Ports::open(Vec::new());
    ports.shared.publish(snapshot(policy(Vec::new()), percent(share)));
    ports
}

fn key(user: &str) -> String {
    json!({"context": {"targetingKey": user, "plan": "free"}}).to_string()
}

#[test]
fn a_flag_says_which_arm_its_user_is_on() {
    // md5("user-123") falls into bucket 3128.
    for (share, value, variant, arm) in [(3128, false, "off", "stable"), (3129, true, "on", "canary")] {
        let answer = at(share).post(ONE, &key("user-123"));
        assert_eq!(answer.status, 200);
        let metadata = json!({"rollout": "chat", "arm": arm});
        assert_eq!(
            answer.json(),
            json!({"key": "new-prompt", "value": value, "variant": variant, "reason": "SPLIT", "metadata": metadata})
        );
    }
    let pinned = at(1).post(ONE, &key("vip")).json();
    assert_eq!((&pinned["value"], &pinned["reason"]), (&json!(true), &json!("TARGETING_MATCH")));
}

#[test]
fn without_a_user_only_a_share_of_all_or_nobody_answers() {
    for (share, body) in [(0, ""), (10_000, "{}"), (0, r#"{"context": {}}"#), (0, r#"{"context": null}"#)] {
        let answer = at(share).post(ONE, body);
        assert_eq!((answer.status, &answer.json()["value"]), (200, &json!(share == 10_000)), "{body}");
    }
    let answer = at(5000).post(ONE, "{}");
    assert_eq!(answer.status, 400);
    let error = answer.json();
    assert_eq!((&error["key"], &error["errorCode"]), (&json!("new-prompt"), &json!("TARGETING_KEY_MISSING")));
    assert!(error["errorDetails"].as_str().unwrap().contains("rollout `chat`"));
}

#[test]
fn errors_carry_what_clients_read() {
    let ports = at(0);
    let error_of = |path: &str, body: &str| {
        let answer = ports.post(path, body);
        let json = answer.json();
        (
            answer.status,
            json["errorCode"].as_str().unwrap().to_owned(),
            json["errorDetails"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(
        error_of("/ofrep/v1/evaluate/flags/old-prompt", "{}"),
        (404, "FLAG_NOT_FOUND".into(), "flags.yaml has no flag `old-prompt`; there are: new-prompt".into())
    );
    let (status, code, details) = error_of(ONE, "{");
    assert_eq!((status, code.as_str()), (400, "PARSE_ERROR"));
    assert!(details.starts_with("the body is not JSON: "), "{details}");
    for (body, details) in [
        ("[]", "the body is not an object"),
        (r#"{"context": 1}"#, "`context` is not an object"),
        (r#"{"context": {"targetingKey": 1}}"#, "`context.targetingKey` is not a string"),
    ] {
        assert_eq!(error_of(ONE, body), (400, "INVALID_CONTEXT".into(), details.into()));
        assert_eq!(error_of(ALL, body), (400, "INVALID_CONTEXT".into(), details.into()));
    }
}

#[test]
fn the_bulk_answer_is_not_sent_twice() {
    let ports = at(5000);
    let first = ports.post(ALL, &key("user-123"));
    assert_eq!((first.status, &first.json()["flags"][0]["value"]), (200, &json!(true)));
    let etag = first.header("etag").unwrap().to_owned();
    let again = |user: &str, etag: &str| {
        ports.send(
            "POST",
            ALL,
            &[("content-type", "application/json; charset=utf-8"), ("if-none-match", etag)],
            &key(user),
        )
    };
    let unchanged = again("user-123", &etag);
    assert_eq!((unchanged.status, unchanged.body.as_str(), unchanged.header("etag")), (304, "", Some(etag.as_str())));
    assert_eq!(again("user-123", "\"0\"").status, 200);
    // Another answer is another tag: the user's bucket lies above the share now.
    ports.shared.publish(snapshot(policy(Vec::new()), percent(100)));
    assert_eq!(again("user-123", &etag).status, 200);
    // One flag that cannot be told is an item.
    let item = &ports.post(ALL, "{}").json()["flags"][0];
    assert_eq!(item["errorCode"], json!("TARGETING_KEY_MISSING"));
}

#[test]
fn a_page_may_ask_when_it_may_be_answered() {
    let preflight = |ports: &Ports, origin: &str| {
        ports.send("OPTIONS", ALL, &[("origin", origin), ("access-control-request-method", "POST")], "")
    };
    let ports = at(0);
    let answer = preflight(&ports, "http://localhost:3000");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:3000"));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("if-none-match") && allowed.contains("authorization"), "{allowed}");
    assert_eq!(preflight(&ports, "https://app.example").header("access-control-allow-origin"), None);
    let answer = ports.send("POST", ALL, &[("origin", "http://localhost:3000")], "{}");
    assert_eq!(answer.header("access-control-expose-headers"), Some("ETag, Retry-After"));
    // The API is for no page.
    let api = ports.send("GET", "/api/v1/status", &[("origin", "http://localhost:3000")], "");
    assert_eq!((api.status, api.header("access-control-allow-origin")), (200, None));

    let guarded = Ports::open(vec![token("web", &[Role::Flags])]);
    assert_eq!(
        preflight(&guarded, "https://app.example").header("access-control-allow-origin"),
        Some("https://app.example")
    );
    let headers = [("x-api-key", "web-token"), ("origin", "https://app.example"), ("host", "serin.internal")];
    assert_eq!(guarded.send("POST", ALL, &headers, "{}").status, 200);
    assert_eq!(guarded.send("GET", "/api/v1/status", &headers, "").status, 403);
}
