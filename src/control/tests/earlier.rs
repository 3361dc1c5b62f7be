//! State directories that earlier versions wrote, opened by this one: `tests/fixtures/README.md` says what they are.
//!
//! What is compared is the text in the database, field by field, with what this version would write in its place: a
//! field that is no longer read shows up as missing, whatever its value. Fields and elements may be added. Where a
//! field has another name by now, [`written_now`] says which.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::Value;

use super::fixture_dirs::{copy, folders};
use super::harness::bootstrap;
use crate::control::engine::bootstrap::Bootstrap;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::units::{Millis, UnixMillis};
use crate::flags::Environment;
use crate::flags::compile::compile;
use crate::store::locks::read_locks;
use crate::store::sqlite::FILE;
use crate::store::{self, Batch, OpenedStore};

/// A copy of one fixture.
struct Fixture {
    name: String,
    dir: tempfile::TempDir,
    flags: String,
    reported: Value,
    stored: Value,
    events: usize,
    // A second after the last event.
    opened_at: UnixMillis,
}

fn fixtures() -> Vec<Fixture> {
    let sets = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state"));
    let all: Vec<Fixture> = sets.iter().flat_map(|set| folders(set)).map(|path| Fixture::copied(&path)).collect();
    assert!(all.len() >= 9, "{} fixtures", all.len());
    all
}

impl Fixture {
    fn copied(path: &Path) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        copy(&path.join("state"), dir.path());
        let text = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        let database = Connection::open(dir.path().join(FILE)).unwrap();
        let stored: String = database.query_row("SELECT state FROM rollout", [], |row| row.get(0)).unwrap();
        let (events, last): (isize, i64) = database
            .query_row("SELECT count(*), max(json_extract(event, '$.at')) FROM history", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        Fixture {
            name: format!("{}", path.display()),
            flags: text("flags.yaml"),
            reported: serde_json::from_str(&text("status.json")).unwrap(),
            stored: serde_json::from_str(&stored).unwrap(),
            events: usize::try_from(events).unwrap(),
            opened_at: UnixMillis(u64::try_from(last).unwrap() + 1000),
            dir,
        }
    }

    fn open(&self) -> OpenedStore {
        let opened = store::open(self.dir.path(), self.opened_at).unwrap();
        assert_eq!((&opened.notes, &opened.error, opened.state_lost), (&Vec::new(), &None, false), "{}", self.name);
        assert_eq!(opened.states.len(), 1, "{}", self.name);
        opened
    }

    fn engine(&self, states: Vec<(Identity, RolloutState)>) -> Engine {
        let compiled = compile(&self.flags, &Environment::without_secrets()).unwrap();
        let locks = read_locks(self.dir.path()).unwrap();
        let bootstrap = Bootstrap { locks: Ok(locks), ..bootstrap(Arc::unwrap_or_clone(compiled.policy), states) };
        Engine::new(bootstrap, self.after(0))
    }

    fn after(&self, millis: u64) -> Now {
        Now { mono: Millis(millis), unix: UnixMillis(self.opened_at.0 + millis) }
    }

    /// That all that was stored is in this state, with the same values.
    #[track_caller]
    fn is_kept_in(&self, state: &RolloutState, except: &[&str]) {
        let lost = lost("", &self.stored, &serde_json::to_value(state).unwrap());
        let lost: Vec<String> = lost.into_iter().filter(|at| !except.iter().any(|path| at.starts_with(path))).collect();
        assert!(lost.is_empty(), "{}: {lost:#?}", self.name);
    }

    #[track_caller]
    fn matches_status(&self, engine: &Engine) {
        let status = engine.status.load();
        let chat = &status.rollouts[0];
        let reported = &self.reported;
        assert_eq!(chat.phase.as_str(), reported["phase"], "{}", self.name);
        assert_eq!(
            f64::from(chat.percent.hundredths()) / 100.0,
            reported["percent"].as_f64().unwrap(),
            "{}",
            self.name
        );
        assert_eq!(u64::from(chat.attempt), reported["attempt"], "{}", self.name);
        assert_eq!(chat.lock.as_ref().map(|lock| lock.reason.as_str()), reported["lock"]["reason"].as_str());
        let in_force = engine.shared.load().rollouts[0].percent;
        assert_eq!(in_force, chat.percent, "{}", self.name);
    }
}

/// Under which path this version writes what an earlier one wrote under this path.
fn written_now(path: &str) -> &str {
    path
}

