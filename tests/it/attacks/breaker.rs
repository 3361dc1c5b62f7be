//! One user whose requests stable does not answer, beside others whose requests it does.
//!
//! Such a user could open stable's breaker once: twelve requests that made stable answer 500 sent everybody to a canary
//! at 1%. Whatever stable does with one user's requests, the others stay where their bucket put them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use crate::support::api::Api;
use crate::support::client::{Client, Framing};
use crate::support::faults::fault::{Cut, Fault, Refusal};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;

const TIMEOUTS: &str =
    "timeouts: { connect: 1s, headers: 2s, stream_headers: 2s, first_output: 2s, idle: 1s }, api_keys: [sk-1]";
const OTHERS: usize = 300;
const AT_ONCE: usize = 12;

/// By the model that is asked for.
fn attacks() -> Vec<(&'static str, Fault)> {
    let refuses = |refusal| Fault::Refuses(refusal);
    vec![
        ("500", refuses(Refusal::Broken(500))),
        ("503", refuses(Refusal::Broken(503))),
        ("529", refuses(Refusal::Broken(529))),
        ("429", refuses(Refusal::Throttled { retry_after: Some(30) })),
        ("quota", refuses(Refusal::Quota)),
        ("401", refuses(Refusal::WrongKey)),
        ("404", refuses(Refusal::ModelNotFound)),
        ("400", refuses(Refusal::UnsupportedParameter)),
        ("reset", Fault::ResetBeforeHeaders),
        ("close", Fault::CloseBeforeHeaders),
        ("slow head", Fault::Silence),
        ("slow body", Fault::HeadersThenSilence),
        ("error in 200", Fault::ErrorIn200),
        ("no bytes", Fault::NoBytes),
        ("no output", Fault::NoOutput),
        ("cut", Fault::CutAfterPreamble(Cut::Reset)),
        ("cut later", Fault::CutAtEvent(40, Cut::Close)),
        ("malformed", Fault::MalformedEvent),
    ]
}

/// Twelve at once; `leaves`: and nobody waits for the answers.
fn attack(stage: &Harness, model: &str, path: &str, leaves: bool) {
    std::thread::scope(|scope| {
        for number in 0..AT_ONCE {
            scope.spawn(move || {
                let body = Api::Chat.ask_at_length(model, number % 2 == 0, "hi", Some("evil"));
                if leaves {
                    let mut client = Client::connect(stage.listen).unwrap();
                    client.send("POST", path, &[], body.as_bytes(), Framing::Length).unwrap();
                } else {
                    // Whatever comes of it.
                    let _ = stage.ask(path, &[], &body);
                }
            });
        }
    });
}

#[test]
fn one_users_requests_that_stable_does_not_answer_move_nobody_else() {
    let stable = Scripted::by_model("oldcorp", attacks());
    let canary = Scripted::healthy("newcorp");
    let flags = Flags::new()
        .provider("oldcorp", &stable.base_url(), TIMEOUTS)
        .provider("newcorp", &canary.base_url(), TIMEOUTS)
        .chat("percent: 1%, pin_users: { evil: stable }");
    let stage = Harness::start(&flags);
    let whose = |number: usize| {
        let body = Api::Chat.ask_at_length("m", false, "hi", Some(&format!("user-{number}")));
        let answer = stage.whole(Api::Chat.path(), &[], &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("x-serin-provider").to_owned()
    };
    let before: Vec<String> = (0..OTHERS).map(whose).collect();
    let on_canary = before.iter().filter(|provider| *provider == "newcorp").count();
    assert!(on_canary < OTHERS / 20, "{on_canary} of {OTHERS} are on the canary at 1%");
    let (over, asked, moved) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                let number = asked.fetch_add(1, SeqCst) % OTHERS;
                let now = whose(number);
                if now != before[number] {
                    moved.lock().unwrap().push(format!("user-{number} to {now}"));
                }
            }
        });
        for (model, _) in attacks() {
            attack(&stage, model, Api::Chat.path(), false);
        }
        // And those who do not wait, and who ask for what is not there.
        for model in ["slow head", "slow body", "500"] {
            attack(&stage, model, Api::Chat.path(), true);
        }
        attack(&stage, "500", "/v1/chat/completions/nowhere", false);
        over.store(true, SeqCst);
    });
    let moved = moved.into_inner().unwrap();
    assert!(moved.is_empty(), "{} of {}: {moved:?}", moved.len(), asked.load(SeqCst));
    assert!(asked.load(SeqCst) > OTHERS / 2, "hardly anybody else asked");
    assert_eq!((0..OTHERS).map(whose).collect::<Vec<_>>(), before);
    let provider_status = stage.status()["providers"][0].clone();
    assert_eq!(
        (&provider_status["breaker"], &provider_status["diverted"]),
        (&"closed".into(), &0.into()),
        "{provider_status}"
    );
    assert_eq!(stage.percent(), 1.0);
    // What the canary answered in stable's place is told.
    let fallbacks = &stage.chat()["fallbacks"][0];
    assert_eq!((&fallbacks["arm"], &fallbacks["provider"]), (&"stable".into(), &"newcorp".into()), "{fallbacks}");
    let answered = fallbacks["requests"].as_u64().unwrap();
    let text = String::from_utf8(stage.workspace().run(&["status"]).stdout).unwrap();
    assert!(text.contains(&format!("{answered} of stable's requests answered by newcorp")), "{text}");
}

#[test]
fn hundreds_of_one_users_failures_at_stable_move_neither_others_nor_that_user() {
    const FAILURES: usize = 400;
    let stable = Scripted::by_model("oldcorp", attacks());
    let canary = Scripted::healthy("newcorp");
    let flags = Flags::new()
        .provider("oldcorp", &stable.base_url(), TIMEOUTS)
        .provider("newcorp", &canary.base_url(), TIMEOUTS)
        .chat("percent: 10%, fallback: false");
    let stage = Harness::start(&flags);
    let ask = |model: &str, user: &str| {
        let answer = stage.whole(Api::Chat.path(), &[], &Api::Chat.ask_at_length(model, false, "hi", Some(user)));
        (answer.status, answer.header("x-serin-provider").to_owned())
    };
    let users: Vec<String> = (0..50).map(|number| format!("user-{number}")).collect();
    let before: Vec<_> = users.iter().map(|user| ask("m", user)).collect();
    let on_canary = before.iter().filter(|(_, provider)| provider == "newcorp").count();
    assert!((1..25).contains(&on_canary), "{on_canary} of 50 are on the canary at 10%");
    // Nobody's pin: its failures are evidence as anybody's.
    let mut names = (0..).map(|number| format!("evil-{number}"));
    let evil = names.find(|user| ask("m", user).1 == "oldcorp").unwrap();
    for number in 0..FAILURES {
        assert_eq!(ask("500", &evil), (500, "oldcorp".to_owned()), "its failure {number} is its own");
        let other = number % users.len();
        assert_eq!(ask("m", &users[other]), before[other], "{} after {number} failures", users[other]);
    }
    assert_eq!(stage.percent(), 10.0);
    let provider_status = stage.status()["providers"][0].clone();
    assert_eq!(
        (&provider_status["breaker"], &provider_status["diverted"]),
        (&"closed".into(), &0.into()),
        "{provider_status}"
    );
}
