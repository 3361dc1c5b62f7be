//! Upgrades, over damage, kills, locks and disks that refuse.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::first_version::figure;
use super::*;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::event::{Action, Event, Figure};
use crate::describe::event::reason;
use crate::describe::numbers::numbers;
use crate::store::dir_handle::own_uid;
use crate::store::sqlite::{open, open_unwritable};
use crate::store::{Batch, OpenedStore};

const NOW: UnixMillis = UnixMillis(1_900_000_000_000);

/// A copy of a state directory that version 1 left.
fn left(name: &str) -> TempDir {
    left_by("a1f5378", name)
}

/// A copy of a state directory of this set.
fn left_by(set: &str, name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state").join(set).join(name);
    fs::copy(fixture.join("state").join(FILE), dir.path().join(FILE)).unwrap();
    dir
}

fn connect(dir: &Path) -> Connection {
    Connection::open(dir.join(FILE)).unwrap()
}

fn version_of(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

fn copies(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.display().to_string().contains("serin.db.v1-")).collect()
}

fn history(opened: &OpenedStore) -> Vec<Event> {
    opened.store.history(HistoryFilter::default(), 1000).blocking_recv().unwrap().unwrap()
}

fn save(opened: &OpenedStore) -> Result<(), String> {
    let batch = Batch { last_good: Some("x".into()), ..Batch::default() };
    opened.store.save(batch).blocking_recv().unwrap()
}

#[test]
fn an_earlier_database_goes_on_and_what_it_was_is_kept() {
    let dir = left("rolled_back");
    let before = fs::read(dir.path().join(FILE)).unwrap();
    let opened = open(dir.path(), NOW);
    assert_eq!((&opened.notes, &opened.error, opened.state_lost), (&Vec::new(), &None, false));
    assert_eq!(version_of(&dir.path().join(FILE)), VERSION);
    let kept = dir.path().join(format!("serin.db.v1-{NOW}", NOW = NOW.0));
    assert_eq!(copies(dir.path()), std::slice::from_ref(&kept));
    assert!(fs::read(kept).unwrap() == before, "byte for byte");
    let events = history(&opened);
    let back = events.iter().find(|event| event.action == Action::Rollback).unwrap();
    assert!(reason(back).contains("of the canary's requests failed within 6s"), "{}", reason(back));
    let listed = numbers(&back.reason);
    let of = |name: &str| listed.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!((of("canary_requests"), of("canary_error_rate")), (Figure::Number(137.0), Figure::Number(42.3)));
    assert_eq!(of("rule"), Figure::Text("worse".to_owned()));
    // It still cannot be rewritten, and is not upgraded again.
    let error = connect(dir.path()).execute("UPDATE history SET event = ''", []).unwrap_err();
    assert_eq!(error.to_string(), "history is append-only");
    drop(opened);
    assert_eq!(history(&open(dir.path(), UnixMillis(NOW.0 + 1))), events);
    assert_eq!(copies(dir.path()).len(), 1);
}

