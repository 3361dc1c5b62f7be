//! What a client may cost, as `limits` of flags.yaml says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::eventually::{SOON, eventually};
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;

const CHAT: &str = "/v1/chat/completions";

/// A sidecar with a rollout to the canary for everybody, and these limits.
fn limited(limits: &str) -> Harness {
    let corp = Scripted::healthy("corp");
    let url = corp.base_url();
    let flags = format!(
        "workers: 1\nlimits: {{ {limits} }}\nproviders:\n  old: {{ base_url: \"{url}\" }}\n  new: {{ base_url: \"{url}\" }}\n\
         rollouts:\n  - {{ name: chat, stable: old, canary: new, percent: 99.99%, pin_users: [ada], user: \"body:user\" }}\n"
    );
    Harness::start(&flags).keeping(corp)
}

#[test]
fn a_head_is_bounded_in_bytes() {
    let sidecar = limited("header_bytes: 4KiB");
    let filler = |size: usize| "x".repeat(size);
    assert_eq!(sidecar.client().post(CHAT, &[("x-a", &filler(2000))], "{}").unwrap().status, 200);
    assert_eq!(sidecar.client().post(CHAT, &[("x-a", &filler(8000))], "{}").unwrap().status, 431);
}

/// Waits until the sidecar closes; an error is a close, too.
fn closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}

#[test]
fn a_head_and_an_idle_connection_are_bounded_in_time() {
    let sidecar = limited("header_time: 300ms");
    let mut half = TcpStream::connect(sidecar.listen).unwrap();
    half.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-le").unwrap();
    assert!(closed(half));
    let sidecar = limited("idle: 300ms");
    let mut client = sidecar.client();
    assert_eq!(client.post(CHAT, &[], "{}").unwrap().status, 200);
    assert!(closed(client.raw().try_clone().unwrap()));
}

#[test]
fn beyond_connections_nobody_is_accepted_until_one_closes() {
    let sidecar = limited("connections: 2");
    let mut first = sidecar.client();
    let mut second = sidecar.client();
    assert_eq!(first.post(CHAT, &[], "{}").unwrap().status, 200);
    assert_eq!(second.post(CHAT, &[], "{}").unwrap().status, 200);
    let mut third = sidecar.client();
    third.raw().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(third.post(CHAT, &[], "{}").is_err(), "it waits, and is not answered");
    drop(first);
    third.raw().set_read_timeout(Some(SOON)).unwrap();
    let answer = third.receive_head().unwrap();
    assert_eq!(answer.status, 200, "what was sent before is served, not reset");
}

#[test]
fn a_body_beyond_replay_body_is_not_held_for_its_user() {
    let sidecar = limited("replay_body: 100KiB");
    let mut client = sidecar.client();
    let mut arm = |size: usize| {
        let body = format!(r#"{{"x":"{}","user":"ada"}}"#, "x".repeat(size));
        client.post(CHAT, &[], &body).unwrap().arm().to_owned()
    };
    assert_eq!(arm(90 << 10), "canary");
    assert_ne!(arm(200 << 10), "canary", "the body is not read, so its user is not known");
}

#[test]
fn bodies_beyond_replay_memory_are_not_held_either() {
    let sidecar = limited("replay_body: 3MiB, replay_memory: 3MiB");
    let body = format!(r#"{{"x":"{}","user":"ada"}}"#, "x".repeat(2 << 20));
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        5 << 19
    );
    let mut client = sidecar.client();
    // One that never ends takes most of the memory that there is. Where the second was read before it, it is the one
    // that found none, and another takes its place.
    let held = eventually("there is no memory for a second body", SOON, || {
        let mut held = sidecar.client();
        held.raw().write_all(head.as_bytes()).unwrap();
        held.raw().write_all(&body.as_bytes()[..body.len() - 1]).unwrap();
        (client.post(CHAT, &[], &body).unwrap().arm() != "canary").then_some(held)
    });
    drop(held);
    eventually("there is memory again", SOON, || {
        (client.post(CHAT, &[], &body).unwrap().arm() == "canary").then_some(())
    });
}
