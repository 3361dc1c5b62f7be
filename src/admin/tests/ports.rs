//! The running ports of the admin API, and a client that asks them over real sockets.
//!
//! Owns the control loop that the tests play: it answers what the API hands over, and keeps each command. Refuses to
//! interpret an answer: a test reads status, head and body itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::mpsc;

use super::super::api::ApiContext;
use super::samples::{percent, policy, snapshot, status};
use super::*;
use crate::admin::dto::Process;
use crate::admin::events::LiveEvents;
use crate::admin::plan::PlanReader;
use crate::admin::sse::StreamLimit;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::event::{Action, Event, Figure, Reason};
use crate::decide::file_error::FileError;
use crate::decide::guard::tick::Tick;
use crate::decide::guard::trace::TraceLine;
use crate::decide::plan::Plan;
use crate::decide::policy::{Role, Secret, Token};
use crate::decide::rollout::dry_run::DryRun;
use crate::decide::rollout::in_force::EffectiveShare;
use crate::decide::rollout::state::{OverallPhase, RolloutCommand};
use crate::decide::series::{Point, Points, Step};
use crate::decide::timestamp::Timestamp;
use crate::decide::units::{Arm, Percent, UnixMillis};
use crate::decide::verdict::{Judged, NotCharged, Verdict, VerdictResult};
use crate::describe::incident::tests::incident;
use crate::state::inbox::{Command, CommandError, FlagsRead, Input, NotifyTestResult, Receipt, inbox};
use crate::state::snapshot::SnapshotCell;
use crate::state::status::StatusCell;

/// The ports, running.
pub(super) struct Ports {
    pub(super) admin: SocketAddr,
    pub(super) probe: SocketAddr,
    pub(super) socket: std::path::PathBuf,
    pub(super) draining: Arc<AtomicBool>,
    pub(super) shared: Arc<SnapshotCell>,
    pub(super) status: Arc<StatusCell>,
    /// What the test's control loop was asked, by the latest first.
    pub(super) asked: Arc<std::sync::Mutex<Vec<Command>>>,
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
            Input::EndOnCanary { wish, reply } => drop(reply.send(Ok(if wish.rollout.is_some() { 7 } else { 0 }))),
            Input::Incidents { id, reply } => {
                let kept = vec![incident("<b>errors</b>")];
                let kept = kept.into_iter().filter(|incident| id.as_ref().is_none_or(|id| *id == incident.id));
                let _ = reply.send(Ok(kept.collect()));
            }
            Input::Plan { policy, reply } => {
                let settings = policy.providers.iter().map(|provider| provider.name.clone()).collect();
                let _ = reply.send(Plan { settings, ..Plan::default() });
            }
            Input::DryRun { command, reply } => {
                let _ = reply.send(dry_run(&command));
            }
            Input::TestNotify { target, reply } => {
                let answer = Ok((200, String::new()));
                let answers = vec![NotifyTestResult { target: target.unwrap_or_else(|| "ops".into()), answer }];
                let _ = reply.send(Ok(answers));
            }
            Input::History { filter: HistoryFilter { rollout, .. }, limit, reply } => {
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
            Input::Feedback { verdicts, reply } => {
                // A word for each, whatever it is on.
                let result = |verdict: &Verdict| match (&verdict.on, verdict.good) {
                    (Judged::User(_), _) => VerdictResult::Unknown(NotCharged::NoUser),
                    (Judged::Request(_), true) => VerdictResult::Duplicate,
                    (Judged::Request(_), false) => VerdictResult::Late { rollout: "chat".into(), arm: Arm::Canary },
                };
                let _ = reply.send(verdicts.iter().map(result).collect());
            }
            Input::Series { rollout, step, from, to, reply } => {
                let _ = reply.send(Ok(points(&rollout, step, from, to)));
            }
            Input::Flags(_) | Input::Rejected(_) | Input::Drain => {}
        }
    }
}

/// The test's file is the name of a provider, or `wrong`.
fn read_plan(text: &str, in_force: &str) -> FlagsRead {
    let result = match text {
        "wrong" => Err(vec![FileError::whole("it is wrong".to_owned())]),
        name => {
            let mut policy = policy(Vec::new());
            policy.providers.truncate(1);
            Arc::make_mut(&mut policy.providers[0]).name = name.to_owned();
            Ok(Arc::new(policy))
        }
    };
    let warnings = vec![in_force.trim().to_owned()];
    FlagsRead { result, text: "".into(), shown: "".into(), warnings, hash: 0, modified: None }
}

fn dry_run(command: &Command) -> Result<Vec<DryRun>, CommandError> {
    if command.rollout.as_deref().is_some_and(|name| name != "chat") {
        return Err(CommandError::Unknown { name: command.rollout.clone().unwrap(), known: "chat".into() });
    }
    let [from, to] = [(percent(1000), OverallPhase::Ramping), (Percent::ZERO, OverallPhase::Locked)]
        .map(|(percent, phase)| EffectiveShare { percent, phase, buckets_only: phase == OverallPhase::Locked });
    let [rollout, stable, canary] = ["chat", "openai", "holysheep"].map(str::to_owned);
    let verb = command.verb.clone();
    Ok(vec![DryRun {
        rollout,
        stable,
        canary,
        verb,
        from,
        to,
        pinned: 0,
        open_on_canary: 12,
        hard: false,
        notes: Vec::new(),
    }])
}

/// A point a step, that says by its share which it is; of the rollout `gone` none.
fn points(rollout: &str, step: Step, from: UnixMillis, to: UnixMillis) -> Points {
    let at = (from.0..to.0).step_by(usize::try_from(step.millis()).unwrap());
    let point =
        |at: u64| Point { percent: percent(u16::try_from(at / step.millis() % 10_000).unwrap()), ..Point::default() };
    if rollout == "gone" { Points::new() } else { at.map(|at| (UnixMillis(at), point(at))).collect() }
}

fn receipt(at_once: bool) -> Receipt {
    Receipt {
        rollouts: vec![("chat".into(), Percent::ZERO)],
        durable: if at_once { Ok(()) } else { Err("disk full".into()) },
        seen_by_all_cores: at_once,
        open_on_canary: 2,
        websockets_on_canary: 1,
        notes: vec!["take care".into()],
    }
}

pub(super) fn event(rollout: Option<String>, limit: u32) -> Event {
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
    pub(super) fn open(tokens: Vec<Token>) -> Ports {
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
            listen_tls: None,
            admin: "127.0.0.1:7172".into(),
            probe: None,
            draining: false,
        };
        let view = ApiContext {
            process,
            status: Arc::clone(&status),
            shared: Arc::clone(&shared),
            inbox,
            plans: PlanReader::new(read_plan),
            draining: Arc::clone(&draining),
            streams: StreamLimit::default(),
            flag_versions: Arc::default(),
            live: LiveEvents::default(),
        };
        Ports {
            admin: admin.local_addr().unwrap(),
            probe: probe.local_addr().unwrap(),
            draining,
            shared,
            status,
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

    pub(super) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub(super) fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body)
    }

    pub(super) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        exchange(TcpStream::connect(self.admin).unwrap(), method, path, headers, body)
    }

    pub(super) fn verbs(&self) -> Vec<RolloutCommand> {
        self.asked.lock().unwrap().iter().map(|command| command.verb.clone()).collect()
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Code and message of an error.
    pub(super) fn error(&self) -> (String, String) {
        let error = &self.json()["error"];
        (error["code"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(super) fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
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

pub(super) fn token(name: &str, may: &[Role]) -> Token {
    Token { name: name.into(), token: Secret::new(format!("{name}-token")), may: may.iter().copied().collect() }
}
