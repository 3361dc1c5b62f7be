//! What the database keeps, over restarts, damage and a disk that refuses.

mod search;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::contents::save;
use super::*;
use crate::decide::cause::{Cause, CauseCount};
use crate::decide::event::{ArmCounts, Counterfactual, Decision, DecisionKind, Detail, Figure, Reason, Regression};
use crate::decide::guard::rule::Rule;
use crate::decide::outcome::Outcome;
use crate::decide::policy::Intent;
use crate::decide::rollout::in_force::{RetryPlan, ShareReason};
use crate::decide::rollout::state::{Identity, Lock, Pause, Phase, RolloutState};
use crate::decide::units::{Millis, Percent};
use crate::store::Batch;
use crate::store::history_check::HistoryCheck;

fn percent(hundredths: u16) -> Percent {
    Percent::from_hundredths(hundredths).unwrap()
}

fn identity(name: &str) -> Identity {
    let [stable, canary] = ["https://a/v1", "https://b/v1"].map(str::to_owned);
    Identity { rollout: name.to_owned(), stable, canary, salt: String::new() }
}

fn state(share: u16) -> RolloutState {
    let lock = Lock { to: Percent::ZERO, at: UnixMillis(5), actor: "alice".into(), reason: "slow".into() };
    let phase = Phase::RolledBack { at: UnixMillis(3), cause: Regression::Text("50% failed".into()), emptied: false };
    let new = RolloutState::new(2, UnixMillis(1));
    RolloutState { phase, percent: percent(share), lock: Some(lock), in_force: percent(share), ..new }
}

fn event(rollout: Option<&str>, action: &str) -> Event {
    Event {
        at: UnixMillis(9),
        rollout: rollout.map(str::to_owned),
        actor: "ramp".into(),
        action: action.to_owned().into(),
        reason: Reason::Earlier { text: "because".into(), numbers: vec![("n".into(), Figure::Number(100.0))] },
        from: Percent::ZERO,
        to: percent(10),
        generation: 4,
    }
}

fn batch(share: u16, action: &str) -> Batch {
    Batch {
        states: vec![(identity("chat"), state(share))],
        events: vec![event(Some("chat"), action)],
        last_good: Some(format!("percent: {share}%\n").into()),
        ..Batch::default()
    }
}

fn saved(opened: &OpenedStore, batch: Batch) -> Result<(), String> {
    opened.store.save(batch).blocking_recv().unwrap()
}

fn history(opened: &OpenedStore, rollout: Option<&str>, limit: u32) -> Vec<String> {
    let events = opened
        .store
        .history(HistoryFilter::of_rollout(rollout.map(str::to_owned)), limit)
        .blocking_recv()
        .unwrap()
        .unwrap();
    events.into_iter().map(|event| event.action.to_string()).collect()
}

#[test]
fn what_was_saved_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), UnixMillis(1));
    assert_eq!((opened.notes.len(), opened.states.len(), opened.error.as_ref()), (0, 0, None));
    assert_eq!(saved(&opened, batch(10, "start")), Ok(()));
    assert_eq!(saved(&opened, batch(25, "promote")), Ok(()));
    assert_eq!(saved(&opened, Batch { events: vec![event(None, "reload")], ..Batch::default() }), Ok(()));
    drop(opened);
    let opened = open(dir.path(), UnixMillis(2));
    assert_eq!(opened.states, [(identity("chat"), state(25))]);
    assert_eq!(opened.last_good.as_deref(), Some("percent: 25%\n"));
    assert_eq!(history(&opened, None, 10), ["reload", "promote", "start"]);
    assert_eq!(history(&opened, Some("chat"), 1), ["promote"]);
    assert_eq!(history(&opened, Some("other"), 10), Vec::<String>::new());
    assert!(!opened.state_lost);
}