/// What makes the tables, indexes and triggers of a database, in the database's own words.
fn schema_of(dir: &Path) -> Vec<String> {
    let connection = connect(dir);
    let mut statements =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    statements.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Every line of the history, as it is on the disk.
fn lines_of(dir: &Path) -> Vec<(i64, Option<String>, String)> {
    let connection = connect(dir);
    let mut lines = connection.prepare("SELECT id, rollout, event FROM history ORDER BY id").unwrap();
    lines.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn an_upgraded_database_has_the_tables_of_a_new_one() {
    let new = tempfile::tempdir().unwrap();
    drop(open(new.path(), NOW));
    for set in ["a1f5378", "bbfb803", "f29e704"] {
        let dir = left_by(set, "held");
        drop(open(dir.path(), NOW));
        assert_eq!(schema_of(dir.path()), schema_of(new.path()), "{set}");
    }
}

#[test]
fn the_history_of_version_2_is_not_touched() {
    let dir = left_by("bbfb803", "rolled_back");
    let (lines, before) = (lines_of(dir.path()), fs::read(dir.path().join(FILE)).unwrap());
    let opened = open(dir.path(), NOW);
    assert_eq!((&opened.notes, &opened.error, opened.state_lost), (&Vec::new(), &None, false));
    assert_eq!(history(&opened).len(), lines.len());
    drop(opened);
    assert_eq!((lines_of(dir.path()), version_of(&dir.path().join(FILE))), (lines, VERSION));
    assert!(fs::read(dir.path().join(format!("{FILE}.v2-{}", NOW.0))).unwrap() == before, "byte for byte");
    assert!(connect(dir.path()).execute("UPDATE history SET event = ''", []).is_err());
}

#[test]
fn numbers_are_read_where_they_are_numbers() {
    let read = |name: &str, value: &str| figure(name, value);
    for (value, number) in [("137", 137.0), ("42.3%", 42.3), ("0.012%", 0.012), ("1499ms", 1.499), ("30m", 1800.0)] {
        assert_eq!(read("any", value), Figure::Number(number), "{value}");
    }
    for value in ["over a million", "-", "", "NaN", "inf", "1.2s (streamed) or 20s (whole)"] {
        assert_eq!(read("any", value), Figure::Text(value.to_owned()));
    }
    assert_eq!(read("refuses_most", "400"), Figure::Text("400".to_owned()));
}

#[test]
fn what_cannot_be_read_is_kept_and_said() {
    let dir = left("rolled_back");
    let connection = connect(dir.path());
    let odd = r#"{"at":5,"rollout":"chat","actor":"x","action":"of_old","reason":"because","from":0,"to":0,"numbers":[],"generation":1,"mood":"fair"}"#;
    for text in ["no json", odd] {
        connection.execute("INSERT INTO history (rollout, event) VALUES ('chat', ?1)", params![text]).unwrap();
    }
    // And lines that are no text any more, with a flipped bit or of another type.
    for damaged in ["x'7bff'", "CAST(x'7bff' AS TEXT)"] {
        let sql = format!("INSERT INTO history (rollout, event) VALUES ('chat', {damaged})");
        connection.execute(&sql, []).unwrap();
    }
    let sql = "UPDATE rollout SET state = json_set(state, '$.judge.tomorrow', 7, '$.mood', 'fair')";
    connection.execute(sql, []).unwrap();
    drop(connection);
    let opened = open(dir.path(), NOW);
    let notes = opened.notes.join("\n");
    assert!(
        notes.contains("`chat` has fields that this version does not read and will not keep: judge.tomorrow, mood"),
        "{notes}"
    );
    assert!(notes.contains("3 lines of the history could not be read"), "{notes}");
    let newest = &history(&opened)[0];
    assert_eq!((&newest.action, reason(newest)), (&Action::Other("of_old".to_owned()), "because".to_owned()));
    assert_eq!(numbers(&newest.reason), [("mood".to_owned(), Figure::Text("\"fair\"".to_owned()))]);
    let lines: i64 = connect(dir.path())
        .query_row("SELECT count(*) FROM history WHERE event = 'no json'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(lines, 1, "it is not ours to throw away");
}

#[test]
fn what_the_guard_had_gathered_is_not_lost_in_silence() {
    let dir = left("held");
    connect(dir.path()).execute("UPDATE rollout SET state = json_set(state, '$.judge', 'odd')", []).unwrap();
    let opened = open(dir.path(), NOW);
    assert!(opened.notes[0].contains("judge (all of the guard's evidence: it starts again)"), "{:?}", opened.notes);
    assert!(!opened.state_lost && opened.states.len() == 1);
}

#[test]
fn a_disk_that_refuses_leaves_it_as_it_was_and_what_is_in_it_is_known() {
    let dir = left("locked");
    // A reader's lock stands for the full disk: nothing can be committed until it is gone.
    let other = connect(dir.path());
    other.execute_batch("BEGIN; SELECT count(*) FROM rollout").unwrap();
    let _held: i64 = other.query_row("SELECT count(*) FROM rollout", [], |row| row.get(0)).unwrap();
    let opened = open(dir.path(), NOW);
    assert_eq!(opened.error.as_deref(), Some("database is locked"));
    assert!(!opened.state_lost && opened.states[0].1.lock.is_some(), "{opened:?}");
    assert!(!history(&opened).is_empty());
    assert_eq!(
        (copies(dir.path()).len(), version_of(&dir.path().join(FILE))),
        (0, 1),
        "a copy for nothing is not left"
    );
    assert!(save(&opened).is_err());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(save(&opened), Ok(()));
    assert_eq!((copies(dir.path()).len(), version_of(&dir.path().join(FILE))), (1, VERSION));
}

#[test]
fn somebody_else_who_writes_is_not_waited_for_long() {
    let dir = left("mid_ramp");
    let other = connect(dir.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let opened = open(dir.path(), NOW);
    assert_eq!((opened.error.as_deref(), opened.states.len()), (Some("database is locked"), 1));
    assert_eq!(copies(dir.path()).len(), 0);
}

#[test]
fn where_nothing_can_be_written_it_is_read_and_not_upgraded() {
    let dir = left("rolled_back");
    let before = fs::read(dir.path().join(FILE)).unwrap();
    let opened = open_unwritable(dir.path(), "read-only file system".to_owned(), true);
    assert!(matches!(opened.states[0].1.phase, crate::decide::rollout::state::Phase::RolledBack { .. }));
    assert!(history(&opened).iter().any(|event| event.action == Action::Rollback));
    assert!(fs::read(dir.path().join(FILE)).unwrap() == before && copies(dir.path()).is_empty());
}

#[test]
fn a_copy_that_cannot_be_kept_is_a_reason_not_to_upgrade() {
    let dir = left("paused");
    fs::create_dir(dir.path().join(format!("{FILE}.v1-{}", NOW.0))).unwrap();
    let opened = open(dir.path(), NOW);
    assert!(opened.error.is_some() && opened.states[0].1.paused.is_some(), "{opened:?}");
    assert_eq!(version_of(&dir.path().join(FILE)), 1);
}

#[test]
fn the_copy_belongs_to_whom_the_directory_does() {
    let dir = left("paused");
    if own_uid() != 0 {
        eprintln!("not root: nothing can be given to another user");
        return;
    }
    for path in [dir.path().to_owned(), dir.path().join(FILE)] {
        std::os::unix::fs::chown(path, Some(61_002), Some(61_002)).unwrap();
    }
    fs::set_permissions(dir.path().join(FILE), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    drop(open(dir.path(), NOW));
    let about = fs::metadata(&copies(dir.path())[0]).unwrap();
    assert_eq!((about.uid(), about.gid(), about.mode() & 0o777), (61_002, 61_002, 0o640));
}

#[test]
fn a_database_of_nobody_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    connect(dir.path()).execute_batch("CREATE TABLE rollout (name TEXT); PRAGMA user_version = 0").unwrap();
    let opened = open(dir.path(), NOW);
    assert!(
        opened.state_lost && opened.notes[0].contains("its schema version is 0, not serin's"),
        "{:?}",
        opened.notes
    );
    assert!(opened.error.is_none() && copies(dir.path()).is_empty());
}

/// Not a test of its own: the process that [`a_kill_in_the_middle_leaves_it_as_it_was`] kills.
#[test]
fn upgrade_that_will_be_killed() {
    let Ok(dir) = std::env::var("SERIN_TEST_KILLED_UPGRADE") else { return };
    let mut connection = connect(Path::new(&dir));
    let folder = DirHandle::open(Path::new(&dir)).unwrap();
    // With so small a cache what is changed goes to the disk at once.
    connection.execute_batch("PRAGMA journal_mode = TRUNCATE; PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    let contents = contents::contents(&connection).unwrap();
    keep_copy(&mut connection, &folder, 1, NOW).unwrap();
    rewrite(&connection, &contents).unwrap();
    println!("\nrewritten");
    std::thread::park();
}

#[test]
fn a_kill_in_the_middle_leaves_it_as_it_was() {
    let dir = left("retried");
    let before = fs::read(dir.path().join(FILE)).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::upgrade::tests::upgrade_that_will_be_killed", "--nocapture"])
        .env("SERIN_TEST_KILLED_UPGRADE", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.into_iter().any(|line| line == "rewritten"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(fs::metadata(dir.path().join("serin.db-journal")).unwrap().len() > 0, "it was in the middle");
    let opened = open(dir.path(), UnixMillis(NOW.0 + 60_000));
    assert_eq!((&opened.notes, &opened.error, opened.state_lost), (&Vec::new(), &None, false));
    assert_eq!(opened.states[0].1.retries, 1);
    assert_eq!(version_of(&dir.path().join(FILE)), VERSION);
    let kept = copies(dir.path());
    assert_eq!(kept.len(), 1, "the one that was killed left the copy");
    assert!(fs::read(&kept[0]).unwrap() == before);
}
