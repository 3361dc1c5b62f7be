//! What is not the canary's doing moves nobody: an outage of both providers, an ill user, a process that was stopped.

use std::time::Duration;

use serin::clock;

use super::harness::Stage;
use super::provider::Manner;
use super::traffic::{Traffic, Users};
use super::{at_once, long};
use crate::support::eventually::{SOON, eventually};

#[test]
fn what_is_not_the_canarys_doing() {
    at_once(&[
        ("half of both fails", outage),
        ("kill -9 of both", both_dead),
        ("one user's requests all fail", ill_user),
        ("stopped for 15 s", stopped),
    ]);
}

fn outage(case: &'static str) {
    // A promotion falls due in the middle of it.
    let mut stage = Stage::start(case, "ramp: { hold_start: 20s, every: 20s }");
    let began = clock::instant();
    stage.set_both(&Manner::failing(50));
    stage.nobody_is_moved(Duration::from_secs(5));
    let waits_for = stage.sidecar.chat()["waiting_for"].as_str().unwrap().to_owned();
    assert!(waits_for.contains("stable"), "{waits_for}");
    stage.nobody_is_moved(long().saturating_sub(began.elapsed()));
    stage.set_both(&Manner::WELL);
    stage.nobody_is_moved(Duration::from_secs(2));
    let seen = stage.traffic.seen();
    stage.say(&format!(
        "nobody was moved in {:.0?}; {} answers, {} failed",
        began.elapsed(),
        seen.answered,
        seen.wrong.len()
    ));
}

fn both_dead(case: &'static str) {
    let mut stage = Stage::start(case, "");
    let began = clock::instant();
    stage.stable.kill();
    stage.canary.kill();
    stage.nobody_is_moved(Duration::from_secs(10));
    stage.say(&format!("nobody was moved in {:.0?}", began.elapsed()));
}

fn ill_user(case: &'static str) {
    let mut stage = Stage::start(case, "");
    let user = (0..).map(|number| format!("ill-{number}")).find(|user| stage.sidecar.arm(user) == "canary").unwrap();
    stage.canary.set(&Manner { ill: Some(user.clone()), ..Manner::WELL });
    // As much as everybody else on the canary together.
    let hammering = Traffic::start(stage.sidecar.listen, 20, Users::One(user));
    let length = long() / 2;
    stage.nobody_is_moved(length);
    let asked = hammering.seen();
    drop(hammering);
    stage.say(&format!("nobody was moved by {} failures of one user in {length:.0?}", asked.answered));
    assert!(asked.answered > 10 * length.as_secs() && asked.wrong.is_empty(), "stable answers in the end: {asked:?}");
    stage.nobody_noticed();
}

fn stopped(case: &'static str) {
    // If the stop counted, it would be over when the process goes on.
    let mut stage = Stage::start(case, "ramp: { hold_start: 18s }");
    let (began, length) = (clock::instant(), Duration::from_secs(15));
    stage.signal("-STOP");
    while let Some(left) = length.checked_sub(began.elapsed()) {
        std::thread::park_timeout(left);
    }
    stage.signal("-CONT");
    stage.nobody_is_moved(Duration::from_secs(6));
    // Its time goes on where it stood.
    eventually("the promotion", 3 * SOON, || (stage.percent() >= 25.0).then_some(()));
    stage.say(&format!("promoted {:.1} s after the stop began", began.elapsed().as_secs_f64()));
    assert!(stage.guard().is_empty(), "{:?}", stage.guard());
    stage.nobody_noticed();
}
