//! The ports over real sockets, with a control loop that the test plays.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::admin::dto::Process;
use crate::decide::breaker::BreakerPhase;
use crate::decide::event::{Action, Event, Figure, Reason};
use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::tick::{EventSums, Tick};
use crate::decide::guard::trace::TraceLine;
use crate::decide::incompatibility::Incompatibility;
use crate::decide::policy::plain;
use crate::decide::policy::{Canary, Flag, Guard, Policy, Provider, Role, Rollout, Secret, Token};
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};
use crate::state::counters::Series;
use crate::state::inbox::{Command, CommandError, Input, Receipt, inbox};
use crate::state::snapshot::{self, Snapshot, SnapshotCell};
use crate::state::status::{
    AnswersStatus, ArmWindow, AspectStatus, BreakerStatus, FlagsStatus, ForecastStatus, GuardStatus,
    IncompatibilityStatus, ProviderStatus, RolloutStatus, Status, StatusCell, StoreStatus,
};

mod changes;
mod flags;

fn percent(hundredths: u16) -> Percent {
    Percent::from_hundredths(hundredths).unwrap()
}

fn provider(name: &str) -> Provider {
    Provider { api_keys: vec![Secret::new("sk-never-shown".into())], ..plain::provider(name) }
}

fn policy(tokens: Vec<Token>) -> Policy {
    let canary = Canary {
        ramp: plain::ramp(&[10], Millis(0)),
        guard: Guard { window: Millis(1000), ..Guard::default() },
        ..plain::canary()
    };
    let pins = [("vip".to_owned(), Arm::Canary)].into();
    let rollout = Rollout { canary: Some(canary), pins, ..plain::rollout("chat") };
    let providers = vec![provider("openai"), provider("holysheep")];
    let flags = [("new-prompt".to_owned(), Flag { follows: "chat".into() })].into();
    Policy { flags, tokens, ..plain::policy(providers, vec![rollout]) }
}

fn snapshot(policy: Policy, share: Percent) -> Snapshot {
    snapshot::plain::snapshot(1, policy, share, 1, |labels| Arc::new(Series::new(labels, 1)))
}

fn finding() -> IncompatibilityStatus {
    let finding = Incompatibility::Parameter("prompt_cache_key".into());
    let (first, last) = (UnixMillis(1000), UnixMillis(2000));
    IncompatibilityStatus { finding, status: 400, count: 12, first, last }
}

fn shown_provider(name: &str, breaker: Option<(BreakerPhase, Option<UnixMillis>)>, diverted: u64) -> ProviderStatus {
    let breaker =
        breaker.map(|(state, open_until)| BreakerStatus { state, failures: 12, open_until, unreachable: false });
    ProviderStatus { name: name.into(), breaker, diverted }
}

fn guarded() -> GuardStatus {
    let doubt = EventSums { seconds: 1.5, canary: 4.0, canary_events: 1.0, ..EventSums::default() };
    let failing = AspectStatus { watched: true, evidence: 12.5, bound: 2000.0, above_floor: true, doubt };
    let mut aspects = [AspectStatus::default(); ASPECTS];
    aspects[Aspect::Failing as usize] = failing;
    GuardStatus {
        aspects,
        bound: 2000.0,
        failures_in_a_row: 1.0,
        users: [0, 1],
        watched: Millis(60_000),
        left: Some(Millis(3_600_000)),
        per_second: 50.0,
        stable_rate: 0.005,
        slow_above: Some(Millis(1500)),
        pace_above: Some(Millis(45)),
        answers: [
            AnswersStatus::default(),
            AnswersStatus { shares: Some([0.75, 0.0, 0.25, 0.0, 0.0, 0.0]), gap_millis: Some(20.0) },
        ],
        forecast: vec![
            ForecastStatus { rate: 1.0, after: Some(Millis(3000)) },
            ForecastStatus { rate: 0.05, after: None },
        ],
        silent_after: Some(Millis(27_000)),
        ..GuardStatus::default()
    }
}

fn status() -> Status {
    let rollout = RolloutStatus {
        window: [ArmWindow { requests: 200, failures: 1 }, ArmWindow::default()],
        findings: vec![finding()],
        guard: Some(guarded()),
        in_flight: [3, 4],
        waiting: [[1, 0, 0, 0, 0], [0, 2, 0, 1, 0]],
        ..RolloutStatus::sample()
    };
    Status {
        flags: FlagsStatus {
            path: "/f.yaml".into(),
            shown: "percent: auto\n".into(),
            generation: 1,
            ..FlagsStatus::default()
        },
        store: StoreStatus { dir: "/s".into(), ..StoreStatus::default() },
        rollouts: vec![rollout],
        providers: vec![
            shown_provider("openai", None, 0),
            shown_provider("holysheep", Some((BreakerPhase::Open, Some(UnixMillis(1500)))), 3),
            shown_provider("backup", Some((BreakerPhase::HalfOpen, None)), 0),
        ],
        series: Vec::new(),
        samples_lost: 0,
        access_log: (0, [0; 3]),
        ambiguous_closes: [0; 4],
        draining: false,
    }
}

/// The ports, running.
struct Ports {
    admin: SocketAddr,
    probe: SocketAddr,
    socket: std::path::PathBuf,
    draining: Arc<AtomicBool>,
    shared: Arc<SnapshotCell>,
    /// What the test's control loop was asked, by the latest first.
    asked: Arc<std::sync::Mutex<Vec<Command>>>,
    _dir: tempfile::TempDir,
    _running: Running,
}

