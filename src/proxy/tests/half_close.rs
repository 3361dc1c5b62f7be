//! Clients that close their side of a connection while they wait: some have left, and some read on.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Percent, ProviderId};
use crate::state::ambiguous_closes::AmbiguousCloseReason;

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

/// Those that could not be asked, by why not.
fn unasked(sidecar: &Sidecar) -> Vec<(AmbiguousCloseReason, u64)> {
    let counts = sidecar.shared.ambiguous_closes.counts();
    AmbiguousCloseReason::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
}

/// A provider that begins an answer where it is asked to, and never ends one. It tells when a request has come, and
/// when it was given up.
fn unending() -> (Scripted, Receiver<()>) {
    let (sender, events) = channel::<()>();
    let scripted = Scripted::new(move |mut client| {
        let begins = client.message().text().contains("begin");
        let _ = sender.send(());
        if begins {
            client.send(stream(&[WORD]));
        }
        client.read_to_end();
        let _ = sender.send(());
    });
    (scripted, events)
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
        assert_eq!(unasked(&sidecar), []);
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
        assert_eq!(unasked(&sidecar), []);
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
        assert_eq!(unasked(&sidecar), [], "later: {later}");
    }
}

#[test]
fn where_it_cannot_be_asked_it_has_left_and_is_counted_once() {
    let (old, events) = unending();
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let old_client = post("/v1/chat/completions", "", "{}").replace("HTTP/1.1", "HTTP/1.0");
    let begun = post("/v1/chat/completions", "", r#"{"stream":true,"say":"begin"}"#);
    // What no rollout takes is passed on as it comes.
    let passed_on = post("/v1/moderations", "", "{}");
    let mut counted = Vec::new();
    for (request, reads, why) in [
        (old_client, None, AmbiguousCloseReason::Http10),
        (passed_on, None, AmbiguousCloseReason::Body),
        (begun, Some(WORD), AmbiguousCloseReason::Answer),
    ] {
        let mut client = sidecar.client();
        client.send(request);
        got(&events);
        if let Some(text) = reads {
            client.read_to(text);
        }
        client.stream.shutdown(Shutdown::Write).unwrap();
        got(&events);
        assert!(!String::from_utf8_lossy(&client.read_to_end()).contains("100 Continue"));
        sidecar.settle();
        counted.push((why, 1));
        assert_eq!(unasked(&sidecar), counted);
    }
}

#[test]
fn one_that_was_told_to_go_on_with_its_body_is_known_by_its_body() {
    let (old, events) = unending();
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(post("/v1/moderations", "expect: 100-continue\r\n", "{}"));
    got(&events);
    client.stream.shutdown(Shutdown::Write).unwrap();
    got(&events);
    client.read_to_end();
    sidecar.settle();
    assert_eq!(unasked(&sidecar), [(AmbiguousCloseReason::Body, 1)]);
}

#[test]
fn one_that_asked_to_go_on_and_did_at_once_gets_its_answer() {
    let (old, _seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    for _ in 0..20 {
        let mut client = sidecar.client();
        client.send(post("/v1/chat/completions", "expect: 100-continue\r\n", "{}"));
        client.stream.shutdown(Shutdown::Write).unwrap();
        client.read_to(body_of(OK));
    }
    sidecar.settle();
    assert_eq!(unasked(&sidecar), []);
}

#[test]
fn what_tells_that_it_has_left_is_not_counted() {
    let (old, events) = unending();
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    // Within its request, which now never comes whole.
    let mut client = sidecar.client();
    client.send(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(!String::from_utf8_lossy(&client.read_to_end()).contains("100 Continue"));
    // The same, when it was told to go on with its body.
    let mut client = sidecar.client();
    client.send(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\
         expect: 100-continue\r\n\r\n",
    );
    client.read_to(INTERIM);
    client.send("{");
    client.stream.shutdown(Shutdown::Write).unwrap();
    client.read_to_end();
    // By a reset, whatever it waits for.
    let whole = post("/v1/chat/completions", "", "{}");
    let begun = post("/v1/chat/completions", "", r#"{"stream":true,"say":"begin"}"#);
    let requests = [whole.clone(), whole.replace("HTTP/1.1", "HTTP/1.0"), post("/v1/moderations", "", "{}"), begun];
    for request in requests {
        let mut client = sidecar.client();
        client.send(&request);
        got(&events);
        if request.contains("begin") {
            client.read_to(WORD);
        }
        socket2::SockRef::from(&client.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        got(&events);
    }
    sidecar.settle();
    assert_eq!(unasked(&sidecar), []);
}

#[test]
fn one_that_has_its_answer_may_close_as_it_likes() {
    let streamed = stream(&[ROLE, WORD, STOP]) + LAST;
    for (answer, version, end) in
        [(OK, "HTTP/1.1", body_of(OK)), (OK, "HTTP/1.0", body_of(OK)), (&*streamed, "HTTP/1.1", LAST)]
    {
        let (old, _seen) = Scripted::answering(answer);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        for _ in 0..20 {
            let mut client = sidecar.client();
            client.send(post("/v1/chat/completions", "", "{}").replace("HTTP/1.1", version));
            client.read_to(end);
            client.stream.shutdown(Shutdown::Write).unwrap();
            client.read_to_end();
        }
        sidecar.settle();
        assert_eq!(unasked(&sidecar), []);
    }
}
