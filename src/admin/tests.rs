//! The ports over real sockets, with a control loop that the test plays.

mod changes;
mod events;
mod feedback;
mod flag_changes;
mod flags;
mod ports;
mod samples;

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::*;
use crate::decide::policy::Role;
use ports::{Ports, exchange, token};

#[test]
fn status_history_and_config_are_read() {
    let ports = Ports::open(Vec::new());
    let status = ports.get("/api/v1/status");
    assert_eq!(status.status, 200);
    assert_eq!(status.header("content-type"), Some("application/json"));
    let chat = &status.json()["rollouts"][0];
    assert_eq!((&chat["name"], &chat["percent"], &chat["intent"]), (&json!("chat"), &json!(10.0), &json!("auto")));
    assert_eq!(chat["window"]["stable"], json!({"requests": 200, "failures": 1, "failure_percent": 0.5}));
    assert_eq!(chat["window"]["canary"]["failure_percent"], Value::Null);
    let ages = json!({"below_5s": 0, "below_30s": 2, "below_2m": 0, "below_10m": 1, "longer": 0});
    assert_eq!(chat["in_flight"]["canary"], json!({"requests": 4, "without_output": ages}));
    let nothing = json!({"requests": 0, "events": 0, "percent": null, "low_percent": 0.0, "high_percent": 100.0});
    let seen = &chat["guard"]["failing"]["since_well"]["canary"];
    assert_eq!((&seen["requests"], &seen["events"], &seen["percent"]), (&json!(4), &json!(1), &json!(25.0)));
    let ends = ["low_percent", "high_percent"].map(|end| seen[end].as_f64().unwrap().round());
    assert_eq!(ends, [5.0, 70.0]);
    assert_eq!(
        chat["guard"],
        json!({
            "bound": 2000.0,
            "failing": {
                "evidence": 12.5,
                "above_floor": true,
                "since_well": {"seconds": 1.5, "stable": nothing, "canary": seen},
            },
            "slow": null,
            "refusing": null,
            "empty": null,
            "length": null,
            "filtered": null,
            "pace": null,
            "feedback": null,
            "verdicts": {"stable": {"good": 0, "bad": 0}, "canary": {"good": 0, "bad": 0}},
            "answers_bound": 0.0,
            "answers": {
                "stable": {"percent_by_finish": {}, "mean_gap_seconds": null},
                "canary": {"percent_by_finish": {"stop": 75.0, "length": 25.0, "tool_calls": 0.0, "filtered": 0.0,
                    "empty": 0.0, "other": 0.0}, "mean_gap_seconds": 0.02},
            },
            "pace_above_seconds": 0.045,
            "users_failing": {"stable": 0, "canary": 1},
            "failures_in_a_row": 1,
            "incident": false,
            "step": {"seconds": 0.0, "stable": nothing, "canary": nothing},
            "watched_seconds": 60.0,
            "left_seconds": 3600.0,
            "answered": 3,
            "needed": 100,
            "requests_per_second": 50.0,
            "stable_failure_percent": 0.5,
            "max_error_percent": 5.0,
            "slow_above_seconds": 1.5,
            "forecast": [
                {"error_percent": 100.0, "seen_after_seconds": 3.0},
                {"error_percent": 5.0, "seen_after_seconds": null},
            ],
            "silent_seen_after_seconds": 27.0,
            "silence": null,
            "retries": 0,
        })
    );
    assert_eq!(status.json()["process"]["started_at"], json!("1970-01-01T00:00:00.000Z"));
    assert!(!status.body.contains("never-shown"));
    assert_eq!(
        chat["findings"],
        json!([{
            "kind": "parameter",
            "name": "prompt_cache_key",
            "sentence": "holysheep refused `prompt_cache_key`, which openai accepts",
            "rule": "providers.holysheep.drop_fields: [prompt_cache_key]",
            "advice": "write providers.holysheep.drop_fields: [prompt_cache_key]",
            "status": 400,
            "count": 12,
            "first_at": "1970-01-01T00:00:01.000Z",
            "last_at": "1970-01-01T00:00:02.000Z",
        }])
    );
    let until = "1970-01-01T00:00:01.500Z";
    assert_eq!(
        status.json()["providers"],
        json!([
            {"name": "openai", "breaker": "off", "unreachable": false, "failures": 0, "open_until": null, "diverted": 0, "keys": []},
            {"name": "holysheep", "breaker": "open", "unreachable": false, "failures": 12, "open_until": until, "diverted": 3, "keys": []},
            {"name": "backup", "breaker": "half_open", "unreachable": false, "failures": 12, "open_until": null, "diverted": 0, "keys": []},
        ])
    );

    let history = ports.get("/api/v1/history?rollout=chat&limit=7").json();
    assert_eq!(history["events"][0]["numbers"], json!({"limit": 7}));
    assert_eq!(history["events"][0]["from"], json!(10.0));
    assert_eq!(ports.get("/api/v1/history").json()["events"][0]["numbers"]["limit"], json!(50));

    let trace = ports.get("/api/v1/rollouts/chat/trace");
    assert_eq!((trace.status, trace.header("content-type")), (200, Some("application/x-ndjson")));
    let lines: Vec<Value> = trace.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["share_percent"]), (2, &json!(10)));
    let unknown = ports.get("/api/v1/rollouts/chta/trace");
    assert_eq!((unknown.status, unknown.error().0.as_str()), (404, "unknown_rollout"));

    let config = ports.get("/api/v1/config").json();
    assert_eq!((&config["text"], &config["generation"]), (&json!("percent: auto\n"), &json!(1)));
}