fn control(mut inbox: mpsc::Receiver<Input>, asked: &std::sync::Mutex<Vec<Command>>) {
    while let Some(input) = inbox.blocking_recv() {
        match input {
            Input::Command { command, reply } => {
                let answer = match command.rollout.as_deref() {
                    Some("chat") | None => match command.verb {
                        RolloutCommand::Promote { .. } => {
                            Err(CommandError::NotNow("`chat` is completed: nothing is ahead".into()))
                        }
                        _ => Ok(receipt(matches!(command.verb, RolloutCommand::Rollback { .. }))),
                    },
                    Some(name) => Err(CommandError::Unknown { name: name.into(), known: "chat".into() }),
                };
                asked.lock().unwrap().push(command);
                let _ = reply.send(answer);
            }
            Input::History { rollout, limit, reply } => {
                let answer = match rollout.as_deref() {
                    Some("lost") => Err("the database is gone".to_owned()),
                    _ => Ok(vec![event(rollout, limit)]),
                };
                let _ = reply.send(answer);
            }
            Input::Trace { rollout, reply } => {
                let line = TraceLine::new(UnixMillis(0), 0.1, &Tick { seconds: 1.0, ..Tick::default() });
                let unknown = || CommandError::Unknown { name: rollout.clone(), known: "chat".into() };
                let lines = (rollout == "chat").then(|| vec![line.clone(), line]).ok_or_else(unknown);
                let _ = reply.send(lines);
            }
            Input::Flags(_) | Input::Rejected(_) | Input::Drain => {}
        }
    }
}

fn receipt(at_once: bool) -> Receipt {
    Receipt {
        rollouts: vec![("chat".into(), Percent::ZERO)],
        durable: if at_once { Ok(()) } else { Err("disk full".into()) },
        seen_by_all_cores: at_once,
        open_on_canary: 2,
        notes: vec!["take care".into()],
    }
}

fn event(rollout: Option<String>, limit: u32) -> Event {
    Event {
        at: UnixMillis(0),
        rollout,
        actor: "guard".into(),
        action: Action::Rollback,
        reason: Reason::Earlier {
            text: "too many failures".into(),
            numbers: vec![("limit".into(), Figure::Number(limit.into()))],
        },
        from: percent(1000),
        to: Percent::ZERO,
        generation: 1,
    }
}

impl Ports {
    fn open(tokens: Vec<Token>) -> Ports {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("admin.sock");
        let shared = Arc::new(SnapshotCell::new(snapshot(policy(tokens), Percent::ZERO), 1));
        let status: Arc<StatusCell> = Arc::new(ArcSwap::from_pointee(status()));
        let (inbox, end) = inbox();
        let asked: Arc<std::sync::Mutex<Vec<Command>>> = Arc::default();
        let listens = Arc::clone(&asked);
        std::thread::spawn(move || control(end, &listens));
        let bind = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (admin, probe) = (bind(), bind());
        let draining = Arc::new(AtomicBool::new(false));
        let process = Process {
            version: "0".into(),
            pid: 1,
            started_at: Timestamp(UnixMillis(0)),
            listen: "127.0.0.1:7171".into(),
            admin: "127.0.0.1:7172".into(),
            probe: None,
            draining: false,
        };
        let view = ApiContext { process, status, shared: Arc::clone(&shared), inbox, draining: Arc::clone(&draining) };
        Ports {
            admin: admin.local_addr().unwrap(),
            probe: probe.local_addr().unwrap(),
            draining,
            shared,
            asked,
            _running: start(Setup {
                listener: admin,
                probe: Some(probe),
                socket: Some(UnixListener::bind(&socket).unwrap()),
                view,
            })
            .unwrap(),
            socket,
            _dir: dir,
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        exchange(TcpStream::connect(self.admin).unwrap(), method, path, headers, body)
    }

    fn verbs(&self) -> Vec<RolloutCommand> {
        self.asked.lock().unwrap().iter().map(|command| command.verb.clone()).collect()
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Code and message of an error.
    fn error(&self) -> (String, String) {
        let error = &self.json()["error"];
        (error["code"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // The answer to a body that is refused may come before it was taken whole.
    let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head: head.into(), body: body.into() }
}

fn token(name: &str, may: &[Role]) -> Token {
    Token { name: name.into(), token: Secret::new(format!("{name}-token")), may: may.iter().copied().collect() }
}

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
            {"name": "openai", "breaker": "off", "unreachable": false, "failures": 0, "open_until": null, "diverted": 0},
            {"name": "holysheep", "breaker": "open", "unreachable": false, "failures": 12, "open_until": until, "diverted": 3},
            {"name": "backup", "breaker": "half_open", "unreachable": false, "failures": 12, "open_until": null, "diverted": 0},
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
        (400, "unknown parameter `max`; history takes rollout and limit".to_owned())
    );
    assert_eq!(
        error("/api/v1/history?rollout=lost"),
        (500, "the history cannot be read: the database is gone".to_owned())
    );
    let (status, message) = error("/");
    assert_eq!(status, 404);
    assert!(message.starts_with("there is nothing at `/`; there are: GET /healthz"), "{message}");
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
