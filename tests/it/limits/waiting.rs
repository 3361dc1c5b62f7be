//! Requests that wait for their turn: in their order, shown, and ended at once by a rollback.

use std::thread::ScopedJoinHandle;

use serde_json::json;

use super::{ask, canary, expect_evidence, expect_turned, limited};
use crate::support::client::Answer;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::scripted::step::{CHUNKED, LAST_CHUNK, Step, StepSender, head, step_queue};

const ONE_AT_A_TIME: &str = "in_flight: 1, when_full: wait, wait: 10m";
const COMPLETION: &[u8] = br#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#;

/// A canary that answers so many requests, each when the test says so.
fn held(requests: usize) -> (Scripted, Vec<StepSender>) {
    let canary = Scripted::healthy("newcorp");
    let (senders, steps): (Vec<_>, Vec<_>) = (0..requests).map(|_| step_queue()).unzip();
    let answer = head(200, &format!("content-type: application/json\r\n{CHUNKED}\r\n")).into_bytes();
    canary.queue(
        steps.into_iter().map(move |step| vec![Step::Write(answer.clone()), step, Step::Write(LAST_CHUNK.to_vec())]),
    );
    (canary, senders)
}

fn finish(sender: &StepSender) {
    sender.say(Some(COMPLETION));
    sender.say(None);
}

/// Waits until the status says that so many wait.
fn expect_waiting(sidecar: &Harness, waiting: u64) {
    let limit = || canary(sidecar)["rate_limit"].clone();
    eventually("they wait", SOON, || (limit()["waiting"] == waiting).then_some(()));
    assert_eq!(limit()["in_flight"], 1);
}

#[test]
fn one_after_the_other_is_sent_and_those_who_wait_are_told() {
    let (stable, (canary, senders)) = (Scripted::healthy("oldcorp"), held(2));
    let sidecar = limited(ONE_AT_A_TIME, &stable, &canary);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&sidecar, &[]));
        eventually("the first arrives", SOON, || (canary.count() == 1).then_some(()));
        let second = scope.spawn(|| ask(&sidecar, &[]));
        expect_waiting(&sidecar, 1);
        let shown = sidecar.workspace().run(&["status"]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("limit      of newcorp: 1 of 1 in flight, 1 waiting\n"), "{shown}");
        assert_eq!(canary.count(), 1, "one at a time");
        finish(&senders[0]);
        eventually("the second arrives", SOON, || (canary.count() == 2).then_some(()));
        finish(&senders[1]);
        let done = |one: ScopedJoinHandle<'_, Answer>| one.join().unwrap().header("x-serin-provider").to_owned();
        assert_eq!([done(first), done(second)], ["newcorp", "newcorp"]);
    });
    expect_turned(&sidecar, "in_flight", "waited", 1);
    expect_evidence(&sidecar, 2);
    let limit = &super::canary(&sidecar)["rate_limit"];
    assert_eq!((&limit["in_flight"], &limit["waiting"], stable.count()), (&json!(0), &json!(0), 0));
}

#[test]
fn a_rollback_ends_the_wait_at_once() {
    let (stable, (canary, senders)) = (Scripted::healthy("oldcorp"), held(1));
    let sidecar = limited(ONE_AT_A_TIME, &stable, &canary);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&sidecar, &[]));
        eventually("the first arrives", SOON, || (canary.count() == 1).then_some(()));
        let second = scope.spawn(|| ask(&sidecar, &[]));
        expect_waiting(&sidecar, 1);
        assert_eq!(sidecar.change("rollback").status, 200);
        let moved = second.join().unwrap();
        assert_eq!((moved.status, moved.header("x-serin-provider")), (200, "oldcorp"));
        finish(&senders[0]);
        assert_eq!(first.join().unwrap().header("x-serin-provider"), "newcorp");
    });
}
