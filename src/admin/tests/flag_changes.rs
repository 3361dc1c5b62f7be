//! The change stream over a real connection: when it speaks, who may listen, and when it ends.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::ports::{Ports, token};
use super::samples::{percent, policy, snapshot};
use crate::clock;
use crate::decide::policy::{Policy, Role};
use crate::decide::units::UnixMillis;
use crate::state::snapshot::Snapshot;

/// A listener, after the head of its answer.
struct Listener {
    lines: BufReader<TcpStream>,
    status: u16,
}

impl Listener {
    fn open(ports: &Ports, path: &str, headers: &str) -> Listener {
        let mut stream = TcpStream::connect(ports.admin).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").unwrap();
        let mut listener = Listener { lines: BufReader::new(stream), status: 0 };
        let first = listener.line();
        listener.status = first.split(' ').nth(1).unwrap().parse().unwrap();
        while !listener.line().is_empty() {}
        listener
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The id of the next event; `None`: the stream has ended.
    fn next(&mut self) -> Option<String> {
        let mut id = None;
        loop {
            let line = self.line();
            if let Some(found) = line.strip_prefix("id: ") {
                id = Some(found.to_owned());
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let data: serde_json::Value = serde_json::from_str(data).unwrap();
                assert_eq!(data, json!({"type": "refetchEvaluation", "etag": id}));
                return id;
            }
            // The last chunk of a body in chunks.
            if line == "0" {
                return None;
            }
        }
    }
}

fn at(revision: u64, policy: Policy, share: u16) -> Snapshot {
    Snapshot { revision, ..snapshot(policy, percent(share)) }
}

const PATH: &str = "/ofrep/v1/changes";

#[test]
fn it_speaks_on_connecting_and_when_a_share_or_a_flag_changes() {
    let ports = Ports::open(Vec::new());
    ports.shared.publish(at(2, policy(Vec::new()), 1000));
    let mut listener = Listener::open(&ports, PATH, "");
    assert_eq!(listener.status, 200);
    let first = listener.next().unwrap();
    // The same share again is no change: the event that follows is that of the next.
    ports.shared.publish(at(3, policy(Vec::new()), 1000));
    ports.shared.publish(at(4, policy(Vec::new()), 0));
    let second = listener.next().unwrap();
    assert_ne!(first, second);
    let mut renamed = policy(Vec::new());
    let flag = renamed.flags.remove("new-prompt").unwrap();
    renamed.flags.insert("newer-prompt".to_owned(), flag);
    ports.shared.publish(at(5, renamed, 0));
    let third = listener.next().unwrap();
    assert!(third != first && third != second);
    // What was there before has the id that it had.
    ports.shared.publish(at(6, policy(Vec::new()), 1000));
    assert_eq!(listener.next().as_ref(), Some(&first));
    assert_eq!(Listener::open(&ports, PATH, "").next(), Some(first));
}

#[test]
fn it_speaks_when_a_flag_ends() {
    let ports = Ports::open(Vec::new());
    let mut timed = policy(Vec::new());
    let until = UnixMillis(clock::unix().0 + 400);
    timed.flags.get_mut("new-prompt").unwrap().until = Some(until);
    ports.shared.publish(at(2, timed, 10_000));
    let value = || ports.post("/ofrep/v1/evaluate/flags/new-prompt", "{}").json()["value"].clone();
    let mut listener = Listener::open(&ports, PATH, "");
    let first = listener.next().unwrap();
    assert_ne!(listener.next().unwrap(), first);
    assert!(clock::unix() >= until);
    assert_eq!(value(), json!(false));
}

#[test]
fn a_ticket_opens_it_and_nothing_else() {
    let tokens = || vec![token("web", &[Role::Flags]), token("ops", &[Role::Rollback])];
    let ports = Ports::open(tokens());
    ports.shared.publish(at(2, policy(tokens()), 1000));
    let headers = [("content-type", "application/json"), ("authorization", "Bearer web-token")];
    let bulk = ports.send("POST", "/ofrep/v1/evaluate/flags", &headers, "{}").json();
    let stream = &bulk["eventStreams"][0];
    assert_eq!((&stream["type"], &stream["inactivityDelaySec"]), (&json!("sse"), &json!(120)));
    assert_eq!(stream["endpoint"].as_object().unwrap().keys().collect::<Vec<_>>(), ["requestUri"]);
    let path = stream["endpoint"]["requestUri"].as_str().unwrap();
    assert!(path.starts_with("/ofrep/v1/changes?ticket=") && !path.contains("web-token"), "{path}");
    let ticket = path.split_once('?').unwrap().1;

    let mut listener = Listener::open(&ports, path, "");
    assert_eq!(listener.status, 200);
    listener.next().unwrap();
    assert_eq!(Listener::open(&ports, PATH, "authorization: Bearer web-token\r\n").status, 200);
    assert_eq!(Listener::open(&ports, PATH, "").status, 401);
    assert_eq!(Listener::open(&ports, PATH, "authorization: Bearer ops-token\r\n").status, 403);
    assert_eq!(Listener::open(&ports, "/ofrep/v1/changes?ticket=no", "").status, 401);
    assert_eq!(Listener::open(&ports, &format!("/api/v1/status?{ticket}"), "").status, 401);
    let bulk = ports.send("POST", &format!("/ofrep/v1/evaluate/flags?{ticket}"), &headers[..1], "{}");
    assert_eq!(bulk.status, 401);
    assert_eq!(bulk.json()["errorCode"], json!("GENERAL"));

    // With the token its ticket ends, and so does the stream.
    ports.shared.publish(at(3, policy(vec![token("ops", &[Role::Rollback])]), 1000));
    assert_eq!(listener.next(), None);
}

#[test]
fn it_ends_when_the_process_drains() {
    let ports = Ports::open(Vec::new());
    let mut listener = Listener::open(&ports, PATH, "");
    listener.next().unwrap();
    let draining = || Snapshot { draining: true, ..at(2, policy(Vec::new()), 1000) };
    ports.shared.publish(draining());
    assert_eq!(listener.next(), None);
    assert_eq!(Listener::open(&ports, PATH, "").status, 503);
}
