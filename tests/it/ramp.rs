//! `percent: auto`: a healthy canary climbs to everybody, a failing one is taken back, a restart loses nothing.

use serin::decide::units::Percent;
use serin::demo::provider::Behaviour;

use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::load::{Load, all_well};
use crate::support::sidecar::{Sidecar, Workspace};

const RAMP: &str = "percent: auto\n\
    ramp: { start: 10%, hold_start: 1s, step: 15%, every: 1s }\n\
    guard: { min_requests: 10 }";

fn workspace(providers: &Two, more: &str) -> Workspace {
    providers.workspace(&format!("{RAMP}{more}"))
}

fn half_failing() -> Behaviour {
    Behaviour::failing(Percent::from_hundredths(5000).unwrap())
}

/// Every percent that was in force, in order, as the history has it.
fn percents(sidecar: &Sidecar) -> Vec<f64> {
    let mut percents: Vec<f64> = sidecar.history().iter().filter_map(|event| event["to"].as_f64()).collect();
    percents.dedup();
    percents
}

#[test]
fn a_healthy_canary_climbs_stage_by_stage_to_everybody() {
    let providers = Two::start();
    let workspace = workspace(&providers, "");
    let sidecar = workspace.start();
    let load = Load::start(sidecar.listen, 2, all_well);
    eventually("everybody is on the canary", 3 * SOON, || (sidecar.percent() >= 100.0).then_some(()));
    eventually("the rollout is completed", SOON, || (sidecar.phase() == "completed").then_some(()));
    let (_, wrong) = load.stop();
    assert!(wrong.is_empty(), "{wrong:?}");
    let climbed: Vec<f64> = percents(&sidecar).into_iter().filter(|percent| *percent > 0.0).collect();
    assert_eq!(climbed, [10.0, 25.0, 40.0, 55.0, 70.0, 85.0, 100.0]);
}

#[test]
fn a_failing_canary_is_taken_back_and_stays_back_until_resume_or_a_higher_attempt() {
    let providers = Two::start();
    let workspace = workspace(&providers, "");
    let sidecar = workspace.start();
    let load = Load::start(sidecar.listen, 2, |_, _| None);
    eventually("the canary has users", SOON, || (sidecar.percent() >= 10.0).then_some(()));
    providers.new.set(half_failing());
    eventually("the guard has acted", 2 * SOON, || (sidecar.phase() == "rolled_back").then_some(()));
    assert!(sidecar.percent() < 1e-9);
    let events = sidecar.history();
    let event = events.iter().find(|event| event["actor"] == "guard").unwrap_or_else(|| panic!("{events:?}"));
    assert!(!event["numbers"].as_object().unwrap().is_empty(), "the numbers it was decided by: {event}");

    // It is well again, and still nobody comes back: not by an edit, not by a restart.
    providers.new.set(Behaviour::default());
    let before = sidecar.versions();
    workspace.write(&providers.flags("percent: 50%"));
    eventually("the edit is read", SOON, || (sidecar.versions() > before).then_some(()));
    assert!(sidecar.percent() < 1e-9, "an edit of percent must not reopen it");
    load.stop();
    sidecar.kill();
    let sidecar = workspace.start();
    assert!(sidecar.percent() < 1e-9, "a restart must not reopen it");

    // A higher attempt does, and so does a resume.
    workspace.write(&providers.flags(&format!("{RAMP}\nattempt: 2")));
    eventually("the second attempt begins", SOON, || (sidecar.percent() >= 10.0).then_some(()));
    let load = Load::start(sidecar.listen, 2, |_, _| None);
    providers.new.set(half_failing());
    eventually("the guard has acted again", 2 * SOON, || (sidecar.phase() == "rolled_back").then_some(()));
    providers.new.set(Behaviour::default());
    assert_eq!(sidecar.change("resume").status, 200);
    eventually("it climbs again", SOON, || (sidecar.percent() >= 10.0).then_some(()));
    load.stop();
}

#[test]
fn a_restart_in_the_middle_goes_on_where_it_was() {
    let providers = Two::start();
    let workspace = workspace(&providers, "");
    let sidecar = workspace.start();
    let load = Load::start(sidecar.listen, 2, all_well);
    let reached = eventually("half of the way", 2 * SOON, || Some(sidecar.percent()).filter(|p| *p >= 40.0));
    load.stop();
    sidecar.kill();
    let sidecar = workspace.start();
    let after = sidecar.percent();
    assert!(after >= reached && after < 100.0, "{reached} before the kill, {after} after it");
}

#[test]
fn without_traffic_nothing_is_promoted() {
    let providers = Two::start();
    let workspace = workspace(&providers, "");
    let sidecar = workspace.start();
    let waiting = eventually("the first stage waits for answers", SOON, || {
        let chat = sidecar.chat();
        let text = chat["waiting_for"].as_str().unwrap().to_owned();
        (chat["percent"] == 10.0 && !text.is_empty()).then_some(text)
    });
    assert!(waiting.contains("10"), "it says how many are missing: {waiting}");
}
