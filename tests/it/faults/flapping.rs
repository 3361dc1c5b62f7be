//! A canary that comes and goes, under load, with the breaker as it is by default: no client sees a failure.
//!
//! It changes its behaviour after every few dozen requests, so that the order of events and not the clock decides.
//! Streams that were cut after output end with their error event; nothing else may go wrong.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::support::api::{Api, difference};
use crate::support::faults::answer;
use crate::support::faults::fault::{Cut, Fault, Refusal};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;

const REQUESTS: usize = 1600;
const AT_ONCE: usize = 8;
const ERA: usize = 40;

/// What the canary does in one era after the other.
fn era(number: usize) -> Fault {
    match (number / ERA) % 8 {
        1 => Fault::Refuses(Refusal::Broken(503)),
        3 => Fault::ResetBeforeHeaders,
        4 => Fault::Refuses(Refusal::Throttled { retry_after: Some(1) }),
        5 => Fault::CutAfterPreamble(Cut::Close),
        7 => Fault::CutAtEvent(40, Cut::Reset),
        _ => Fault::Healthy,
    }
}

fn look(stage: &Harness, number: usize) -> Result<&'static str, String> {
    let api = Api::ALL[number % 3];
    let stream = number.is_multiple_of(2);
    let user = format!("user-{}", number % 500);
    let response = stage.ask(api.path(), &[], &api.ask_at_length("m", stream, "hi", Some(&user)))?;
    let (answer, text) = (&response.answer, response.answer.text());
    if answer.status != 200 {
        return Err(format!("{} {text:.300}", answer.status));
    }
    response.end.map_err(|error| format!("broken off after {} bytes: {error}", text.len()))?;
    let provider = answer.header("x-serin-provider");
    let whole = if stream { answer::stream(api, provider) } else { vec![answer::whole(api, provider)] };
    let Some(difference) = difference(&text, &whole.concat()) else {
        return Ok(if provider == "newcorp" { "whole, of the canary" } else { "whole, of stable" });
    };
    if !stream || provider != "newcorp" {
        return Err(difference);
    }
    let rest = text.strip_prefix(&whole[..40].concat()).ok_or(difference)?;
    api.look_at_error_event(rest).map(|()| "cut, and said so")
}

#[test]
fn nobody_notices_a_canary_that_comes_and_goes() {
    let stable = Scripted::healthy("oldcorp");
    let asked = AtomicUsize::new(0);
    let canary = Scripted::start("newcorp", move |_| era(asked.fetch_add(1, SeqCst)));
    let flags = Flags::new()
        .provider("oldcorp", &stable.base_url(), "")
        .provider("newcorp", &canary.base_url(), "")
        .chat("percent: 50%");
    let stage = Harness::start(&flags);
    let (next, wrong, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::<_, u64>::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    if number >= REQUESTS {
                        return;
                    }
                    match look(&stage, number) {
                        Ok(kind) => *counts.lock().unwrap().entry(kind).or_default() += 1,
                        Err(error) => wrong.lock().unwrap().push(format!("request {number}: {error}")),
                    }
                }
            });
        }
    });
    let (wrong, counts) = (wrong.into_inner().unwrap(), counts.into_inner().unwrap());
    let some = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {REQUESTS} went wrong:\n{some}", wrong.len());
    println!("{counts:?}; canary asked {} times; attempts {:?}", canary.count(), stage.attempts("chat"));
    assert!(counts.keys().any(|kind| kind.ends_with("of the canary")), "the canary never answered");
}