#[test]
fn what_was_decided_comes_back_as_it_was_to_the_last_digit() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), UnixMillis(1));
    let counts = |events| ArmCounts::new(events, 67.0, Some(3));
    let decision = Box::new(Decision {
        at: UnixMillis(9),
        decided: DecisionKind::Alarm(Rule::Silent),
        seconds: 14.000_000_000_000_2,
        canary: counts(14.0),
        stable: counts(0.0),
        evidence: f64::MAX,
        bound: 1.647_961_432_350_48e-9,
        tolerated_ratio: 1.25,
        detail: Detail::Slow { streamed: Some(Millis(1200)), whole: None },
        would_change: Some(Counterfactual::Fewer { events: 3.0, tolerated_ratio: Some(1.9), ignore_below: None }),
        causes: vec![CauseCount {
            outcome: Outcome::Connect,
            cause: Cause::NoHead { limit: Millis(60_000) },
            count: 3,
            of: 4,
            last: UnixMillis(7),
            request_id: Some("req_1".into()),
            answered: vec![("old".into(), 2)],
            users_failed: 1,
        }],
    });
    let pause = Pause {
        at: UnixMillis(1),
        actor: "guard".into(),
        reason: "of old".into(),
        regression: true,
        rules: vec![Rule::Silent],
        found: vec![Decision::clone(&decision)],
    };
    let cause = Regression::Found(decision.clone());
    let phase = Phase::RolledBack { at: UnixMillis(3), cause: cause.clone(), emptied: true };
    let state = RolloutState { phase, paused: Some(pause.clone()), ..state(10) };
    let by =
        |why: &ShareReason| Event { reason: Reason::InForce { by: why.clone() }, ..event(Some("chat"), "percent") };
    let asked = Intent::Pinned(percent(7));
    let back = ShareReason::RolledBack {
        percent: percent(5),
        asked,
        cause,
        next_attempt: 3,
        again: RetryPlan::After(Millis(9)),
    };
    let lock = state.lock.clone().unwrap();
    let locked =
        ShareReason::Locked { percent: percent(5), asked: Intent::Auto, lock, besides: Some(Box::new(back.clone())) };
    let paused = ShareReason::Paused { pause, probing: false };
    let decided = Event { reason: Reason::Decided(decision), ..event(Some("chat"), "rollback") };
    let events = [vec![decided], [back, locked, paused, ShareReason::Probing].iter().map(by).collect()].concat();
    let states = vec![(identity("chat"), state)];
    saved(&opened, Batch { states: states.clone(), events: events.clone(), ..Batch::default() }).unwrap();
    drop(opened);
    let opened = open(dir.path(), UnixMillis(2));
    assert_eq!((&opened.states, &opened.notes), (&states, &Vec::new()));
    let mut kept = opened.store.history(HistoryFilter::default(), 99).blocking_recv().unwrap().unwrap();
    kept.reverse();
    assert_eq!(kept, events);
}

#[test]
fn the_history_cannot_be_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), UnixMillis(1)));
    let mut connection = Connection::open(dir.path().join(FILE)).unwrap();
    save(&mut connection, &batch(10, "start")).unwrap();
    for statement in ["DELETE FROM history", "UPDATE history SET event = ''"] {
        assert_eq!(connection.execute(statement, []).unwrap_err().to_string(), "history is append-only");
    }
}

fn set_aside_and_said(damage: impl Fn(&Path), expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), UnixMillis(1));
    saved(&opened, batch(10, "start")).unwrap();
    drop(opened);
    damage(&dir.path().join(FILE));
    let opened = open(dir.path(), UnixMillis(77));
    let note = opened.notes.join("\n");
    assert!(note.contains(expected) && note.contains("kept as serin.db.unreadable-77"), "{note}");
    assert!(dir.path().join("serin.db.unreadable-77").exists());
    assert!(opened.state_lost && opened.states.is_empty() && opened.error.is_none());
    assert_eq!(saved(&opened, batch(10, "start")), Ok(()));
}

#[test]
fn an_unreadable_database_is_set_aside_and_said() {
    set_aside_and_said(|file| fs::write(file, vec![b'x'; 8192]).unwrap(), "file is not a database");
    set_aside_and_said(
        |file| {
            let sql = "UPDATE rollout SET state = '{\"phase\": 3'";
            Connection::open(file).unwrap().execute(sql, []).unwrap();
        },
        "the state of `chat`: ",
    );
    set_aside_and_said(
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[4096..].fill(0xee);
            fs::write(file, bytes).unwrap();
        },
        "could not be read",
    );
}

