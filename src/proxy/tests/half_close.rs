//! Clients that close their side of a connection while they wait: some have left, and some read on.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Percent, ProviderId};

const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// A provider that answers on a signal, or sees its request given up.
fn on_demand(answer: String) -> (Scripted, std::sync::mpsc::Sender<()>) {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let scripted = Scripted::new(move |mut client| {
        client.message();
        let _ = wait.lock().unwrap().recv();
        client.send(&answer);
    });
    (scripted, go)
}

fn in_flight(sidecar: &Sidecar) -> u64 {
    sidecar.shared.load().rollouts[0].series.own(Arm::Stable).in_flight()
}

#[test]
fn one_that_reads_on_gets_its_answer() {
    let streamed = stream(&[ROLE, WORD, STOP]) + LAST;
    for (answer, ask, end) in [(OK.to_owned(), "{}", body_of(OK)), (streamed, r#"{"stream":true}"#, LAST)] {
        let (old, go) = on_demand(answer);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        let mut client = sidecar.client();
        client.send(post("/v1/chat/completions", "", ask));
        until("it is dispatched", || in_flight(&sidecar) == 1);
        client.stream.shutdown(Shutdown::Write).unwrap();
        client.read_to(INTERIM);
        go.send(()).unwrap();
        assert!(client.read_to(end).starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(client.read_to_end().is_empty(), "the connection is of no more use");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, ProviderId(0)), [(Outcome::Ok, 1)]);
    }
}

#[test]
fn one_whose_end_comes_with_its_request_gets_its_answer_too() {
    let streamed = stream(&[ROLE, WORD, STOP]) + LAST;
    for (answer, ask, end) in [(OK.to_owned(), "{}", body_of(OK)), (streamed, r#"{"stream":true}"#, LAST)] {
        let (old, _seen) = Scripted::answering(answer);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        for _ in 0..20 {
            let mut client = sidecar.client();
            client.send(post("/v1/chat/completions", "", ask));
            client.stream.shutdown(Shutdown::Write).unwrap();
            client.read_to(end);
        }
    }
}

#[test]
fn one_that_has_left_is_not_waited_for_whether_at_once_or_later() {
    for later in [false, true] {
        let (given_up, seen) = channel::<()>();
        let old = Scripted::new(move |mut client| {
            client.message();
            client.read_to_end();
            given_up.send(()).unwrap();
        });
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        let mut client = sidecar.client();
        client.send(post("/v1/chat/completions", "", "{}"));
        until("it is dispatched", || in_flight(&sidecar) == 1);
        if later {
            // As a proxy between does: it takes what comes, and closes without a word.
            client.stream.shutdown(Shutdown::Write).unwrap();
            client.read_to(INTERIM);
        }
        drop(client);
        got(&seen);
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, ProviderId(0)), [(Outcome::ClientGone, 1)], "later: {later}");
    }
}

#[test]
fn where_it_cannot_be_asked_it_has_left() {
    let (given_up, seen) = channel::<()>();
    let old = Scripted::new(move |mut client| {
        if client.message().text().contains("begin") {
            client.send(stream(&[WORD]));
        }
        client.read_to_end();
        given_up.send(()).unwrap();
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    // An HTTP/1.0 client knows no interim answers; and within an answer there is no place for one.
    let old_client = post("/v1/chat/completions", "", "{}").replace("HTTP/1.1", "HTTP/1.0");
    let begun = post("/v1/chat/completions", "", r#"{"stream":true,"say":"begin"}"#);
    for (request, reads) in [(old_client, None), (begun, Some(WORD))] {
        let mut client = sidecar.client();
        client.send(request);
        until("it is dispatched", || in_flight(&sidecar) == 1);
        if let Some(text) = reads {
            client.read_to(text);
        }
        client.stream.shutdown(Shutdown::Write).unwrap();
        got(&seen);
        assert!(!String::from_utf8_lossy(&client.read_to_end()).contains("100 Continue"));
        until("it is over", || in_flight(&sidecar) == 0);
    }
    // Nor is one within its request.
    let mut client = sidecar.client();
    client.send(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(!String::from_utf8_lossy(&client.read_to_end()).contains("100 Continue"));
}
