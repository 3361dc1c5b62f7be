//! A canary that is killed and comes back, five times, under load: no request fails, and every stream is whole or says
//! that it is not. And a sidecar that is killed: with the history of years it comes back as it was.
//!
//! Killed means: connections reset, port closed. The kills follow the progress of the load and no clock.
//! `SERIN_REQUESTS` is the number of requests; 10,000 is the full measure.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serin::clock;
use serin::decide::event::filter::HistoryFilter;
use serin::decide::event::{Event, Reason};
use serin::decide::rollout::state::{Identity, Phase, RolloutState};
use serin::decide::units::{Percent, UnixMillis};
use serin::store::{self, Batch};

use crate::support::api::{Api, difference, events};
use crate::support::client::Client;
use crate::support::embedded::Two;
use crate::support::eventually::eventually;
use crate::support::faults::answer;
use crate::support::faults::fault::Fault;
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;

const CONNECTIONS: usize = 64;
const KILLS: usize = 5;
/// It may open, but comes back within the run.
const BREAKER: &str = "breaker: { open_for: 1s }";
const MIB: usize = 1 << 20;

fn requests() -> usize {
    std::env::var("SERIN_REQUESTS").ok().and_then(|count| count.parse().ok()).unwrap_or(2000)
}

/// What is asked for; the numbers are spread over all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Unary,
    Streamed,
    Upload,
}

impl Kind {
    const fn of(number: usize) -> Kind {
        match number % 10 {
            0 => Kind::Upload,
            1..=4 => Kind::Streamed,
            _ => Kind::Unary,
        }
    }
}

/// What became of a request; an error is a failure that the client saw.
fn look(client: &mut Client, number: usize) -> Result<String, String> {
    let (kind, api) = (Kind::of(number), Api::ALL[number % 3]);
    let words = if kind == Kind::Upload { "w".repeat(MIB) } else { "hi".to_owned() };
    let stream = kind == Kind::Streamed;
    let body = api.ask_at_length("m", stream, &words, Some(&format!("user-{}", number % 1000)));
    let reply = client.ask(api.path(), &[], &body).map_err(|error| format!("{kind:?}: no answer: {error}"))?;
    let (answer, text) = (&reply.answer, reply.answer.text());
    let provider = answer.header("x-serin-provider");
    if answer.status != 200 {
        return Err(format!("{kind:?} of {provider}: {} {text:.200}", answer.status));
    }
    reply.end.map_err(|error| format!("{kind:?} of {provider}: broken off after {} bytes: {error}", text.len()))?;
    if !stream {
        let wrong = difference(&text, &answer::whole(api, provider));
        return wrong.map_or(Ok(format!("{kind:?} of {provider}")), |wrong| Err(format!("{kind:?}: {wrong}")));
    }
    let whole = answer::stream(api, provider);
    if text == whole.concat() {
        return Ok(format!("{kind:?} of {provider}"));
    }
    let (mut whole_events, rest) = events(&text);
    let Some(mut last) = whole_events.pop() else { return Err(format!("{kind:?}: {text:?}")) };
    if let Some(failed) = whole_events.pop_if(|event| event.starts_with("event: response.failed\n")) {
        last.insert_str(0, &failed);
    }
    let before = whole_events.as_slice();
    if !whole.starts_with(before) || !rest.is_empty() {
        let wrong = difference(&text, &whole.concat()).unwrap_or_default();
        return Err(format!("{kind:?} of {provider}: {wrong}"));
    }
    api.look_at_error_event(&last)
        .map_err(|wrong| format!("{kind:?} of {provider}, after {}: {wrong}", before.len()))?;
    Ok(format!("{kind:?} of {provider}, cut and said so"))
}

