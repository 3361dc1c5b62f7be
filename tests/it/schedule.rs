//! The keys of the ramp and of what follows a rollback, each against a rollout beside it that lacks the key: all see
//! the same traffic, so what one does and the other does not is the key's doing.

use std::collections::BTreeMap;

use serde_json::Value;
use serin::decide::units::Percent;
use serin::demo::provider::{Behaviour, Provider};

use crate::support::client::Client;
use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::Harness;
use crate::support::sidecar::Sidecar;

/// A dozen answers without a failure are enough for a promotion.
const GUARD: &str = "guard: { max_error_rate: 20%, min_requests: 5 }";

/// A sidecar with these rollouts (name and keys), each for the model of its name.
fn rollouts(old: &Provider, new: &Provider, rollouts: &[(&str, String)]) -> Harness {
    let rollouts: String = rollouts
        .iter()
        .map(|(name, keys)| {
            format!("  - {{ name: {name}, stable: old, canary: new, match: {{ model: {name} }}, {keys}, {GUARD} }}\n")
        })
        .collect();
    Harness::start(&format!(
        "providers:\n  old: {{ base_url: \"{}\" }}\n  new: {{ base_url: \"{}\" }}\nrollouts:\n{rollouts}",
        old.base_url(),
        new.base_url()
    ))
}

/// The status of each rollout.
fn statuses(sidecar: &Sidecar) -> BTreeMap<String, Value> {
    let status = sidecar.status();
    let rollouts = status["rollouts"].as_array().unwrap();
    rollouts.iter().map(|rollout| (rollout["name"].as_str().unwrap().to_owned(), rollout.clone())).collect()
}

/// Sends requests for every rollout until this is seen.
fn under_load<T>(sidecar: &Sidecar, what: &str, look: impl Fn(&BTreeMap<String, Value>) -> Option<T>) -> T {
    let mut client: Client = sidecar.client();
    let mut number = 0;
    eventually(what, 2 * SOON, || {
        let statuses = statuses(sidecar);
        for name in statuses.keys() {
            for _ in 0..20 {
                number += 1;
                let body = format!(r#"{{"model":"{name}","user":"user-{number}"}}"#);
                client.post("/v1/chat/completions", &[], &body).unwrap();
            }
        }
        look(&statuses)
    })
}

fn percent(status: &Value) -> f64 {
    status["percent"].as_f64().unwrap()
}

#[test]
fn the_ramp_follows_its_keys() {
    let Two { old, new } = Two::start();
    // Three days away from today: closed, whatever the hour.
    let days = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let today = serin::clock::unix().0 / 86_400_000;
    let other = days[usize::try_from((today + 3) % 7).unwrap()];
    let ramp = |keys: &str| format!("percent: auto, ramp: {{ every: 200ms, {keys} }}");
    let sidecar = rollouts(
        &old,
        &new,
        &[
            ("plain", ramp("start: 20%, step: 40%")),
            ("max", ramp("start: 20%, step: 40%, max: 30%")),
            ("steps", ramp("steps: [3%, 77%], max: 77%")),
            ("hold_start", ramp("start: 20%, step: 40%, hold_start: 1h")),
            ("hours", ramp(&format!("start: 20%, step: 40%, hours: \"{other} 00:00-24:00\""))),
        ],
    );
    let all = under_load(&sidecar, "two of them are at their ends", |all| {
        (percent(&all["plain"]) >= 100.0 && percent(&all["steps"]) >= 77.0).then(|| all.clone())
    });
    let history = sidecar.history();
    let stages = |name: &str| {
        let of = |event: &&Value| event["rollout"] == name;
        let mut stages: Vec<f64> = history.iter().filter(of).filter_map(|event| event["to"].as_f64()).collect();
        stages.dedup();
        stages.retain(|stage| *stage > 0.0);
        stages
    };
    assert_eq!(stages("plain"), [20.0, 60.0, 100.0], "start and step");
    assert_eq!(stages("steps"), [3.0, 77.0]);
    assert!(percent(&all["max"]) <= 30.0, "{}", all["max"]);
    assert_eq!(percent(&all["hold_start"]), 20.0, "{}", all["hold_start"]);
    assert!(percent(&all["hours"]) <= 20.0, "no promotion outside of the hours: {}", all["hours"]);
}

#[test]
fn a_rollback_goes_to_rollback_to_and_is_tried_again_when_the_file_says() {
    let Two { old, new } = Two::start();
    let keys = |more: &str| format!("percent: 50%, {more}");
    let sidecar = rollouts(
        &old,
        &new,
        &[
            ("plain", keys("attempt: 1")),
            ("partly", keys("rollback_to: 5%")),
            ("again", keys("try_again_after: 500ms")),
        ],
    );
    new.set(Behaviour::failing(Percent::ALL));
    let back = under_load(&sidecar, "all are rolled back", |all| {
        let below = |name: &str| percent(&all[name]) < 50.0;
        (below("plain") && below("partly")).then(|| (percent(&all["plain"]), percent(&all["partly"])))
    });
    assert_eq!(back, (0.0, 5.0));
    new.set(Behaviour::default());
    under_load(&sidecar, "one is tried again", |all| {
        let tried = sidecar.history().iter().any(|event| event["rollout"] == "again" && percent(&all["again"]) == 50.0);
        tried.then_some(())
    });
    assert!(sidecar.history().iter().any(|event| event["rollout"] == "again" && event["to"] == 0.0));
    assert_eq!(percent(&statuses(&sidecar)["plain"]), 0.0, "without the key it waits for a human");
}