/// Spoils the first page that has these words.
fn spoil_the_page_of(file: &Path, words: &str) {
    let mut bytes = fs::read(file).unwrap();
    let at = memchr::memmem::find(&bytes, words.as_bytes()).unwrap() / 4096 * 4096;
    bytes[at..at + 4096].fill(0xee);
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_history_that_takes_no_line_is_set_aside_and_said() {
    set_aside_and_said(|file| spoil_the_page_of(file, "because"), "could not be read");
}

#[test]
fn damage_in_old_lines_costs_no_state_and_is_seen_later() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), UnixMillis(1));
    let lines = (0..2000).map(|number| event(Some("chat"), &format!("action-{number:04}"))).collect();
    saved(&opened, Batch { events: lines, ..batch(10, "start") }).unwrap();
    drop(opened);
    let file = dir.path().join(FILE);
    let look_through = || {
        let (connection, mut past) = (Connection::open(&file).unwrap(), HistoryCheck::new());
        let mut looks = 0;
        loop {
            looks += 1;
            match past.look(&connection) {
                Ok(true) => {}
                Ok(false) => return Ok(looks),
                Err(why) => return Err(why),
            }
        }
    };
    assert!(look_through().unwrap() > 2, "not at once");
    spoil_the_page_of(&file, "action-1000");
    let opened = open(dir.path(), UnixMillis(2));
    assert_eq!((opened.notes.len(), opened.state_lost, opened.error.as_ref()), (0, false, None));
    assert_eq!(opened.states, [(identity("chat"), state(10))]);
    assert_eq!(saved(&opened, batch(25, "promote")), Ok(()));
    assert_eq!(history(&opened, None, 2), ["promote", "action-1999"]);
    drop(opened);
    assert_eq!(look_through().unwrap_err(), "database disk image is malformed");
}

#[test]
fn trying_whether_a_line_can_be_added_adds_none() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let opened = open(dir.path(), UnixMillis(1));
        saved(&opened, Batch { states: vec![(identity("chat"), state(10))], ..Batch::default() }).unwrap();
        assert_eq!(history(&opened, None, 9), Vec::<String>::new());
    }
    let mut connection = Connection::open(dir.path().join(FILE)).unwrap();
    save(&mut connection, &batch(10, "start")).unwrap();
    let id: i64 = connection.query_row("SELECT max(id) FROM history", [], |row| row.get(0)).unwrap();
    assert_eq!(id, 1);
}

#[test]
fn a_start_writes_nothing_that_it_would_wait_for_the_disk_to_keep() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE);
    drop(saved(&open(dir.path(), UnixMillis(1)), batch(10, "start")));
    let before = fs::read(&file).unwrap();
    let opened = open(dir.path(), UnixMillis(2));
    assert!(opened.error.is_none() && fs::read(&file).unwrap() == before);
    // What is saved is waited for all the same.
    let connection = open_for_writing(dir.path(), UnixMillis(3)).unwrap().0;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2);
}

#[test]
fn a_newer_database_is_set_aside_and_said() {
    let newer = |file: &Path| Connection::open(file).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
    set_aside_and_said(newer, "its schema version is 7, written by a newer version of serin; this one reads 1 to 4");
}

#[test]
fn a_half_made_database_file_is_made_whole() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), "").unwrap();
    let opened = open(dir.path(), UnixMillis(1));
    assert!(opened.notes.is_empty() && opened.error.is_none());
}

#[test]
fn where_nothing_can_be_written_what_was_there_is_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), UnixMillis(1));
    saved(&opened, batch(10, "start")).unwrap();
    drop(opened);
    // Another connection's lock stands for the directory that cannot be written.
    let other = Connection::open(dir.path().join(FILE)).unwrap();
    let opened = open_unwritable(dir.path(), "read-only file system".to_owned(), true);
    assert_eq!(opened.states, [(identity("chat"), state(10))]);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(history(&opened, None, 9), ["start"]);
    assert_eq!(saved(&opened, batch(25, "promote")), Err("database is locked".to_owned()));
    assert_eq!(history(&opened, None, 9), ["start"]);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(saved(&opened, batch(25, "promote")), Ok(()));
    assert_eq!(history(&opened, None, 9), ["promote", "start"]);
}

