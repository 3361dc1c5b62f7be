//! OFREP, as the published clients of several languages need it.

use super::samples::{percent, policy, snapshot};
use super::*;
use crate::decide::policy::Policy;

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
    let why = [
        "rollout `chat` is at 31.28% and has this user on stable",
        "rollout `chat` is at 31.29% and has this user on the canary",
    ];
    for (share, value, variant, arm) in [(3128, false, "off", "stable"), (3129, true, "on", "canary")] {
        let answer = at(share).post(ONE, &key("user-123"));
        assert_eq!(answer.status, 200);
        let metadata = json!({"rollout": "chat", "arm": arm, "why": why[usize::from(value)]});
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

#[test]
fn the_file_may_list_the_pages_that_read_flags() {
    let ports = Ports::open(Vec::new());
    let listed = |origins: &[&str]| {
        let cors = Some(origins.iter().map(|origin| (*origin).to_owned()).collect());
        ports.shared.publish(snapshot(Policy { cors, ..policy(Vec::new()) }, percent(0)));
    };
    let read = |origin: &str| {
        let answer = ports.send("POST", ALL, &[("content-type", "application/json"), ("origin", origin)], "{}");
        (answer.status, answer.header("access-control-allow-origin").map(str::to_owned))
    };
    let (app, other) = ("https://app.example", "https://other.example");
    assert_eq!(read(app), (403, None), "by default pages on loopback only");
    listed(&[app]);
    assert_eq!((read(app), read(other)), ((200, Some(app.to_owned())), (403, None)));
    // On loopback, and not listed: its own machine asks, and its page does not see the answer.
    assert_eq!(read("http://localhost:3000"), (200, None));
    listed(&["*"]);
    assert_eq!((read(other), read("null")), ((200, Some(other.to_owned())), (403, None)));
    // Nothing but flags is for pages, and the name in Host decides as before.
    let status = ports.send("GET", "/api/v1/status", &[("origin", app)], "");
    assert_eq!((status.status, status.header("access-control-allow-origin")), (403, None));
    assert_eq!(ports.send("POST", ALL, &[("origin", app), ("host", "rebound.example")], "{}").status, 403);
    let asks = [("origin", app), ("access-control-request-private-network", "true")];
    assert_eq!(ports.send("OPTIONS", ALL, &asks, "").header("access-control-allow-private-network"), Some("true"));
}

#[test]
fn what_the_port_refuses_is_told_in_the_protocols_shape() {
    let guarded = Ports::open(vec![token("web", &[Role::Read])]);
    let shape = |answer: super::ports::Answer| {
        let body = answer.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(body["error"]["message"], body["errorDetails"]);
        (answer.status, text("key"), text("errorCode"))
    };
    assert_eq!(shape(guarded.post(ONE, "{}")), (401, "new-prompt".into(), "GENERAL".into()));
    let headers = [("authorization", "Bearer web-token")];
    assert_eq!(shape(guarded.send("POST", ONE, &headers, "{}")), (403, "new-prompt".into(), "GENERAL".into()));
    let ports = at(0);
    assert_eq!(shape(ports.post("/ofrep/v1/evaluate/flags/a/b", "{}")), (404, "a/b".into(), "FLAG_NOT_FOUND".into()));
    let long = format!("{{\"context\":{{\"a\":\"{}\"}}}}", "x".repeat(65 * 1024));
    assert_eq!(shape(ports.post(ONE, &long)), (413, "new-prompt".into(), "INVALID_CONTEXT".into()));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(shape(ports.send("POST", ONE, &form, "a=b")), (415, "new-prompt".into(), "PARSE_ERROR".into()));
    assert_eq!(shape(ports.get(ONE)), (405, "new-prompt".into(), "GENERAL".into()));
}

#[test]
fn people_see_what_flags_there_are() {
    let expected = json!({"flags": [{
        "name": "new-prompt",
        "type": "boolean",
        "variants": ["on", "off"],
        "values": {"on": true, "off": false},
        "default": null,
        "off": false,
        "follows": "chat",
        "rules": 0,
        "summary": "true for the users that `chat` sends to the canary",
    }]});
    assert_eq!(at(0).get("/api/v1/flags").json(), expected);
    let tokens = [token("app", &[Role::Flags]), token("read", &[Role::Read]), token("ops", &[Role::Rollback])];
    let guarded = Ports::open(tokens.into());
    for (name, status) in [("app", 200), ("read", 200), ("ops", 200), ("none", 401)] {
        let bearer = format!("Bearer {name}-token");
        assert_eq!(guarded.send("GET", "/api/v1/flags", &[("authorization", &bearer)], "").status, status, "{name}");
    }
}
