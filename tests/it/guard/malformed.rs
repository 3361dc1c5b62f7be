//! A canary that sends what is neither an answer nor an error is taken back as fast as a dead one, and says so.

use std::time::Duration;

use serin::clock;

use super::at_once;
use super::harness::Stage;
use super::provider::{Instead, Manner};

/// From the first strange answer to everybody's return, where all are strange.
const ALL: Duration = Duration::from_secs(5);
/// The same where half of them are.
const HALF: Duration = Duration::from_secs(20);

#[test]
fn a_canary_that_sends_no_answers() {
    at_once(&[
        ("only web pages", pages),
        ("only redirects", redirects),
        ("only {}", objects),
        ("one whole answer for every stream", whole),
        ("both send web pages", both),
    ]);
}

fn taken_back(case: &'static str, instead: Instead, within: Duration, seen: &str) -> Stage {
    let mut stage = Stage::start(case, "");
    let began = clock::instant();
    stage.canary.set(&Manner { instead, ..Manner::WELL });
    let event = stage.guard_does("rollback", began, within);
    assert!(event["reason"].as_str().unwrap().contains(seen), "{event}");
    assert!(event["numbers"]["failed_as"].as_str().unwrap().ends_with(seen), "{event}");
    let cause = &stage.sidecar.chat()["seen"][0];
    assert_eq!((&cause["arm"], &cause["outcome"]), (&"canary".into(), &"malformed".into()), "{cause}");
    assert_eq!((cause["what"].as_str(), &cause["count"]), (Some(seen), &cause["of"]), "{cause}");
    stage.traffic.wait_for(200);
    stage.nobody_noticed();
    stage
}

fn pages(case: &'static str) {
    taken_back(case, Instead::Page, ALL, "text/html, `<!doctype html>`");
}

fn redirects(case: &'static str) {
    taken_back(case, Instead::Redirect, ALL, "redirects to sso.example");
}

fn objects(case: &'static str) {
    taken_back(case, Instead::Object, ALL, "application/json, `{}`");
}

fn whole(case: &'static str) {
    taken_back(case, Instead::Whole, HALF, "application/json, one complete response instead of a stream");
}

fn both(case: &'static str) {
    let mut stage = Stage::start(case, "");
    stage.set_both(&Manner { instead: Instead::Page, ..Manner::WELL });
    stage.nobody_is_moved(HALF);
}
