//! Verdicts of the application: who may give them, how they are written, and what comes back.

use super::ports::token;
use super::*;
use crate::decide::policy::Role;

const PATH: &str = "/api/v1/feedback";

#[test]
fn each_verdict_is_answered_in_its_place() {
    let ports = Ports::open(Vec::new());
    let body =
        r#"[{"request_id": "a", "good": false}, {"request_id": "a", "good": true}, {"user": "x", "good": true}]"#;
    let answer = ports.post(PATH, body);
    assert_eq!(answer.status, 200);
    let json = answer.json();
    let counts = ["accepted", "late", "duplicate", "unknown"].map(|name| json[name].as_u64().unwrap());
    assert_eq!(counts, [0, 1, 1, 1]);
    let results = json["results"].as_array().unwrap();
    let words: Vec<&str> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(words, ["late", "duplicate", "unknown"]);
    assert_eq!((&results[0]["rollout"], &results[0]["arm"]), (&json!("chat"), &json!("canary")));
    assert!(results.iter().all(|result| result["evidence"] == json!(false)));
    let reasons: Vec<&str> = results.iter().map(|result| result["reason"].as_str().unwrap()).collect();
    assert!(reasons[0].starts_with("counted in the metrics only: "), "{reasons:?}");
    assert!(reasons[2].contains("a stand-in such as"), "{reasons:?}");
    assert_eq!(ports.post(PATH, r#"{"request_id": "a", "good": true}"#).json()["duplicate"], json!(1));
}

#[test]
fn a_body_that_is_not_understood_is_refused_whole() {
    let ports = Ports::open(Vec::new());
    let answer = ports.post(PATH, r#"[{"request_id": "a", "good": true}, {"good": true}]"#);
    assert_eq!(answer.status, 400);
    let message = &answer.json()["error"]["message"];
    assert!(message.as_str().unwrap().contains("verdict 2 of the list"), "{message}");
    assert_eq!(ports.get(PATH).status, 405);
    let foreign = [("content-type", "application/json"), ("origin", "http://localhost:9999")];
    assert_eq!(ports.send("POST", PATH, &foreign, "[]").status, 403, "a page of another origin");
}

#[test]
fn it_takes_the_role_feedback_which_allows_nothing_else() {
    let ports = Ports::open(vec![token("app", &[Role::Feedback]), token("ops", &[Role::Rollback, Role::Flags])]);
    let send = |method: &str, path: &str, name: &str| {
        let bearer = format!("Bearer {name}-token");
        ports.send(method, path, &[("content-type", "application/json"), ("authorization", &bearer)], "[]").status
    };
    assert_eq!(send("POST", PATH, "app"), 200);
    assert_eq!(send("POST", PATH, "ops"), 403);
    assert_eq!(send("POST", PATH, "nobody"), 401);
    for (method, path) in [
        ("GET", "/api/v1/status"),
        ("GET", "/metrics"),
        ("POST", "/api/v1/rollback"),
        ("POST", "/ofrep/v1/evaluate/flags"),
    ] {
        assert_eq!(send(method, path, "app"), 403, "{path}");
    }
}
