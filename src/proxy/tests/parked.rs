//! Idle connections do without their parser, and nobody notices.

use std::io::Write as _;
use std::net::Shutdown;
use std::sync::mpsc::channel;

use super::support::*;
use crate::decide::units::{Millis, Percent};

const MODELS: &str = "GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n";

fn until_parked(sidecar: &Sidecar, count: u32) {
    until("idle connections are parked", || sidecar.running.parked() == count);
}

/// A chat that is answered whole.
fn chat(client: &mut Client, user: usize) {
    client.send(post("/v1/chat/completions", &format!("x-user-id: u{user}\r\n"), "{}"));
    let reply = client.reply();
    assert_eq!((reply.status, reply.text()), (200, body_of(OK)));
}

#[test]
fn a_parked_connection_serves_its_next_requests() {
    let (old, _seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    for user in 0..3 {
        chat(&mut client, user);
        until_parked(&sidecar, 1);
    }
    // Several at once, the last of them in two pieces.
    let two = format!("{MODELS}{MODELS}GET /v1/mod");
    client.send(two);
    assert_eq!([client.reply().status, client.reply().status], [200, 200]);
    client.send("els HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(client.reply().status, 200);
    assert_eq!(sidecar.running.connections(), 1);
}

#[test]
fn nothing_is_parked_but_what_is_between_two_requests() {
    let (proceed, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let old = Scripted::new(move |mut client| {
        loop {
            client.message();
            if wait.lock().unwrap().recv().is_err() {
                return;
            }
            client.send(OK);
        }
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let (mut silent, mut halfway, mut waiting, mut body) =
        (sidecar.client(), sidecar.client(), sidecar.client(), sidecar.client());
    // Each of these has a request behind it, but for the one that never sent any.
    for client in [&mut halfway, &mut waiting, &mut body] {
        client.send(post("/v1/chat/completions", "", "{}"));
        proceed.send(()).unwrap();
        assert_eq!(client.reply().status, 200);
    }
    halfway.send("GET /v1/models HTTP/1.1\r\nho");
    waiting.send(MODELS);
    body.send("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 20\r\n\r\n{\"model\":");
    let mut idle = sidecar.client();
    idle.send("GET /nowhere HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(idle.reply().status, 404);
    // By the time that this one is parked, the sweep has seen the others as well.
    until_parked(&sidecar, 1);
    until_parked(&sidecar, 1);
    halfway.send("st: h\r\n\r\n");
    body.send("\"m\"        ");
    body.send("}");
    silent.send(MODELS);
    for _ in 0..4 {
        proceed.send(()).unwrap();
    }
    for client in [&mut halfway, &mut waiting, &mut body, &mut silent] {
        assert_eq!(client.reply().status, 200);
    }
}

#[test]
fn a_connection_on_which_a_body_is_still_to_come_keeps_its_parser() {
    let refusal = json(413, "", r#"{"error":{"message":"too large","type":"invalid_request_error"}}"#);
    let (sender, seen) = channel();
    let old = Scripted::new(move |mut provider| {
        // It answers before the body has come, and reads on.
        while provider.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let _ = sender.send(provider.read_to("\r\n\r\n"));
            provider.send(&refusal);
            provider.read_to_end();
        }
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let smuggled = "GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut early = sidecar.client();
    let length = "begin".len() + 100_000 + smuggled.len();
    early.send(format!("POST /v1/files HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\nbegin"));
    assert_eq!(early.reply().status, 413);
    // By the time that this one is parked, the sweep has seen the other one as well, and once more.
    for _ in 0..2 {
        let mut idle = sidecar.client();
        idle.send("GET /nowhere HTTP/1.1\r\nhost: h\r\n\r\n");
        assert_eq!(idle.reply().status, 404);
        until_parked(&sidecar, 1);
        drop(idle);
        until_parked(&sidecar, 0);
    }
    // Serin may have closed the connection, which is as good.
    let _ = early.stream.write_all(format!("{smuggled}{}", "x".repeat(100_000)).as_bytes());
    drop(early);
    until("all are gone", || sidecar.running.connections() == 0);
    assert!(got(&seen).starts_with("POST /v1/files "));
    assert!(seen.try_recv().is_err(), "the body was read as a request");
}

#[test]
fn a_parked_client_that_leaves_is_gone() {
    let (old, _seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut clients: Vec<Client> = (0..3).map(|_| sidecar.client()).collect();
    clients.iter_mut().enumerate().for_each(|(user, client)| chat(client, user));
    until_parked(&sidecar, 3);
    clients[0].stream.shutdown(Shutdown::Write).unwrap();
    drop(clients.remove(1));
    until("they are gone", || sidecar.running.connections() == 1);
    assert_eq!(sidecar.running.parked(), 1);
    assert_eq!(clients[0].read_to_end(), b"");
}

#[test]
fn a_parked_connection_is_closed_after_its_time_and_by_a_drain() {
    let (old, _seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    chat(&mut client, 1);
    until_parked(&sidecar, 1);
    sidecar.reload(|policy| policy.limits.idle = Millis(300));
    assert_eq!(client.read_to_end(), b"");
    until("it is gone", || sidecar.running.connections() == 0);
    assert_eq!(sidecar.running.parked(), 0);
    sidecar.reload(|policy| policy.limits.idle = Millis(600_000));
    let mut client = sidecar.client();
    chat(&mut client, 2);
    until_parked(&sidecar, 1);
    let Sidecar { running, .. } = sidecar;
    let drained = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(running.drain(Millis(10_000)))
    });
    assert_eq!(client.read_to_end(), b"");
    assert_eq!(drained.join().unwrap(), 0);
}

#[test]
fn parked_connections_make_room() {
    let (old, _seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, refusing_address());
    policy.limits.connections = 2;
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let mut parked: Vec<Client> = (0..2).map(|_| sidecar.client()).collect();
    parked.iter_mut().enumerate().for_each(|(user, client)| chat(client, user));
    until_parked(&sidecar, 2);
    let mut newcomer = sidecar.client();
    chat(&mut newcomer, 9);
    // Which one it is, the sweep decides: both have been idle since it last looked.
    let has_left = |client: &Client| {
        client.stream.set_nonblocking(true).unwrap();
        let left = matches!(client.stream.peek(&mut [0]), Ok(0));
        client.stream.set_nonblocking(false).unwrap();
        left
    };
    until("one has made room", || parked.iter().any(has_left));
    let mut staying = parked.into_iter().filter(|client| !has_left(client));
    chat(&mut staying.next().unwrap(), 10);
    assert!(staying.next().is_none());
}

#[test]
fn a_parked_connection_over_tls_goes_on() {
    let (old, _seen) = Scripted::answering(OK);
    let tls = listen_tls();
    let config = trusting(shown(&tls), &["http/1.1"]);
    let policy = crate::decide::policy::Policy { listen_tls: Some(tls), ..policy(old.address, refusing_address()) };
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let mut client = SecureClient::secure(sidecar.tls.unwrap(), &config);
    for _ in 0..3 {
        client.send(post("/v1/chat/completions", "", "{}"));
        assert_eq!(client.reply().status, 200);
        until_parked(&sidecar, 1);
    }
}
