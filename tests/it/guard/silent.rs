//! A canary that accepts requests and never answers is taken back, and whoever waits there is answered by stable.

use std::time::Duration;

use serin::clock;

use super::at_once;
use super::harness::Stage;
use super::provider::Manner;
use crate::support::eventually::eventually;
use crate::support::harness::series;

/// Requests a second, and how many can wait at one time.
const RATE: u32 = 20;
const AT_ONCE: usize = 240;
/// A quarter of the users is on the canary.
const QUARTER: &str = "ramp: { start: 25% }";
/// From the first request without an answer to everybody's return.
const FOUND: Duration = Duration::from_secs(25);
/// From then on to the last answer of those who waited.
const ANSWERED: Duration = Duration::from_secs(5);
/// Longer than any test.
const NEVER: Manner = Manner { latency: Duration::from_secs(3600), ..Manner::WELL };

#[test]
fn a_canary_that_never_answers() {
    at_once(&[("silent", silent), ("silent, and held", held), ("both silent", both), ("stable silent", swapped)]);
}

fn start(case: &'static str, keys: &str) -> Stage {
    Stage::start_at(case, &format!("{QUARTER}{keys}"), RATE, AT_ONCE)
}

/// Attempts at the canary that timed out.
fn timeouts(stage: &Stage) -> u64 {
    let metrics = stage.sidecar.metrics();
    let attempts = series(&metrics, "serin_attempts_total");
    let of = |labels: &serde_json::Value| labels["provider"] == "newcorp" && labels["outcome"] == "timeout";
    attempts.iter().filter(|(labels, _)| of(&serde_json::json!(labels))).map(|(_, count)| count).sum()
}

fn silent(case: &'static str) {
    let mut stage = start(case, "");
    let began = clock::instant();
    stage.canary.set(&NEVER);
    let event = stage.guard_does("rollback", began, FOUND);
    assert_eq!(event["numbers"]["rule"], "silent", "{event}");
    assert!(event["reason"].as_str().unwrap().contains("have had no output for"), "{event}");
    assert_eq!((&event["from"], &event["to"]), (&25.0.into(), &0.0.into()), "{event}");
    let since = clock::instant();
    let waiting = stage.traffic.everybody_is_answered(ANSWERED);
    stage.say(&format!("{waiting} waited and were answered {:.1} s later", since.elapsed().as_secs_f64()));
    let timeouts = timeouts(&stage);
    assert!(timeouts >= 8, "{timeouts} timeouts of the canary, {waiting} waited");
    stage.traffic.wait_for(40);
    stage.nobody_noticed();
}

fn held(case: &'static str) {
    let mut stage = start(case, ", on_regression: hold");
    let began = clock::instant();
    stage.canary.set(&NEVER);
    let event = stage.guard_does("hold", began, FOUND);
    assert_eq!(event["numbers"]["rule"], "silent", "{event}");
    stage.traffic.everybody_is_answered(ANSWERED);
    // Whoever comes later waits as long as it takes to be sure, and no longer.
    stage.traffic.wait_for(200);
    let long_ago = clock::instant().checked_sub(Duration::from_secs(12)).unwrap();
    eventually("whoever came later is answered", ANSWERED, || {
        (stage.traffic.waiting_since(long_ago) == 0).then_some(())
    });
    assert_eq!(stage.percent(), 25.0);
    assert_eq!(stage.guard().len(), 1, "it is said once: {:?}", stage.guard());
    stage.nobody_noticed();
}

/// Whoever asked before it was found waits on; whoever asks later waits as long as slow answers take.
fn swapped(case: &'static str) {
    let mut stage = start(case, "");
    stage.stable.set(&NEVER);
    let text = "accepts requests and answers none of them while newcorp answers";
    eventually("it is told", FOUND, || {
        let events = stage.sidecar.history();
        events.iter().any(|event| event["reason"].as_str().is_some_and(|reason| reason.contains(text))).then_some(())
    });
    stage.traffic.wait_for(40);
    let answered = eventually("the canary answers for stable", FOUND, || {
        let fallbacks = stage.sidecar.chat()["fallbacks"].as_array().unwrap().clone();
        let of_stable = fallbacks.iter().find(|fallback| fallback["arm"] == "stable")?;
        of_stable["requests"].as_u64().filter(|requests| *requests >= 40)
    });
    assert_eq!(stage.percent(), 25.0, "nobody is moved");
    stage.say(&format!("{answered} of stable's requests were answered by the canary"));
}

fn both(case: &'static str) {
    let mut stage = start(case, "");
    stage.set_both(&NEVER);
    stage.nobody_is_moved(FOUND);
    let waiting_for = stage.sidecar.chat()["waiting_for"].as_str().unwrap().to_owned();
    assert!(waiting_for.contains("neither provider does"), "{waiting_for}");
    stage.say(&format!("nobody was moved; the ramp waits for {waiting_for}"));
}
