//! Event streams over real sockets: what is pushed, to how many, and how they end.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use super::ports::event;
use super::*;
use crate::admin::sse::STREAMS;
use crate::state::status::Status;

/// A stream, read event by event. HTTP/1.0, so that nothing but the events is in its body.
struct Listener<S: Read>(BufReader<S>);

impl<S: Read + Write> Listener<S> {
    fn ask(mut stream: S) -> (String, Listener<S>) {
        stream.write_all(b"GET /api/v1/events HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "no head: {head}");
        }
        (head, Listener(reader))
    }

    fn open(stream: S) -> Listener<S> {
        let (head, listener) = Listener::ask(stream);
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
        listener
    }

    /// The next event and its data; `None`: the stream has ended.
    fn next(&mut self) -> Option<(String, Value)> {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => data += value,
                _ if !name.is_empty() => return Some((name, serde_json::from_str(&data).unwrap())),
                _ => {}
            }
        }
    }

    /// The next status that says this.
    fn status(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.next().expect("the stream goes on") {
                (name, status) if name == "status" && fits(&status) => return status,
                _ => {}
            }
        }
    }
}

fn tcp(ports: &Ports) -> TcpStream {
    let stream = TcpStream::connect(ports.admin).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Publishes the status with another generation.
fn publish(ports: &Ports, generation: u64) {
    let mut status = Status::clone(&ports.status.load());
    status.flags.generation = generation;
    ports.status.store(Arc::new(status));
}

#[test]
fn the_status_and_what_happens_are_pushed() {
    let ports = Ports::open(Vec::new());
    let mut listener = Listener::open(tcp(&ports));
    let (name, first) = listener.next().unwrap();
    assert_eq!((name.as_str(), &first), ("status", &ports.get("/api/v1/status").json()));
    ports.shared.history.send(&event(Some("chat".into()), 7));
    let (name, entry) = listener.next().unwrap();
    assert_eq!(
        (name.as_str(), &entry["action"], &entry["numbers"]["limit"]),
        ("history", &json!("rollback"), &json!(7))
    );
    assert_eq!(entry, ports.get("/api/v1/history?rollout=chat&limit=7").json()["events"][0]);
    publish(&ports, 77);
    let (name, changed) = listener.next().unwrap();
    assert_eq!((name.as_str(), &changed["flags"]["generation"]), ("status", &json!(77)), "and nothing in between");
}

#[test]
fn streams_end_when_the_process_begins_to_stop() {
    let ports = Ports::open(Vec::new());
    let mut listener = Listener::open(tcp(&ports));
    listener.next().unwrap();
    ports.draining.store(true, Ordering::Relaxed);
    let (_, last) = listener.next().unwrap();
    assert_eq!(last["process"]["draining"], json!(true));
    assert_eq!(listener.next(), None);
    let refused = ports.get("/api/v1/events");
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "draining"));
    assert_eq!(ports.get("/api/v1/status").status, 200, "everything else goes on");
}

#[test]
fn as_many_streams_as_there_may_be_leave_room_for_everything_else() {
    let ports = Ports::open(Vec::new());
    let mut listeners: Vec<_> = (0..STREAMS).map(|_| Listener::open(tcp(&ports))).collect();
    let refused = ports.get("/api/v1/events");
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "too_many_streams"));
    assert_eq!(ports.get("/api/v1/status").status, 200);
    assert_eq!(ports.post("/api/v1/rollouts/chat/rollback", "").status, 200);
    assert_eq!(exchange(UnixStream::connect(&ports.socket).unwrap(), "GET", "/metrics", &[], "").status, 200);
    listeners.pop();
    // Its place is free once the end of its connection is seen.
    let again = (0..1000).find_map(|_| {
        let (head, listener) = Listener::ask(tcp(&ports));
        head.starts_with("HTTP/1.0 200").then_some(listener)
    });
    assert!(again.is_some());
    publish(&ports, 78);
    for listener in &mut listeners {
        listener.status(|status| status["flags"]["generation"] == 78);
    }
}

#[test]
fn a_slow_listener_gets_the_newest_status_and_makes_nothing_grow() {
    let ports = Ports::open(Vec::new());
    let mut slow = Listener::open(UnixStream::connect(&ports.socket).unwrap());
    slow.0.get_ref().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut prompt = Listener::open(tcp(&ports));
    let sent = 5000;
    for number in 1..=sent {
        ports.shared.history.send(&event(Some("chat".into()), number));
        // The prompt one takes each before the next is sent.
        while prompt.next().unwrap().0 != "history" {}
    }
    publish(&ports, 79);
    prompt.status(|status| status["flags"]["generation"] == 79);
    let (mut entries, mut missed) = (0, 0);
    loop {
        let (name, data) = slow.next().unwrap();
        match name.as_str() {
            "history" => entries += 1,
            "missed" => missed += data["history"].as_u64().unwrap(),
            _ if data["flags"]["generation"] == 79 => break,
            _ => {}
        }
    }
    assert!(missed > 0 && entries > 0, "{entries} entries, {missed} missed");
    assert_eq!(entries + missed, u64::from(sent), "each was sent, or said to be missed");
}

#[test]
fn listening_takes_the_role_read() {
    let ports = Ports::open(vec![token("flags", &[Role::Flags]), token("reader", &[Role::Read])]);
    let with = |token: &str| {
        let bearer = format!("Bearer {token}");
        let mut stream = tcp(&ports);
        let ask = format!("GET /api/v1/events HTTP/1.0\r\nhost: localhost\r\nauthorization: {bearer}\r\n\r\n");
        stream.write_all(ask.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(["flags-token", "reader-token", "other"].map(with), ["403", "200", "401"]);
}