#[test]
fn a_directory_that_can_be_written_later_is_claimed_and_made_then() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("state");
    fs::write(&dir, "a file in the way").unwrap();
    let opened = crate::store::open(&dir, UnixMillis(1)).unwrap();
    assert!(opened.error.is_some() && opened.claim.as_ref().is_some_and(|claim| !claim.is_held()));
    assert!(saved(&opened, batch(10, "start")).is_err());
    fs::remove_file(&dir).unwrap();
    assert_eq!(saved(&opened, batch(10, "start")), Ok(()));
    assert!(crate::store::open(&dir, UnixMillis(2)).is_err(), "nobody else may write there now");
    drop(opened);
    assert_eq!(open(&dir, UnixMillis(3)).states, [(identity("chat"), state(10))]);
}

#[test]
fn states_that_nobody_has_read_are_not_written_over() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, mounted) = (parent.path().join("state"), parent.path().join("volume"));
    fs::create_dir(&mounted).unwrap();
    let earlier = open(&mounted, UnixMillis(1));
    saved(&earlier, batch(10, "rollback")).unwrap();
    drop(earlier);
    fs::write(&dir, "not mounted yet").unwrap();
    let opened = crate::store::open(&dir, UnixMillis(2)).unwrap();
    fs::remove_file(&dir).unwrap();
    fs::rename(&mounted, &dir).unwrap();
    let refused = saved(&opened, batch(25, "promote")).unwrap_err();
    assert_eq!(refused, "it has states that were not there at the start: restart serin to load them");
    drop(opened);
    assert_eq!(history(&open(&dir, UnixMillis(3)), None, 9), ["rollback"]);
}

#[test]
fn a_full_disk_is_told_and_written_to_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), UnixMillis(1)));
    // A reader's lock stands for the full disk: nothing can be written until it is gone.
    let other = Connection::open(dir.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM rollout; INSERT INTO kept VALUES ('x', 'y')").unwrap();
    let opened = open(dir.path(), UnixMillis(2));
    assert_eq!(opened.error.as_deref(), Some("database is locked"));
    assert!(opened.notes.is_empty() && !opened.state_lost);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(saved(&opened, batch(10, "start")), Ok(()));
}

#[test]
fn a_directory_in_the_databases_place_is_told_and_not_fatal() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(FILE)).unwrap();
    let opened = open(dir.path(), UnixMillis(3));
    // It cannot be opened, so nothing can be kept: said, and no crash.
    assert!(opened.error.is_some());
}

/// Not a test of its own: the process that [`a_kill_loses_nothing_that_was_acknowledged`] kills.
#[test]
fn writer_that_will_be_killed() {
    let Ok(dir) = std::env::var("SERIN_TEST_KILLED_WRITER") else { return };
    let opened = open(Path::new(&dir), UnixMillis(1));
    for round in 1..=10_000 {
        saved(&opened, batch(round, &round.to_string())).unwrap();
        println!("\nacknowledged {round}");
    }
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    for rounds in [1_usize, 7, 20] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sqlite::tests::writer_that_will_be_killed", "--nocapture"])
            .env("SERIN_TEST_KILLED_WRITER", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut acknowledged = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u16>().ok());
        let last = acknowledged.nth(rounds - 1).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let opened = open(dir.path(), UnixMillis(2));
        assert_eq!((opened.error.as_ref(), opened.notes.len()), (None, 0));
        // The one after the last acknowledged may have been written as well.
        let held = opened.states[0].1.in_force.hundredths();
        assert!(held >= last, "{held} {last}");
        assert_eq!(history(&opened, None, 1), [held.to_string()], "state and history are of the same batch");
    }
}
