//! A restart in the middle changes nothing of what the guard says, whichever way the process ends.

use std::time::Duration;

use serin::clock;

use super::at_once;
use super::harness::Stage;
use super::provider::Manner;

/// Everything between a fault and its verdict, the restart included.
const VERDICT: Duration = Duration::from_secs(30);

#[test]
fn a_restart_in_the_middle() {
    at_once(&[
        ("kill -9 while a fifth fails", |case| fault(case, Stage::kill_and_start)),
        ("SIGTERM while a fifth fails", |case| fault(case, Stage::terminate_and_start)),
        ("kill -9 and SIGTERM while half of both fails", outage),
    ]);
}

fn fault(case: &'static str, restart: fn(Stage) -> Stage) {
    let mut stage = Stage::start(case, "");
    let began = clock::instant();
    stage.canary.set(&Manner::failing(20));
    // No verdict is that quick.
    stage.nobody_is_moved(Duration::from_secs(1));
    let stage = restart(stage);
    stage.say(&format!("replaced {:.1} s after the fault", began.elapsed().as_secs_f64()));
    let event = stage.guard_does("rollback", began, VERDICT);
    assert_eq!(event["numbers"]["rule"], "worse", "{event}");
    assert_eq!(stage.starts(), 1, "the ramp began again: {:?}", stage.sidecar.history());
    stage.nobody_noticed();
}

fn outage(case: &'static str) {
    let mut stage = Stage::start(case, "");
    let began = clock::instant();
    stage.set_both(&Manner::failing(50));
    stage.nobody_is_moved(Duration::from_secs(5));
    let stage = stage.kill_and_start();
    stage.nobody_is_moved(Duration::from_secs(6));
    let stage = stage.terminate_and_start();
    stage.nobody_is_moved(Duration::from_secs(6));
    assert_eq!(stage.starts(), 1, "the ramp began again: {:?}", stage.sidecar.history());
    stage.say(&format!("nobody was moved in {:.0?} and by two restarts", began.elapsed()));
}