#[test]
fn a_wrong_query_path_or_method_is_told_what_is_right() {
    let ports = Ports::open(Vec::new());
    let error = |path: &str| {
        let answer = ports.get(path);
        (answer.status, answer.error().1)
    };
    assert_eq!(error("/api/v1/history?limit=0"), (400, "`limit=0`: the limit is a number from 1 to 1000".to_owned()));
    assert_eq!(
        error("/api/v1/history?max=3"),
        (400, "unknown parameter `max`; history takes rollout, since, until, action, actor and limit".to_owned())
    );
    assert_eq!(
        error("/api/v1/history?rollout=lost"),
        (500, "the history cannot be read: the database is gone".to_owned())
    );
    let (status, message) = error("/api");
    assert_eq!(status, 404);
    assert!(message.starts_with("there is nothing at `/api`; there are: GET /healthz"), "{message}");
    let wrong = ports.send("DELETE", "/api/v1/status", &[], "");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET")));
    assert_eq!(wrong.error(), ("method_not_allowed".into(), "`/api/v1/status` takes GET, not DELETE".into()));
}

#[test]
fn readiness_turns_with_the_drain_and_life_goes_on() {
    let ports = Ports::open(vec![token("ops", &[Role::Change])]);
    let probe = |path: &str| {
        let answer = exchange(TcpStream::connect(ports.probe).unwrap(), "GET", path, &[("host", "10.1.2.3")], "");
        (answer.status, answer.body)
    };
    assert_eq!(probe("/readyz"), (200, "ready\n".to_owned()));
    ports.draining.store(true, Ordering::Relaxed);
    assert_eq!(probe("/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(probe("/healthz"), (200, "alive\n".to_owned()));
    // The admin port tells the same without a token.
    assert_eq!(ports.get("/readyz").status, 503);
}

#[test]
fn the_probe_port_gives_metrics_and_nothing_else() {
    let ports = Ports::open(vec![token("ops", &[Role::Change])]);
    let probe = |method: &str, path: &str| {
        exchange(TcpStream::connect(ports.probe).unwrap(), method, path, &[("host", "serin.internal")], "")
    };
    let metrics = probe("GET", "/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\nserin_rollout_percent{rollout=\"chat\"} 10\n"), "{}", metrics.body);
    assert_eq!(probe("GET", "/api/v1/status").status, 404);
    assert_eq!(probe("POST", "/api/v1/rollback").status, 404);
    assert_eq!(probe("HEAD", "/metrics").body, "");
    // The admin port asks for a token.
    assert_eq!(ports.get("/metrics").status, 401);
}

#[test]
fn a_page_from_elsewhere_is_refused() {
    let ports = Ports::open(Vec::new());
    for headers in
        [[("host", "rebind.example"), ("x", "y")], [("host", "localhost"), ("origin", "https://evil.example")]]
    {
        let answer = ports.send("GET", "/api/v1/status", &headers, "");
        assert_eq!((answer.status, answer.error().0.as_str()), (403, "forbidden"));
        let answer = ports.send("POST", "/api/v1/rollback", &headers, "");
        assert_eq!(answer.status, 403);
    }
    assert_eq!(ports.verbs(), []);
}

#[test]
fn the_socket_needs_no_token() {
    let ports = Ports::open(vec![token("ops", &[Role::Change])]);
    assert_eq!(ports.get("/api/v1/status").status, 401);
    assert_eq!(ports.get("/api/v1/status").header("www-authenticate"), Some("Bearer"));
    let answer = exchange(UnixStream::connect(&ports.socket).unwrap(), "POST", "/api/v1/rollback", &[], "");
    assert_eq!(answer.status, 200);
    assert_eq!(ports.asked.lock().unwrap()[0].actor, users::current());
}
