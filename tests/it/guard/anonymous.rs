//! At 100% a client that names no user is told by its conversation: it cannot pass for many.

use std::time::Duration;

use serin::clock;

use super::at_once;
use crate::support::api::Api;
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::fault::{Fault, Refusal};
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;

/// Longer than it takes to see that a canary is dead, with room to spare, and shorter than a first pause.
const WATCHED: Duration = Duration::from_secs(8);

#[test]
fn everybody_without_an_id_is_told_apart_by_what_they_say() {
    at_once(&[
        ("one conversation fails at 100%", |case| one(case, "conversation")),
        ("one conversation fails at 100%, drawn", |case| one(case, "random")),
        ("one conversation fails at 100%, on stable below", |case| one(case, "stable")),
        ("all conversations fail at 100%", all),
    ]);
}

fn sidecar(stable: &Scripted, canary: &Scripted, keys: &str) -> Harness {
    Harness::start(&format!(
        "providers:\n  oldcorp: {{ base_url: \"{}\", breaker: off }}\n  newcorp: {{ base_url: \"{}\", breaker: off }}\n\
         rollouts:\n  - {{ name: chat, stable: oldcorp, canary: newcorp, percent: 100%, {keys} }}\n",
        stable.base_url(),
        canary.base_url()
    ))
}

fn one(case: &'static str, anonymous: &str) {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", |_| Fault::Refuses(Refusal::Broken(500)));
    let sidecar = sidecar(&stable, &canary, &format!("anonymous: {anonymous}"));
    let (mut client, began) = (sidecar.client(), clock::instant());
    let mut asked = 0;
    while began.elapsed() < WATCHED {
        for api in Api::ALL {
            let answer = client.post(api.path(), &[], &api.ask("m", false)).unwrap();
            assert_eq!((answer.status, answer.arm()), (200, "canary"), "{case}: {:.300}", answer.text());
            asked += 1;
        }
    }
    assert!(asked > 100, "{case}: only {asked} in {WATCHED:?}");
    assert_eq!((sidecar.percent(), sidecar.phase().as_str()), (100.0, "pinned"), "{case}");
}

/// What moves nobody above is seen where it is not one client's.
fn all(case: &'static str) {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", |_| Fault::Refuses(Refusal::Broken(500)));
    let sidecar = sidecar(&stable, &canary, "anonymous: conversation");
    let mut client = sidecar.client();
    let mut number = 0;
    eventually(case, SOON, || {
        number += 1;
        let words = format!("question {number}");
        client.post("/v1/chat/completions", &[], &Api::Chat.ask_at_length("m", false, &words, None)).unwrap();
        (sidecar.percent() < 100.0).then_some(())
    });
}
