//! A canary whose answers are fine by every status, and worse than stable's: the ramp is held, nobody is moved.

use std::process::Command;
use std::time::Duration;

use serin::clock;

use super::at_once;
use super::harness::Stage;
use super::provider::Manner;
use crate::support::harness::series;

/// Pauses of users take their time however many requests there are.
const WORSE: Duration = Duration::from_secs(150);
/// What is usual on both providers.
const USUAL: [u32; 3] = [0, 2, 1];

#[test]
fn a_canary_whose_answers_are_worse() {
    at_once(&[
        ("30% empty", |case| held(case, "empty", [30, 2, 1])),
        ("30% cut", |case| held(case, "length", [0, 30, 1])),
        ("30% filtered", |case| held(case, "filtered", [0, 2, 30])),
        ("gaps three times as long", paced),
        ("answers: rollback", taken_back),
    ]);
}

fn held(case: &'static str, rule: &str, worse: [u32; 3]) {
    let mut stage = Stage::start(case, "");
    stage.set_both(&Manner { worse: USUAL, ..Manner::WELL });
    stage.traffic.wait_for(1000);
    let began = clock::instant();
    stage.canary.set(&Manner { worse, ..Manner::WELL });
    is_held(&mut stage, rule, began);
    // What is held hides nothing.
    let began = clock::instant();
    stage.canary.set(&Manner { worse, ..Manner::failing(60) });
    let event = stage.guard_does_as(1, "rollback", began, Duration::from_secs(30));
    assert_eq!(event["numbers"]["rule"], "worse", "{event}");
    stage.nobody_noticed();
}

fn paced(case: &'static str) {
    let mut stage = Stage::start(case, "");
    let usual = Manner { gap: Duration::from_millis(10), ..Manner::WELL };
    stage.set_both(&usual);
    stage.traffic.wait_for(1500);
    let began = clock::instant();
    stage.canary.set(&Manner { gap: 3 * usual.gap, ..Manner::WELL });
    is_held(&mut stage, "pace", began);
    stage.nobody_noticed();
}

fn is_held(stage: &mut Stage, rule: &str, began: std::time::Instant) {
    let event = stage.guard_does("hold", began, WORSE);
    assert_eq!((&event["numbers"]["rule"], &event["to"]), (&rule.into(), &10.0.into()), "{event}");
    assert!(event["numbers"]["remedy"].as_str().is_some_and(|remedy| remedy.len() > 20), "{event}");
    stage.traffic.wait_for(600);
    let chat = stage.sidecar.chat();
    assert_eq!((&chat["phase"], &chat["percent"]), (&"paused".into(), &10.0.into()), "{chat}");
    assert_eq!(stage.guard().len(), 1, "it is said once: {:?}", stage.guard());
    let canary = &chat["guard"]["answers"]["canary"];
    let share = |finish: &str| canary["percent_by_finish"][finish].as_f64().unwrap();
    if rule == "pace" {
        let stable = &chat["guard"]["answers"]["stable"]["mean_gap_seconds"];
        let (stable, canary) = (stable.as_f64().unwrap(), canary["mean_gap_seconds"].as_f64().unwrap());
        assert!(canary > 1.5 * stable, "{canary} {stable}");
    } else {
        assert!(share(rule) > 3.0 && share("stop") > share(rule), "{canary}");
    }
    let metrics = stage.sidecar.metrics();
    let answers = series(&metrics, "serin_answers_total");
    let count = |finish: &str| -> u64 {
        let of = answers.iter().filter(|(labels, _)| labels["arm"] == "canary" && labels["finish"] == finish);
        of.map(|(_, count)| count).sum()
    };
    assert!(count("stop") > 20 && (rule == "pace" || count(rule) > 5), "{answers:?}");
    let admin = format!("http://{}", stage.sidecar.admin);
    let why = Command::new(env!("CARGO_BIN_EXE_serin")).args(["why", "chat", "--admin", &admin]).output().unwrap();
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(
        why.contains(&format!("{rule}: ")) && why.contains("remedy") && why.contains("recent responses of canary"),
        "{why}"
    );
}

fn taken_back(case: &'static str) {
    let mut stage = Stage::start(case, "guard: { answers: { length: rollback } }");
    stage.set_both(&Manner { worse: USUAL, ..Manner::WELL });
    stage.traffic.wait_for(1000);
    let began = clock::instant();
    stage.canary.set(&Manner { worse: [0, 30, 1], ..Manner::WELL });
    let event = stage.guard_does("rollback", began, WORSE);
    assert_eq!((&event["numbers"]["rule"], &event["to"]), (&"length".into(), &0.0.into()), "{event}");
    stage.nobody_noticed();
}
