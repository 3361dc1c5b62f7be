//! A canary that fails is taken back within seconds, and no user sees a failure.

use std::time::Duration;

use serin::clock;

use super::at_once;
use super::harness::Stage;
use super::provider::Manner;
use crate::support::eventually::{SOON, eventually};

/// From a provider's death to everybody's return.
const DEAD: Duration = Duration::from_secs(5);
/// The same of one that fails a fifth of its requests, or worse but without being dead.
const ILL: Duration = Duration::from_secs(30);

#[test]
fn a_canary_that_fails() {
    at_once(&[
        ("kill -9 of the canary", dead),
        ("a fifth fails", a_fifth),
        ("five times as slow", slow),
        ("on_regression: hold", hold),
        ("on_regression: step_back", step_back),
    ]);
}

fn dead(case: &'static str) {
    let mut stage = Stage::start(case, "");
    let killed = clock::instant();
    stage.canary.kill();
    let event = stage.guard_does("rollback", killed, DEAD);
    assert_eq!((&event["from"], &event["to"]), (&10.0.into(), &0.0.into()), "{event}");
    // The guard was first: what the breaker keeps away from the canary is nothing that the guard could judge.
    let asked = stage.attempts("newcorp");
    let status = stage.sidecar.status();
    let providers = status["providers"].as_array().unwrap();
    let canary = providers.iter().find(|provider| provider["name"] == "newcorp").unwrap();
    let diverted = canary["diverted"].as_u64().unwrap();
    let failures: u64 = event["numbers"]["canary_failures"].as_u64().unwrap();
    stage.say(&format!("{asked} attempts at the canary, {diverted} diverted by its breaker ({})", canary["breaker"]));
    assert!(failures >= 8, "too few failures to judge by: {event}");
    assert!(diverted < failures, "the breaker hid more than it showed: {canary} {event}");
    stage.traffic.wait_for(200);
    stage.nobody_noticed();
}

fn a_fifth(case: &'static str) {
    let mut stage = Stage::start(case, "");
    let began = clock::instant();
    stage.canary.set(&Manner::failing(20));
    let event = stage.guard_does("rollback", began, ILL);
    assert_eq!(event["numbers"]["rule"], "worse", "{event}");
    stage.nobody_noticed();
}

fn slow(case: &'static str) {
    let mut stage = Stage::start(case, "");
    // Much longer than what a busy machine adds to it.
    let usual = Manner { latency: Duration::from_millis(80), ..Manner::WELL };
    stage.set_both(&usual);
    // What is usual has to be learnt of more answers than those that brought users to the canary.
    stage.traffic.wait_for(1500);
    let began = clock::instant();
    stage.canary.set(&Manner { latency: 5 * usual.latency, ..Manner::WELL });
    let event = stage.guard_does("rollback", began, ILL);
    assert_eq!(event["numbers"]["rule"], "slower", "{event}");
    stage.nobody_noticed();
}

fn hold(case: &'static str) {
    let mut stage = Stage::start(case, "on_regression: hold");
    let began = clock::instant();
    stage.canary.set(&Manner::failing(50));
    stage.guard_does("hold", began, ILL);
    stage.traffic.wait_for(600);
    let chat = stage.sidecar.chat();
    assert_eq!((&chat["phase"], &chat["percent"]), (&"paused".into(), &10.0.into()), "{chat}");
    assert_eq!(stage.guard().len(), 1, "it is said once: {:?}", stage.guard());
    stage.nobody_noticed();
}

fn step_back(case: &'static str) {
    let mut stage = Stage::start(case, "on_regression: step_back");
    let answer = stage.sidecar.change("promote");
    // 202: in force, though a busy core has not said so in time.
    assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
    eventually("the second stage", SOON, || (stage.percent() >= 25.0).then_some(()));
    stage.traffic.wait_for(400);
    let began = clock::instant();
    stage.canary.set(&Manner::failing(50));
    let event = stage.guard_does("step_back", began, ILL);
    assert_eq!((&event["from"], &event["to"]), (&25.0.into(), &10.0.into()), "{event}");
    // There is no stage below the first.
    let event = stage.guard_does_as(1, "rollback", began, 2 * ILL);
    assert_eq!((&event["from"], &event["to"]), (&10.0.into(), &0.0.into()), "{event}");
    stage.nobody_noticed();
}
