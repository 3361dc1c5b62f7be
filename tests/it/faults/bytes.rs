//! A stream cut at any byte: recovered before the first output, an error event after it, whole after the terminal.
//!
//! The place is the model's name, so that one provider plays them all. By default every few hundred bytes are cut;
//! `SERIN_CUT_STEP=1` cuts at each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::support::api::{Api, complete_within, difference};
use crate::support::faults::answer;
use crate::support::faults::fault::{Cut, Fault};
use crate::support::harness::{Harness, RESCUED, between};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;

fn step() -> usize {
    std::env::var("SERIN_CUT_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(211).max(1)
}

fn name(cut: Cut) -> &'static str {
    match cut {
        Cut::Reset => "reset",
        Cut::Close => "close",
        Cut::CleanEnd => "clean",
    }
}

fn fault_of(seen: &Seen) -> Fault {
    let model = seen.model();
    let cut = Cut::ALL.into_iter().find_map(|cut| Some((cut, model.strip_prefix(name(cut))?.strip_prefix('-')?)));
    cut.map_or(Fault::Healthy, |(cut, at)| Fault::CutAtByte(at.parse().unwrap(), cut))
}

/// What the counters must say of one cut; `None`: either.
fn look(stage: &Harness, api: Api, cut: Cut, at: usize) -> Result<Option<&'static str>, String> {
    let stream = answer::stream(api, "newcorp");
    let came = complete_within(&stream, at);
    let response = stage.ask(api.path(), &[], &api.ask(&format!("{}-{at}", name(cut)), true))?;
    let (answer, text) = (&response.answer, response.answer.text());
    let provider = answer.header("x-serin-provider");
    if answer.status != 200 {
        return Err(format!("{} {text:.300}", answer.status));
    }
    response.end.map_err(|error| format!("the body did not end in order: {error} after {} bytes", text.len()))?;
    // What counts as the first output is a matter of reading only between these two.
    let (first, surely) = (answer::preamble(api), answer::first_output(api));
    if provider == "oldcorp" {
        if came >= surely {
            return Err(format!("recovered after {came} events, though there was output"));
        }
        let expected = answer::stream(api, "oldcorp").concat();
        return difference(&text, &expected).map_or(Ok(Some("truncated")), Err);
    }
    if came <= first {
        return Err(format!("not recovered after {came} events: {text:.300}"));
    }
    // A proper end stands for what ends the last line.
    let terminal = stream[..answer::terminal(api)].concat();
    if cut == Cut::CleanEnd && (at + 1 == terminal.len() || at + 2 == terminal.len()) {
        return difference(&text, &terminal[..at]).map_or(Ok(Some("ok")), Err);
    }
    let complete = stream[..came].concat();
    let Some(rest) = text.strip_prefix(&complete) else {
        return Err(difference(&text, &complete).unwrap_or_default());
    };
    let whole = came == answer::EVENTS;
    let over = came >= answer::terminal(api);
    if over && api.look_at_error_event(rest).is_err() {
        // All was said: what was left of `[DONE]` may have come too.
        let left = stream[came..].concat();
        return if left.starts_with(rest) { Ok(Some("ok")) } else { Err(format!("{rest:?} after the end")) };
    }
    if whole {
        return Err(format!("an error after a whole stream: {rest:?}"));
    }
    api.look_at_error_event(rest)?;
    Ok(if over { None } else { Some("truncated") })
}

fn cut_anywhere(api: Api) {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", fault_of);
    let stage = Harness::start(&between(&stable, &canary).chat(RESCUED));
    let length = answer::stream(api, "newcorp").concat().len();
    // Every place would be hit in time, whatever the step is.
    let offset = fastrand::usize(..step());
    let places: Vec<(Cut, usize)> = Cut::ALL
        .into_iter()
        .flat_map(|cut| (offset..length).step_by(step()).chain([0, length - 1, length]).map(move |at| (cut, at)))
        .collect();
    let (next, wrong, counted) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new([0_u64; 3]));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((cut, at)) = places.get(next.fetch_add(1, SeqCst)) {
                    match look(&stage, api, *cut, *at) {
                        Ok(outcome) => {
                            let place = match outcome {
                                Some("ok") => 0,
                                Some(_) => 1,
                                None => 2,
                            };
                            counted.lock().unwrap()[place] += 1;
                        }
                        Err(error) => wrong.lock().unwrap().push(format!("{cut:?} at byte {at}: {error}")),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let (number, some) = (wrong.len(), wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n"));
    assert!(wrong.is_empty(), "{api}: {number} of {} cuts went wrong:\n{some}", places.len());
    let [ok, truncated, either] = *counted.lock().unwrap();
    println!("{api}: {ok} whole, {truncated} truncated, {either} between terminal and end");
    let rescued = stable.count() as u64;
    let expected = |more: u64| {
        [("newcorp", "ok", ok + more), ("newcorp", "truncated", truncated + either - more), ("oldcorp", "ok", rescued)]
    };
    let counted = (0..=either).map(|more| stage.expect_attempts("chat", &expected(more)));
    let failures: Vec<String> = counted.map_while(Result::err).collect();
    assert!(failures.len() as u64 <= either, "{}", failures.join("\n"));
}

#[test]
fn chat_completions() {
    cut_anywhere(Api::Chat);
}

#[test]
fn responses() {
    cut_anywhere(Api::Responses);
}

#[test]
fn messages() {
    cut_anywhere(Api::Messages);
}
