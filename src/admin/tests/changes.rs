//! Changes: what reaches control, and what comes back.

use std::sync::Arc;

use super::samples::percent;
use super::*;
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::units::Percent;
use crate::state::inbox::Command;

#[test]
fn a_rollback_is_asked_for_and_its_receipt_told() {
    let ports = Ports::open(Vec::new());
    let answer = ports.post("/api/v1/rollouts/chat/rollback", r#"{"to": "5%", "reason": "errors"}"#);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({
            "rollouts": [{"name": "chat", "percent": 0.0}],
            "in_force": true,
            "durable": true,
            "durability_error": null,
            "open_on_canary": 2,
            "websockets_on_canary": 1,
            "ended_on_canary": 0,
            "notes": ["take care"],
        })
    );
    let five = Command {
        rollout: Some("chat".into()),
        verb: RolloutCommand::Rollback { to: percent(500) },
        actor: "loopback".into(),
        reason: "errors".into(),
    };
    assert_eq!(*ports.asked.lock().unwrap(), [five]);
}

#[test]
fn a_hard_rollback_says_what_it_ended() {
    let ports = Ports::open(Vec::new());
    let reply = ports.post("/api/v1/rollouts/chat/rollback", r#"{"hard": true}"#).json();
    assert_eq!((&reply["ended_on_canary"], &reply["open_on_canary"]), (&json!(7), &json!(0)));
    let reply = ports.post("/api/v1/rollback", r#"{"hard": true}"#).json();
    assert_eq!(reply["ended_on_canary"], json!(0));
    let would = ports.post("/api/v1/rollouts/chat/rollback", r#"{"hard": true, "dry_run": true}"#).json();
    assert!(would["would"].as_str().unwrap().contains("12 open requests and streams are ended"), "{would}");
    assert_eq!(ports.post("/api/v1/rollouts/chat/rollback", r#"{"hard": true, "to": 5}"#).status, 400);
}

#[test]
fn every_change_has_its_route() {
    let ports = Ports::open(Vec::new());
    ports.post("/api/v1/rollback", "");
    ports.post("/api/v1/pause", "");
    ports.post("/api/v1/rollouts/chat/pause", "{}");
    ports.post("/api/v1/rollouts/chat/resume", r#"{"at": 10}"#);
    ports.post("/api/v1/rollouts/chat/promote", r#"{"to": "50%"}"#);
    assert_eq!(
        ports.verbs(),
        [
            RolloutCommand::Rollback { to: Percent::ZERO },
            RolloutCommand::Pause,
            RolloutCommand::Pause,
            RolloutCommand::Resume { at: Some(percent(1000)) },
            RolloutCommand::Promote { to: Some(percent(5000)) },
        ]
    );
    let rollouts: Vec<_> = ports.asked.lock().unwrap().iter().map(|command| command.rollout.clone()).collect();
    assert_eq!(rollouts[..3], [None, None, Some("chat".to_owned())]);
}

#[test]
fn a_change_that_is_only_tried_takes_the_same_roles_and_asks_for_nothing() {
    let ports = Ports::open(vec![token("oncall", &[Role::Rollback]), token("ops", &[Role::Change])]);
    let send = |name: &str, path: &str, body: &str| {
        ports.send("POST", path, &[("authorization", &format!("Bearer {name}-token"))], body)
    };
    let answer = send("oncall", "/api/v1/rollouts/chat/rollback", r#"{"dry_run": true, "reason": "errors"}"#);
    let would = "10% of users (buckets 0 to 999) go from holysheep to openai for new requests. 12 open requests and \
                 streams stay. Only `serin resume chat` lifts the lock.";
    assert_eq!((answer.status, &answer.json()["would"]), (200, &json!(would)));
    assert_eq!(
        answer.json(),
        json!({
            "would": would, "from": 10.0, "to": 0.0,
            "rollouts": [{"name": "chat", "would": would, "from": 10.0, "to": 0.0, "from_phase": "ramping",
                "to_phase": "locked", "buckets": [0, 999], "pinned": 0, "open_on_canary": 12}],
        })
    );
    assert_eq!(send("oncall", "/api/v1/rollback", r#"{"dry_run": true}"#).status, 200);
    assert_eq!(send("oncall", "/api/v1/rollouts/chat/resume", r#"{"dry_run": true}"#).status, 403);
    assert_eq!(send("ops", "/api/v1/rollouts/chat/resume", r#"{"dry_run": true}"#).status, 200);
    // 10% is in force: to raise it takes the role for that, tried or not.
    assert_eq!(send("oncall", "/api/v1/rollouts/chat/rollback", r#"{"dry_run": true, "to": 50}"#).status, 403);
    assert_eq!(send("ops", "/api/v1/rollouts/chta/pause", r#"{"dry_run": true}"#).error().0, "unknown_rollout");
    assert_eq!(send("ops", "/api/v1/rollouts/chat/rollback", r#"{"dry_run": "yes"}"#).status, 400);
    assert_eq!(ports.verbs(), []);
}

#[test]
fn what_is_not_yet_in_force_or_durable_is_said() {
    let ports = Ports::open(Vec::new());
    let answer = ports.post("/api/v1/rollouts/chat/resume", "");
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["in_force"], json!(false));
    assert_eq!(answer.json()["durability_error"], json!("disk full"));
}

#[test]
fn what_control_refuses_is_passed_on() {
    let ports = Ports::open(Vec::new());
    let unknown = ports.post("/api/v1/rollouts/chta/rollback", "");
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.error(), ("unknown_rollout".into(), "there is no rollout named `chta`; there are: chat".into()));
    let not_now = ports.post("/api/v1/rollouts/chat/promote", "");
    assert_eq!(not_now.status, 409);
    assert_eq!(not_now.error(), ("not_now".into(), "`chat` is completed: nothing is ahead".into()));
}

#[test]
fn a_wrong_body_changes_nothing() {
    let ports = Ports::open(Vec::new());
    let error = |headers: &[(&str, &str)], body: &str| {
        let answer = ports.send("POST", "/api/v1/rollouts/chat/rollback", headers, body);
        let (code, message) = answer.error();
        (answer.status, code, message)
    };
    let (status, code, message) = error(&[], r#"{"percent": 0}"#);
    assert_eq!((status, code.as_str()), (400, "bad_request"));
    assert!(
        message.contains("unknown field `percent`, expected one of `to`, `hard`, `reason`, `dry_run`"),
        "{message}"
    );
    let form = ("content-type", "application/x-www-form-urlencoded");
    let text = "the body is `application/x-www-form-urlencoded`; send `content-type: application/json`, or no body";
    assert_eq!(error(&[form], "to=0"), (415, "unsupported_media_type".into(), text.into()));
    let (status, code, message) = error(&[], &"x".repeat(64 * 1024 + 1));
    assert_eq!((status, code.as_str(), message.as_str()), (413, "too_large", "the body is longer than 65536 bytes"));
    assert_eq!(ports.verbs(), []);
}

#[test]
fn a_token_does_what_its_roles_say() {
    let ports = Ports::open(vec![
        token("grafana", &[Role::Read]),
        token("oncall", &[Role::Rollback]),
        token("ops", &[Role::Change]),
    ]);
    let status = |name: &str, method: &str, path: &str, body: &str| {
        let bearer = format!("Bearer {name}-token");
        let headers =
            [("authorization", bearer.as_str()), ("host", "10.0.0.9:7172"), ("origin", "https://10.0.0.9:7172")];
        let answer = ports.send(method, path, &headers, body);
        assert!(!answer.body.contains("-token"));
        answer.status
    };
    let rollback = "/api/v1/rollouts/chat/rollback";
    assert_eq!(status("grafana", "GET", "/api/v1/status", ""), 200);
    assert_eq!(status("grafana", "POST", rollback, ""), 403);
    assert_eq!(status("oncall", "GET", "/metrics", ""), 200);
    assert_eq!(status("oncall", "POST", rollback, ""), 200);
    assert_eq!(status("oncall", "POST", "/api/v1/pause", ""), 202);
    assert_eq!(status("oncall", "POST", "/api/v1/rollouts/chat/resume", ""), 403);
    // 10% is in force: to hold it at 50% would send more users to the canary.
    assert_eq!(status("oncall", "POST", rollback, r#"{"to": 50}"#), 403);
    assert_eq!(status("oncall", "POST", rollback, r#"{"to": 10}"#), 200);
    assert_eq!(status("ops", "POST", rollback, r#"{"to": 50}"#), 200);
    assert_eq!(status("nobody", "POST", rollback, ""), 401);
    // A name that its owner points here is the same in both, and no page's of this port.
    for (host, origin) in [
        ("serin.internal", "https://other.example"),
        ("rebind.example:7172", "http://rebind.example:7172"),
        ("serin.internal", "https://serin.internal"),
        ("10.0.0.9.example", "http://10.0.0.9.example"),
        ("10.0.0.9:7172", "http://10.0.0.8:7172"),
        ("", "http://10.0.0.9:7172"),
    ] {
        let foreign = [("authorization", "Bearer ops-token"), ("host", host), ("origin", origin)];
        let answer = ports.send("POST", rollback, &foreign, "");
        assert_eq!(answer.status, 403, "{host} {origin}");
        assert!(answer.body.contains("is not this port's own"), "{}", answer.body);
        assert_eq!(ports.send("GET", "/api/v1/status", &foreign, "").status, 200);
    }
    for (host, origin) in [("localhost:9", "http://localhost:9"), ("[fd00::1]:7172", "http://[FD00::1]:7172")] {
        let own = [("authorization", "Bearer oncall-token"), ("host", host), ("origin", origin)];
        assert_eq!(ports.send("POST", "/api/v1/rollouts/chat/resume", &own, "").status, 403);
        assert!(ports.send("POST", "/api/v1/rollouts/chat/resume", &own, "").body.contains("does not allow this"));
    }
    let actors: Vec<_> = ports.asked.lock().unwrap().iter().map(|command| command.actor.clone()).collect();
    assert_eq!(actors, ["oncall", "oncall", "oncall", "ops"]);
}

#[test]
fn a_control_loop_that_is_gone_is_told() {
    let ports = Ports::open(Vec::new());
    // The test's control loop dies of a poisoned list.
    let asked = Arc::clone(&ports.asked);
    let _ = std::thread::spawn(move || {
        let _held = asked.lock().unwrap();
        panic!("on purpose");
    })
    .join();
    let answer = ports.post("/api/v1/rollback", "");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error(), ("unavailable".into(), "the control loop does not answer".into()));
}

#[test]
fn a_plan_is_asked_for_with_the_file_and_changes_nothing() {
    let ports = Ports::open(vec![token("grafana", &[Role::Read]), token("app", &[Role::Flags])]);
    let send = |name: &str, media_type: &str, body: &str| {
        let bearer = format!("Bearer {name}-token");
        ports.send("POST", "/api/v1/plan", &[("authorization", &bearer), ("content-type", media_type)], body)
    };
    for (media_type, body) in
        [("application/yaml", "renamed"), ("text/yaml; charset=utf-8", "renamed"), ("application/json", "\"renamed\"")]
    {
        let answer = send("grafana", media_type, body);
        assert_eq!((answer.status, &answer.json()["valid"]), (200, &json!(true)), "{}", answer.body);
        assert_eq!(answer.json()["settings"], json!(["renamed"]));
        // The file in force, whose references may be resolved.
        assert_eq!(answer.json()["warnings"], json!(["percent: auto"]));
    }
    let wrong = send("grafana", "application/yaml", "wrong").json();
    assert_eq!((&wrong["valid"], &wrong["errors"][0]["problem"]), (&json!(false), &json!("it is wrong")));
    assert_eq!(send("app", "application/yaml", "renamed").status, 415, "only who may read sends YAML");
    assert_eq!(send("app", "application/json", "\"renamed\"").status, 403);
    assert_eq!(send("grafana", "text/plain", "renamed").status, 415);
    assert_eq!(send("grafana", "application/json", "{}").status, 400);
    let large = "x".repeat(512 * 1024);
    assert_eq!(send("grafana", "application/yaml", &large).status, 200);
    assert_eq!(send("app", "application/json", &large).error().1, "the body is longer than 65536 bytes");
    assert_eq!(
        send("grafana", "application/yaml", &large.repeat(3)).error().1,
        "the body is longer than 1048576 bytes"
    );
    assert_eq!(ports.verbs(), []);
}