/// The paths of all values in `stored` that are not in `now`, or are others there.
fn lost(path: &str, stored: &Value, now: &Value) -> Vec<String> {
    let member = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (stored, now) {
        // There was one threshold for all requests, with which each kind goes on.
        (Value::Object(one), Value::Object(kinds))
            if path == "judge.slow_threshold" && kinds.contains_key("whole") && !one.contains_key("whole") =>
        {
            ["streamed", "whole"].into_iter().flat_map(|kind| lost(path, stored, &now[kind])).collect()
        }
        (Value::Object(members), _) => members
            .iter()
            .flat_map(|(key, value)| {
                let path = member(key);
                let key = written_now(&path).rsplit('.').next().unwrap_or_default();
                lost(&path, value, &now[key])
            })
            .collect(),
        (Value::Array(items), Value::Array(others)) if items.len() <= others.len() => {
            let pairs = items.iter().zip(others).enumerate();
            pairs.flat_map(|(index, (item, other))| lost(&member(&index.to_string()), item, other)).collect()
        }
        // The number of the format rises with changes that read the former one.
        _ if stored == now || path == "judge.version" => Vec::new(),
        _ => vec![format!("{path} was {stored}, and is {now}")],
    }
}

#[test]
fn every_field_is_read() {
    for fixture in fixtures() {
        let opened = fixture.open();
        let (identity, state) = &opened.states[0];
        assert_eq!(identity.rollout, "chat");
        fixture.is_kept_in(state, &[]);
        assert!(
            !state.pauses.is_empty() && state.analysis.slow_threshold.of(ResponseKind::Whole).is_some(),
            "{}: no evidence",
            fixture.name
        );
    }
}

#[test]
fn a_rollout_goes_on_where_it_stood_with_the_evidence_that_was_there() {
    for fixture in fixtures() {
        let states = fixture.open().states;
        let (identity, epoch) = (states[0].0.clone(), states[0].1.epoch);
        let mut engine = fixture.engine(states);
        fixture.matches_status(&engine);
        let begun: Vec<_> = engine.outbox.events.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(begun, ["start"], "{}: {:#?}", fixture.name, engine.outbox.events);
        engine.drain(fixture.after(0));
        // Nobody watched since: a row of failures is one only without a gap.
        let run_down = ["judge.canary_down", "judge.stable_down"];
        fixture.is_kept_in(&engine.outbox.states[&identity], &run_down);
        for tick in 1..=20 {
            engine.tick(fixture.after(100 * tick));
        }
        fixture.matches_status(&engine);
        let quiet = engine.outbox.proposals.is_empty() && engine.outbox.events.len() == 1;
        assert!(quiet, "{}: {:#?}", fixture.name, engine.outbox);
        engine.drain(fixture.after(2000));
        assert_eq!(engine.outbox.states[&identity].epoch, epoch, "{}: judged anew", fixture.name);
    }
}

#[tokio::test]
async fn what_this_version_writes_in_its_place_is_read_again() {
    for fixture in fixtures() {
        let opened = fixture.open();
        let mut engine = fixture.engine(opened.states.clone());
        engine.drain(fixture.after(0));
        let outbox = std::mem::take(&mut engine.outbox);
        let (states, events) = (outbox.states.into_iter().collect::<Vec<_>>(), outbox.events);
        let batch = Batch { states: states.clone(), events, last_good: outbox.last_good, ..Batch::default() };
        opened.store.save(batch).await.unwrap().unwrap();
        drop(opened);
        let again = fixture.open();
        assert_eq!(again.states, states, "{}", fixture.name);
        let history = again.store.history(HistoryFilter::default(), 1000).await.unwrap().unwrap();
        assert_eq!(history.len(), fixture.events + 1, "{}", fixture.name);
        fixture.matches_status(&fixture.engine(again.states));
    }
}

#[test]
fn a_field_that_is_lost_is_found() {
    let stored = serde_json::json!({ "a": { "b": [1, { "c": 0.5 }] }, "d": null });
    assert!(
        lost("", &stored, &serde_json::json!({ "a": { "b": [1, { "c": 0.5, "new": 1 }, 3] }, "d": null })).is_empty()
    );
    let found = lost("", &stored, &serde_json::json!({ "a": { "b": [1, { "renamed": 0.5 }] }, "d": 1 }));
    assert_eq!(found, ["a.b.1.c was 0.5, and is null", "d was null, and is 1"]);
    let found = lost("", &stored, &serde_json::json!({ "a": { "b": [1] }, "d": null }));
    assert_eq!(found, ["a.b was [1,{\"c\":0.5}], and is [1]"]);
}
