//! When the time of a first output is reported to the guard, and how long a client waited for one.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use super::counting::{
    EXPOSED, FAILED, NEW, ONE_NOT_JUDGED, ONE_SUCCESS, ask, evidence, is_after_the_pause, pause, reported, some, times,
};
use super::support::*;
use crate::decide::policy::{Fallback, StreamMode};
use crate::decide::units::{Arm, Percent, ProviderId};
use crate::state::evidence::Evidence;
use crate::state::samples::SampleKind;

#[test]
fn the_time_is_reported_when_output_comes_and_not_before() {
    // While frames go out as they come, and while they are held.
    for recoverable in [false, true] {
        let (go, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let (sender, seen) = channel();
        let new = Scripted::new(move |mut client| {
            client.message();
            client.send(stream(&[ROLE]));
            sender.send(()).unwrap();
            let _ = wait.lock().unwrap().recv();
            client.send(format!("{:x}\r\n{WORD}\r\n", WORD.len()));
            let _ = wait.lock().unwrap().recv();
            client.send(format!("{:x}\r\n{STOP}\r\n{LAST}", STOP.len()));
        });
        let mut policy = policy(refusing_address(), new.address);
        if recoverable {
            with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
        }
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let evidence = evidence(&sidecar);
        let mut client = sidecar.client();
        client.send(ask(r#"{"stream":true}"#));
        got(&seen);
        if !recoverable {
            client.read_to("assistant");
        }
        pause();
        assert_eq!(reported(&evidence, Arm::Canary), []);
        go.send(()).unwrap();
        client.read_to("hi");
        let said = times(&reported(&evidence, Arm::Canary));
        assert!(matches!(said[..], [(true, after)] if is_after_the_pause(after)), "{said:?}");
        assert_eq!(sidecar.judged(Arm::Canary), EXPOSED);
        go.send(()).unwrap();
        client.read_to("0\r\n\r\n");
        sidecar.settle();
        assert_eq!((sidecar.judged(Arm::Canary), reported(&evidence, Arm::Canary)), (ONE_SUCCESS, vec![]));
    }
}

/// Both providers begin their answers alike and end them on a signal; the canary's are held, since stable could answer
/// for it and no other candidate for stable.
fn buffered(begin: String, end: String) -> (Sidecar, Sender<()>) {
    let (go, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let [old, new] = [(), ()].map(|()| {
        let (begin, end, wait) = (begin.clone(), end.clone(), Arc::clone(&wait));
        Scripted::new(move |mut client| {
            while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
                client.message();
                client.send(&begin);
                if wait.lock().unwrap().recv().is_err() {
                    return;
                }
                client.send(&end);
            }
        })
    });
    let mut policy = policy(old.address, new.address);
    with_rollout(&mut policy, |rollout| {
        rollout.stream_mode = StreamMode::Buffered;
        rollout.fallback = Fallback::List(vec![ProviderId(0)]);
    });
    (Sidecar::start(policy, Percent::ALL), go)
}

/// Waits for the time of the output, while the answer's end is still to come.
fn output_reported(evidence: &Evidence, arm: Arm) {
    let mut said = Vec::new();
    until("the time of the output is reported", || {
        said.extend(reported(evidence, arm));
        !said.is_empty()
    });
    assert!(matches!(said[..], [SampleKind::Output { .. }]), "{said:?}");
}

#[test]
fn the_time_of_an_answer_that_is_held_is_that_of_one_which_is_not() {
    let rest = format!("{:x}\r\n{STOP}\r\n{LAST}", STOP.len());
    // Events that can be read, and events that cannot: there any byte is output.
    let unread = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: x-own\r\n\
                  transfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
    for (begin, end) in [(stream(&[ROLE, WORD]), rest), (unread.to_owned(), LAST.to_owned())] {
        let (sidecar, go) = buffered(begin.clone(), end);
        for (arm, percent) in [(Arm::Canary, Percent::ALL), (Arm::Stable, some())] {
            sidecar.set_percent(percent);
            let evidence = evidence(&sidecar);
            let mut client = sidecar.client();
            client.send(ask(r#"{"stream":true}"#));
            output_reported(&evidence, arm);
            go.send(()).unwrap();
            assert_eq!(client.reply().status, 200);
            sidecar.settle();
            assert_eq!(reported(&evidence, arm), [], "{arm:?} {begin}");
        }
    }
}

#[test]
fn a_client_that_leaves_an_answer_that_is_held_has_not_waited_for_its_output() {
    let (sidecar, _go) = buffered(stream(&[ROLE, WORD]), String::new());
    let evidence = evidence(&sidecar);
    let mut client = sidecar.client();
    client.send(ask(r#"{"stream":true}"#));
    output_reported(&evidence, Arm::Canary);
    pause();
    drop(client);
    sidecar.settle();
    assert_eq!(reported(&evidence, Arm::Canary), []);
    assert_eq!(sidecar.judged(Arm::Canary), ONE_NOT_JUDGED);
}

#[test]
fn an_answer_that_is_held_and_breaks_off_has_its_time_reported_as_any_other() {
    let broken = stream(&[ROLE, WORD]) + &BREAK.to_string();
    let (new, _seen) = Scripted::in_turn([broken]);
    let (old, _seen_old) = Scripted::in_turn([stream(&[ROLE, WORD, STOP]) + LAST]);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.stream_mode = StreamMode::Buffered);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert!(sidecar.ask(&ask(r#"{"stream":true}"#)).text().contains("[DONE]"));
    sidecar.settle();
    let reported = reported(&evidence(&sidecar), Arm::Canary);
    assert!(matches!(reported[..], [SampleKind::Output { .. }, FAILED]), "{reported:?}");
}

#[test]
fn a_client_that_leaves_has_its_wait_for_output_reported() {
    for (came, waited) in [
        (String::new(), true),
        (stream(&[]), true),
        (stream(&[ROLE]), true),
        (stream(&[ROLE, WORD]), false),
        ("HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n".to_owned(), false),
    ] {
        let (sender, seen) = channel();
        let new = {
            let came = came.clone();
            Scripted::new(move |mut client| {
                client.message();
                client.send(&came);
                sender.send(()).unwrap();
                client.read_to_end();
            })
        };
        let sidecar = Sidecar::start(policy(refusing_address(), new.address), Percent::ALL);
        let mut client = sidecar.client();
        client.send(ask(r#"{"stream":true}"#));
        got(&seen);
        if came.contains("delta") {
            client.read_to("delta");
        }
        if !waited && came.contains("hi") {
            client.read_to("hi");
        }
        pause();
        drop(client);
        sidecar.settle();
        assert_eq!(sidecar.judged(Arm::Canary), ONE_NOT_JUDGED, "{came}");
        let said = times(&reported(&evidence(&sidecar), Arm::Canary));
        match &said[..] {
            [(false, after)] => assert!(waited && is_after_the_pause(*after), "{came}: {said:?}"),
            [(true, _)] => assert!(came.contains("hi"), "{came}"),
            none => assert!(none.is_empty() && !waited && !came.contains("hi"), "{came}: {said:?}"),
        }
    }
}

#[test]
fn a_retry_that_succeeds_is_one_success_and_its_time_is_that_of_both() {
    let (new, _seen) = Scripted::in_turn([json(429, "retry-after-ms: 60\r\n", "{}"), completion("at last")]);
    let mut policy = policy(refusing_address(), new.address);
    with_rollout(&mut policy, |rollout| rollout.retry.attempts = 2);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert!(sidecar.ask(&ask("{}")).text().contains("at last"));
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), ONE_SUCCESS);
    let said = times(&reported(&evidence(&sidecar), Arm::Canary));
    assert!(matches!(said[..], [(true, after)] if is_after_the_pause(after)), "{said:?}");
}

#[test]
fn a_client_that_leaves_between_two_attempts_leaves_a_failure_and_no_time() {
    let (new, _seen) = Scripted::in_turn([json(429, "retry-after: 2\r\n", "{}")]);
    let sidecar = Sidecar::start(policy(refusing_address(), new.address), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    until("the failure is accounted for", || !sidecar.attempts(Arm::Canary, NEW).is_empty());
    drop(client);
    sidecar.settle();
    assert_eq!(reported(&evidence(&sidecar), Arm::Canary), [FAILED]);
}
