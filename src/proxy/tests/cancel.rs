//! Clients that leave, providers that break off: who hears of it, and what it is counted as.

use std::sync::mpsc::{Receiver, channel};

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Percent};

/// Sends `answer` to the first request, and says when its connection has ended.
fn until_cancelled(answer: &'static str) -> (Scripted, Receiver<&'static str>) {
    let (sender, receiver) = channel();
    let provider = Scripted::new(move |mut client| {
        client.read_to("\r\n\r\n");
        client.send(answer);
        sender.send("begun").unwrap();
        client.read_to_end();
        sender.send("cancelled").unwrap();
    });
    (provider, receiver)
}

#[test]
fn a_client_that_leaves_cancels_its_request_at_the_provider() {
    for (answer, expected) in [
        ("", ""),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", "half"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "half"),
    ] {
        let (old, events) = until_cancelled(answer);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        let mut client = sidecar.client();
        client.send(post("/v1/chat/completions", "", "{}"));
        assert_eq!(got(&events), "begun");
        if !expected.is_empty() {
            client.read_to(expected);
        }
        drop(client);
        assert_eq!(got(&events), "cancelled", "{answer}");
        sidecar.until_ended(Arm::Stable, Outcome::ClientGone, 1);
        assert_eq!(sidecar.running.open_requests(), 0);
    }
}

#[test]
fn a_client_that_leaves_while_it_uploads_cancels_too() {
    let (old, events) = until_cancelled("");
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send("POST /v1/files HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf");
    assert_eq!(got(&events), "begun");
    drop(client);
    assert_eq!(got(&events), "cancelled");
    until("it is accounted for", || sidecar.unsplit_ended(Outcome::ClientGone) == 1);
    // One that is still being read whole was never dispatched.
    let mut client = sidecar.client();
    client.send(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    until("it is being served", || sidecar.running.open_requests() == 1);
    drop(client);
    until("it is given up", || sidecar.running.open_requests() == 0);
    assert_eq!(sidecar.shared.load().rollouts[0].series.own(Arm::Stable).dispatched().0, 0);
}

#[test]
fn a_stream_arrives_event_by_event_while_the_provider_holds_it_open() {
    let (proceed, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let old = Scripted::new(move |mut client| {
        client.message();
        client.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        for event in [chunk(WORD), chunk(STOP), LAST.to_owned()] {
            client.send(event);
            wait.lock().unwrap().recv().unwrap();
        }
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(post("/v1/chat/completions", "", r#"{"stream":true}"#));
    client.read_to("\r\n\r\n");
    assert!(client.read_to("\n\n\r\n").ends_with(&format!("{WORD}\r\n")));
    proceed.send(()).unwrap();
    assert!(client.read_to("[DONE]\n\n\r\n").ends_with(&format!("{STOP}\r\n")));
    assert_eq!(sidecar.running.open_requests(), 1);
    proceed.send(()).unwrap();
    assert_eq!(client.read_to("\r\n\r\n"), "0\r\n\r\n");
    sidecar.until_ended(Arm::Stable, Outcome::Ok, 1);
    proceed.send(()).unwrap();
}

#[test]
fn an_answer_that_breaks_off_is_never_completed() {
    for (answer, framing) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", "content-length: 100\r\n"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "transfer-encoding: chunked\r\n"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", "transfer-encoding: chunked\r\n"),
    ] {
        let old = Scripted::new(move |mut client| {
            client.message();
            client.send(answer);
        });
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        let mut client = sidecar.client();
        client.send(post("/v1/chat/completions", "", "{}"));
        let all = String::from_utf8(client.read_to_end()).unwrap();
        assert!(all.contains(framing), "{all}");
        assert!(!body_of(&all).contains("0\r\n\r\n"), "{all}");
        sidecar.until_ended(Arm::Stable, Outcome::Truncated, 1);
    }
}

#[test]
fn silence_before_the_head_and_within_the_body_has_its_own_outcome() {
    let silent = |answer: &'static str, change: fn(&mut crate::decide::policy::Timeouts)| {
        let (old, events) = until_cancelled(answer);
        let mut policy = policy(old.address, refusing_address());
        with_provider(&mut policy, 0, |provider| change(&mut provider.timeouts));
        let sidecar = Sidecar::start(policy, Percent::ZERO);
        let mut client = sidecar.client();
        client.send(post("/v1/chat/completions", "", "{}"));
        (sidecar, client, events)
    };
    let (sidecar, mut client, _events) = silent("", |timeouts| timeouts.headers.0 = 50);
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (504, Some("timeout")));
    assert!(reply.text().contains("raise its `timeouts`"), "{}", reply.text());
    sidecar.until_ended(Arm::Stable, Outcome::Timeout, 1);
    let (sidecar, mut client, _events) =
        silent("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", |timeouts| timeouts.first_output.0 = 50);
    client.read_to_end();
    sidecar.until_ended(Arm::Stable, Outcome::Timeout, 1);
    let (sidecar, mut client, _events) =
        silent("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", |timeouts| timeouts.idle.0 = 50);
    client.read_to_end();
    sidecar.until_ended(Arm::Stable, Outcome::Stalled, 1);
}

#[test]
fn statuses_are_relayed_and_counted_as_what_they_are() {
    for (status, outcome) in [
        (500, Outcome::ServerError),
        (529, Outcome::ServerError),
        (429, Outcome::Throttled),
        (401, Outcome::ClientError),
        (400, Outcome::ClientError),
    ] {
        let answer = format!("HTTP/1.1 {status} X\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{{}}");
        let (old, _seen) = Scripted::answering(answer.leak());
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        let reply = sidecar.ask(&post("/v1/chat/completions", "", "{}"));
        assert_eq!((reply.status, reply.header("retry-after").as_deref()), (status, Some("7")));
        assert_eq!(reply.header("x-serin-error"), None);
        sidecar.until_ended(Arm::Stable, outcome, 1);
    }
}