#[test]
fn no_request_fails_when_the_canary_is_killed_again_and_again() {
    let stable = Scripted::healthy("oldcorp");
    // Streams last long enough to be met by a kill in their middle.
    let paced = Fault::Paced(Duration::from_millis(3));
    let mut canary =
        Scripted::start("newcorp", move |seen| if seen.wants_a_stream() { paced.clone() } else { Fault::Healthy });
    let flags = Flags::new()
        .provider("oldcorp", &stable.base_url(), BREAKER)
        .provider("newcorp", &canary.base_url(), BREAKER)
        .chat("percent: 30%");
    let stage = Harness::start(&flags);
    let (total, listen) = (requests(), stage.listen);
    let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (wrong, counts) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::<String, u64>::new()));
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut kept = None;
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    if number >= total {
                        return;
                    }
                    let mut client = kept.take().unwrap_or_else(|| Client::connect(listen).unwrap());
                    match look(&mut client, number) {
                        Ok(kind) => {
                            *counts.lock().unwrap().entry(kind).or_default() += 1;
                            kept = Some(client);
                        }
                        Err(error) => wrong.lock().unwrap().push(format!("request {number}: {error}")),
                    }
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        for moment in 1..=2 * KILLS {
            let due = total * moment / (2 * KILLS + 1);
            eventually("the load goes on", Duration::from_secs(300), || (answered.load(SeqCst) >= due).then_some(()));
            if moment % 2 == 1 {
                seen.push(canary.count());
                canary.kill();
            } else {
                canary.restart();
            }
        }
    });
    let (wrong, counts) = (wrong.into_inner().unwrap(), counts.into_inner().unwrap());
    let some = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    println!("{counts:#?}\nasked before each kill: {seen:?}, in all: {}; {:?}", canary.count(), stage.attempts("chat"));
    assert!(wrong.is_empty(), "{} of {total} went wrong:\n{some}", wrong.len());
    assert!(seen[0] > 0 && seen.is_sorted(), "no request was there to be killed: {seen:?}");
    let of_canary = |kind: Kind| counts.get(&format!("{kind:?} of newcorp")).copied().unwrap_or(0);
    for kind in [Kind::Unary, Kind::Streamed, Kind::Upload] {
        assert!(of_canary(kind) > 0, "no {kind:?} was answered by the canary");
    }
}

/// A line of the history that says which it is.
fn line(number: u64, at: UnixMillis) -> Event {
    Event {
        at,
        rollout: Some("chat".to_owned()),
        actor: "ramp".into(),
        action: "promote".to_owned().into(),
        reason: Reason::Said { text: format!("line {number}: {}", "because ".repeat(20)) },
        from: Percent::ZERO,
        to: Percent::ALL,
        generation: number,
    }
}

#[test]
fn a_sidecar_with_a_large_history_comes_back_as_it_was() {
    const LINES: u64 = 20_000;
    let providers = Two::start();
    let workspace = providers.workspace("percent: auto");
    let now = clock::unix();
    let share = Percent::from_hundredths(2500).unwrap();
    let identity = |rollout: &str| Identity {
        rollout: rollout.to_owned(),
        stable: providers.old.base_url(),
        canary: providers.new.base_url(),
        salt: String::new(),
    };
    let state = RolloutState { phase: Phase::Ramping, percent: share, in_force: share, ..RolloutState::new(1, now) };
    let others = (0..49).map(|number| (identity(&format!("gone-{number}")), state.clone()));
    let states: Vec<_> = others.chain([(identity("chat"), state.clone())]).collect();
    let lines: Vec<Event> = (0..LINES).map(|number| line(number, now)).collect();
    let opened = store::open(&workspace.state(), now).unwrap();
    let batch = Batch { states, events: lines.clone(), ..Batch::default() };
    opened.store.save(batch).blocking_recv().unwrap().unwrap();
    drop(opened);

    let sidecar = workspace.start();
    assert_eq!((sidecar.percent(), sidecar.phase().as_str()), (25.0, "ramping"));
    assert_eq!(sidecar.change("pause").status, 200);
    sidecar.kill();
    let sidecar = workspace.start();
    let chat = sidecar.chat();
    assert_eq!((sidecar.percent(), sidecar.phase().as_str()), (25.0, "paused"), "{chat}");
    assert_eq!(chat["paused"], true, "{chat}");
    let entries = sidecar.history();
    assert!(entries.iter().any(|event| event["action"] == "pause" && event["rollout"] == "chat"), "{entries:?}");
    sidecar.kill();

    let opened = store::open(&workspace.state(), clock::unix()).unwrap();
    assert!(opened.notes.is_empty() && !opened.state_lost && opened.states.len() == 50, "{:?}", opened.notes);
    let mut kept = opened
        .store
        .history(HistoryFilter::of_rollout(Some("chat".to_owned())), u32::MAX)
        .blocking_recv()
        .unwrap()
        .unwrap();
    kept.reverse();
    assert_eq!(kept[..lines.len()], lines);
}
