//! A stable that nobody can connect to: no client sees it as long as the canary answers, and the truth where it does
//! not.

use std::sync::Mutex;
use std::time::Duration;

use serin::clock;

use crate::support::api::Api;
use crate::support::client::Answer;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;
use crate::support::sidecar::spoken;

/// As by default.
const TIMEOUTS: &str = "api_keys: [sk-1]";
const A_SECOND: u32 = 50;

fn flags(stable: &Scripted, canary: &Scripted) -> Flags {
    Flags::new()
        .provider("oldcorp", &stable.base_url(), TIMEOUTS)
        .provider("newcorp", &canary.base_url(), TIMEOUTS)
        .plainly("name: chat, stable: oldcorp, canary: newcorp, percent: 10%")
}

fn ask(stage: &Harness, number: usize) -> Answer {
    let body = Api::Chat.ask_at_length("m", number.is_multiple_of(2), "hi", Some(&format!("user-{}", number % 500)));
    stage.whole(Api::Chat.path(), &[], &body)
}

/// For so long, each answer looked at; how many there were.
fn load(stage: &Harness, length: Duration, look: impl Fn(&Answer) -> Option<String> + Sync) -> usize {
    let (began, wrong) = (clock::instant(), Mutex::new(Vec::new()));
    let mut sent = 0;
    std::thread::scope(|scope| {
        while began.elapsed() < length {
            let number = sent;
            let (wrong, look) = (&wrong, &look);
            scope.spawn(move || {
                if let Some(failure) = look(&ask(stage, number)) {
                    wrong.lock().unwrap().push(format!("request {number}: {failure}"));
                }
            });
            sent += 1;
            let due = Duration::from_secs(1) / A_SECOND * u32::try_from(sent).unwrap();
            std::thread::park_timeout(due.saturating_sub(began.elapsed()));
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {sent}: {:?}", wrong.len(), wrong.iter().take(5).collect::<Vec<_>>());
    sent
}

fn breaker(stage: &Harness) -> (String, bool) {
    let provider = stage.status()["providers"][0].clone();
    (provider["breaker"].as_str().unwrap().to_owned(), provider["unreachable"].as_bool().unwrap())
}

#[test]
fn no_request_fails_while_stable_is_dead_and_all_are_back_when_it_lives() {
    let (mut stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = Harness::start(&flags(&stable, &canary));
    let well = |answer: &Answer| (answer.status != 200).then(|| format!("{} {:.200}", answer.status, answer.text()));
    load(&stage, Duration::from_secs(1), well);
    stable.kill();
    let sent = load(&stage, Duration::from_secs(4), well);
    let (state, unreachable) = breaker(&stage);
    assert!(state != "closed" && unreachable, "{state}");
    // Those who were sent past it asked nobody else first.
    let diverted = stage.status()["providers"][0]["diverted"].as_u64().unwrap();
    assert!(diverted > 0 && diverted < sent as u64, "{diverted} of {sent}");
    let connects = stage.attempts("chat")[&("oldcorp".to_owned(), "connect".to_owned())];
    assert!(connects + diverted <= sent as u64, "{connects} and {diverted} of {sent}");
    assert_eq!(stage.percent(), 10.0, "a diversion is no promotion");
    stable.restart();
    // No request finds that out: Serin does.
    let asked = stable.count();
    eventually("stable is in use again", 2 * SOON, || (breaker(&stage).0 == "closed").then_some(()));
    assert_eq!(stable.count(), asked);
    let of_stable = |answer: &Answer| {
        let (arm, provider) = (answer.header("x-serin-arm"), answer.header("x-serin-provider"));
        (answer.status != 200 || (arm == "stable") != (provider == "oldcorp")).then(|| format!("{arm} by {provider}"))
    };
    load(&stage, Duration::from_secs(1), of_stable);
    let events = stage.history();
    let count_of = |what: &str| events.iter().filter(|event| event["reason"].as_str().unwrap().contains(what)).count();
    assert_eq!((count_of("connections in a row failed"), count_of("it is reachable again")), (1, 1), "{events:?}");
}

#[test]
fn a_rollback_to_a_dead_stable_says_so() {
    let (mut stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = Harness::start(&flags(&stable, &canary));
    let rollback = || spoken(&stage.workspace().run(&["rollback", "chat"]));
    let printed = rollback();
    assert!(printed.contains("chat: 0% of users") && !printed.contains("note:"), "{printed}");
    assert!(stage.workspace().run(&["resume", "chat"]).status.success());
    stable.kill();
    load(&stage, Duration::from_secs(3), |answer| (answer.status != 200).then(|| answer.text()));
    let printed = rollback();
    let note = "; after a rollback nothing falls back to the canary: `serin resume chat` lifts it";
    assert!(printed.contains("note: oldcorp") && printed.contains(note), "{printed}");
}

#[test]
fn where_both_are_dead_the_errors_are_honest_and_nobody_is_moved() {
    let (mut stable, mut canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = Harness::start(&flags(&stable, &canary));
    load(&stage, Duration::from_secs(1), |answer| (answer.status != 200).then(|| answer.text()));
    stable.kill();
    canary.kill();
    // In the words of the arm that the split chose.
    let honest = |answer: &Answer| {
        let result = (answer.status, answer.header("x-serin-error"));
        let named = ["provider `oldcorp` (stable) was not", "provider `newcorp` (canary) was not"];
        let is_named = named.iter().any(|named| answer.text().contains(named));
        (result != (502, "connect") || !is_named).then(|| format!("{result:?} {}", answer.text()))
    };
    load(&stage, Duration::from_secs(7), honest);
    assert_eq!((stage.percent(), stage.phase()), (10.0, "pinned".to_owned()));
    let named = |events: &[serde_json::Value]| {
        events.iter().any(|event| event["reason"].as_str().unwrap().contains("answers no request while oldcorp"))
    };
    assert!(named(&stage.history()), "{:?}", stage.history());
    // The first that can be reached again serves its users at once, probe or no probe.
    stable.restart();
    let mut back = |number: usize| ask(&stage, number).header("x-serin-provider") == "oldcorp";
    assert!((0..10).all(&mut back), "{:?}", stage.status()["providers"]);
}

#[test]
fn a_canary_that_was_taken_back_answers_for_no_dead_stable() {
    let (mut stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = Harness::start(&flags(&stable, &canary));
    assert_eq!(stage.change("rollback").status, 200);
    stable.kill();
    let asked = canary.count();
    let honest = |answer: &Answer| {
        let result = (answer.status, answer.header("x-serin-error"));
        (result != (502, "connect")).then(|| format!("{result:?} {}", answer.text()))
    };
    load(&stage, Duration::from_secs(3), honest);
    assert_eq!(canary.count(), asked, "a locked canary was asked");
}
