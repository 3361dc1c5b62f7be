//! The embedded database, `STATE/serin.db`, on a thread of its own behind a bounded channel.
//!
//! A write is one transaction with full synchronisation and a rollback journal: one file holds everything, a kill at
//! any moment leaves the last whole batch, and a disk that has become read-only can still be read. Callers hand over
//! and await the answer; a full channel is an answer too. A database of an earlier version is
//! [upgraded](super::upgrade); one that cannot be read, or was written by a newer version, is renamed to
//! `serin.db.unreadable-STAMP` and never touched again. A start reads what is in force and tries whether the history
//! takes another line; the history itself, which is large, is [looked through](super::history_check) afterwards. It is
//! append-only by a trigger. Where the directory cannot be written at the start, every write tries to open it anew.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use tokio::sync::oneshot;

use super::dir_handle::DirHandle;
use super::history_check::{HistoryCheck, PAUSE};
use super::memory::answered;
use super::retrying::RetryingDatabase;
use super::upgrade::{self, EARLIEST, dropped, upgrade};
use super::{Batch, OpenedStore, Store};
use crate::decide::event::Event;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::units::UnixMillis;

/// The database's file name.
pub const FILE: &str = "serin.db";
/// What this version writes and reads.
pub(super) const VERSION: i64 = 2;
/// So many fields that are not read are named.
const MOST_FIELDS: usize = 8;
/// How many batches may wait.
const QUEUE: usize = 64;

const SCHEMA: &str = "
    CREATE TABLE rollout (
        name TEXT NOT NULL, stable TEXT NOT NULL, canary TEXT NOT NULL, salt TEXT NOT NULL, state TEXT NOT NULL,
        PRIMARY KEY (name, stable, canary, salt)
    ) WITHOUT ROWID;
    CREATE TABLE history (id INTEGER PRIMARY KEY AUTOINCREMENT, rollout TEXT, event TEXT NOT NULL);
    CREATE INDEX history_by_rollout ON history (rollout, id);
    CREATE TRIGGER history_stays BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
    CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 2;
";

/// No line of the history is ever changed, but by an upgrade.
pub(super) const KEEPS_HISTORY: &str = "
    CREATE TRIGGER history_keeps BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
";

/// Why a database could not be used.
#[derive(Debug)]
pub(super) enum Problem {
    /// Its content makes no sense to this version.
    Unreadable(String),
    /// The disk refuses.
    Refused(String),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Problem {
        let text = error.to_string();
        match error.sqlite_error_code() {
            // No code: the content is not what this version writes (a missing column, another type).
            None | Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
                Problem::Unreadable(text)
            }
            Some(_) => Problem::Refused(text),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        Problem::Refused(error.to_string())
    }
}

pub(super) struct Contents {
    pub(super) version: i64,
    pub(super) states: Vec<(Identity, RolloutState)>,
    last_good: Option<String>,
    // What could not be read of it, one sentence each.
    pub(super) notes: Vec<String>,
}

/// Opens the database of a directory that can be written, making it where it is missing.
#[must_use]
pub fn open(dir: &Path, now: UnixMillis) -> OpenedStore {
    let path = dir.join(FILE);
    let mut notes = Vec::new();
    let mut state_lost = false;
    let mut tried = open_for_writing(dir, now);
    if let Err(Problem::Unreadable(why)) = &tried {
        state_lost = true;
        match set_aside(dir, now) {
            Ok(name) => {
                notes.push(format!("the state in {} could not be read ({why}): kept as {name}", path.display()));
                tried = open_for_writing(dir, now);
            }
            Err(error) => tried = Err(Problem::Refused(format!("{why}; and it cannot be set aside: {error}"))),
        }
    }
    let refused = match tried {
        Ok((connection, contents, error)) => match start(Place::Open(connection)) {
            Ok(store) => {
                let Contents { states, last_good, notes: unread, .. } = contents;
                notes.extend(unread);
                let (dir, store) = (dir.to_owned(), Box::new(store));
                return OpenedStore {
                    dir,
                    store,
                    notes,
                    states,
                    last_good,
                    error,
                    state_lost,
                    ephemeral: None,
                    claim: None,
                };
            }
            Err(error) => error.to_string(),
        },
        Err(Problem::Unreadable(why) | Problem::Refused(why)) => why,
    };
    let mut opened = open_unwritable(dir, refused, true);
    opened.notes.splice(0..0, notes);
    opened.state_lost |= state_lost;
    opened
}

/// Reads what there is in a directory that cannot be written; `error` says why it cannot. `claimed`: whether it is this
/// process's all the same.
#[must_use]
pub fn open_unwritable(dir: &Path, error: String, claimed: bool) -> OpenedStore {
    let path = dir.join(FILE);
    let mut opened = OpenedStore::in_memory(Some(error));
    let mut events = Vec::new();
    let read = || -> Result<(Contents, Vec<Event>), Problem> {
        let path = checked(&DirHandle::open(dir)?, dir)?;
        let connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
        let contents = contents(&connection)?;
        let events = history(&connection, contents.version, None, 1000)?;
        Ok((contents, events))
    };
    match if holds_something(dir) { read().map(Some) } else { Ok(None) } {
        Ok(None) => {}
        Ok(Some((contents, kept))) => {
            events = kept;
            opened.states = contents.states;
            opened.last_good = contents.last_good;
            opened.notes.extend(contents.notes);
        }
        Err(Problem::Unreadable(why) | Problem::Refused(why)) => {
            opened.notes.push(format!("the state in {} could not be read: {why}", path.display()));
            opened.state_lost = true;
        }
    }
    // Without a thread it stays in memory.
    if let Ok(store) = start(Place::Late(RetryingDatabase::new(dir, opened.states.clone(), events, claimed))) {
        opened.store = Box::new(store);
    }
    opened
}

// A file without a byte was just made, and its first table could not be written.
fn holds_something(dir: &Path) -> bool {
    let nothing = |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    match DirHandle::open(dir).and_then(|folder| folder.file_in(FILE, u64::MAX)?.metadata()) {
        Ok(about) => about.len() > 0,
        Err(error) => !nothing(&error),
    }
}

/// The database's path, once it is certain that neither it nor what SQLite keeps beside it leads anywhere else. SQLite
/// opens by path: through no link of this directory, and only where the path leads to the directory that was looked at.
fn checked(folder: &DirHandle, dir: &Path) -> io::Result<PathBuf> {
    for name in [FILE, &format!("{FILE}-journal"), &format!("{FILE}-wal"), &format!("{FILE}-shm")] {
        match folder.file_in(name, u64::MAX) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("`{name}`: {error}"))),
        }
    }
    let real = dir.canonicalize()?;
    let (looked_at, found) = (folder.file().metadata()?, real.metadata()?);
    if (looked_at.dev(), looked_at.ino()) != (found.dev(), found.ino()) {
        return Err(io::Error::other("the directory was replaced while it was opened"));
    }
    Ok(real.join(FILE))
}

fn set_aside(dir: &Path, now: UnixMillis) -> io::Result<String> {
    let folder = DirHandle::open(dir)?;
    let name = format!("{FILE}.unreadable-{}", now.0);
    folder.rename(FILE, &name)?;
    let journal = format!("{FILE}-journal");
    if folder.about(&journal)?.is_some() {
        folder.rename(&journal, &format!("{name}-journal"))?;
    }
    Ok(name)
}

// With the connection, and what was in it, why it cannot be written just now: a full disk may have room later.
pub(super) fn open_for_writing(dir: &Path, now: UnixMillis) -> Result<(Connection, Contents, Option<String>), Problem> {
    // Made here and not by SQLite: the file holds flags.yaml, and is its owner's only.
    let folder = DirHandle::open(dir)?;
    folder.file_to_write(FILE, 0o600)?;
    let path = checked(&folder, dir)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(Duration::from_millis(500))?;
    connection.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        let making = connection.transaction()?;
        making.execute_batch(SCHEMA)?;
        making.execute_batch(KEEPS_HISTORY)?;
        making.commit()?;
    }
    let unread = if (EARLIEST..VERSION).contains(&version(&connection)?) {
        upgrade(&mut connection, &folder, now)?
    } else {
        Vec::new()
    };
    let mut contents = contents(&connection)?;
    contents.notes.extend(unread);
    // Whether it can be written is known now, and not at the first rollback.
    let opened = match try_to_write(&mut connection, &contents).map_err(Problem::from) {
        Ok(()) => None,
        Err(Problem::Refused(why)) => Some(why),
        Err(unreadable) => return Err(unreadable),
    };
    Ok((connection, contents, opened))
}

// Of the history only the pages are looked at that the next line of each rollout goes to. All of it is taken back, so
// that no start waits for the disk to keep it: what is written is the journal, and of the database nothing. The first
// batch finds out the rest.
fn try_to_write(connection: &mut Connection, contents: &Contents) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let tried = write_in_vain(connection, contents);
    connection.pragma_update(None, "synchronous", "FULL")?;
    tried
}

fn write_in_vain(connection: &mut Connection, contents: &Contents) -> rusqlite::Result<()> {
    let writing = connection.transaction()?;
    writing.execute("INSERT OR REPLACE INTO kept VALUES ('last_good', '')", [])?;
    let mut line = writing.prepare("INSERT INTO history (rollout, event) VALUES (?1, '')")?;
    let rollouts = contents.states.iter().map(|(identity, _)| Some(identity.rollout.as_str()));
    for rollout in rollouts.chain([None]) {
        line.execute(params![rollout])?;
    }
    drop(line);
    writing.rollback()
}

/// Whether this table and its indexes make sense, as far as a look at each page tells; `""`: every table.
pub(super) fn check(connection: &Connection, table: &str) -> Result<(), Problem> {
    let which = if table.is_empty() { "1" } else { table };
    let sound: String = connection.query_row(&format!("PRAGMA quick_check({which})"), [], |row| row.get(0))?;
    if sound == "ok" { Ok(()) } else { Err(Problem::Unreadable(sound)) }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

pub(super) fn contents(connection: &Connection) -> Result<Contents, Problem> {
    let version = version(connection)?;
    if !(EARLIEST..=VERSION).contains(&version) {
        let why = if version > VERSION { "written by a newer version of serin" } else { "not serin's" };
        return Err(Problem::Unreadable(format!(
            "its schema version is {version}, {why}; this one reads {EARLIEST} to {VERSION}"
        )));
    }
    check(connection, "rollout")?;
    check(connection, "kept")?;
    let (mut states, mut notes) = (Vec::new(), Vec::new());
    let mut rows = connection.prepare("SELECT name, stable, canary, salt, state FROM rollout")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let identity = Identity { rollout: row.get(0)?, stable: row.get(1)?, canary: row.get(2)?, salt: row.get(3)? };
        let text: String = row.get(4)?;
        let name = &identity.rollout;
        let unreadable = |error: serde_json::Error| Problem::Unreadable(format!("the state of `{name}`: {error}"));
        let state = serde_json::from_str(&text).map_err(unreadable)?;
        notes.extend(unknown(name, &dropped(&serde_json::from_str(&text).map_err(unreadable)?, &state)));
        states.push((identity, state));
    }
    let last_good =
        connection.query_row("SELECT value FROM kept WHERE name = 'last_good'", [], |row| row.get(0)).optional()?;
    Ok(Contents { version, states, last_good, notes })
}

fn unknown(rollout: &str, dropped: &[String]) -> Option<String> {
    let fields = dropped.iter().take(MOST_FIELDS).cloned().collect::<Vec<_>>().join(", ");
    let more = dropped.len().saturating_sub(MOST_FIELDS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!dropped.is_empty()).then(|| {
        format!(
            "the kept state of `{rollout}` has fields that this version does not read and will not keep: {fields}{more}"
        )
    })
}

/// A column as text, whatever became of it on the disk: a damaged line must not take the others with it.
pub(super) fn text(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<String> {
    let value = row.get_ref(column)?;
    Ok(value
        .as_bytes_or_null()
        .ok()
        .flatten()
        .map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn history(connection: &Connection, version: i64, rollout: Option<&str>, limit: u32) -> rusqlite::Result<Vec<Event>> {
    let mut events = Vec::new();
    let by_name = "SELECT event FROM history WHERE rollout = ?1 ORDER BY id DESC LIMIT ?2";
    let all = "SELECT event FROM history WHERE ?1 IS NULL ORDER BY id DESC LIMIT ?2";
    let mut rows = connection.prepare(if rollout.is_some() { by_name } else { all })?;
    let mut rows = rows.query(params![rollout, limit])?;
    while let Some(row) = rows.next()? {
        let text = text(row, 0)?;
        // A line that makes no sense is left out; the others are still told.
        events.extend(if version < VERSION { upgrade::event(&text) } else { serde_json::from_str(&text).ok() });
    }
    Ok(events)
}

fn save(connection: &mut Connection, batch: &Batch) -> Result<(), String> {
    let write = |connection: &mut Connection| -> rusqlite::Result<()> {
        let writing = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for (identity, state) in &batch.states {
            put_state(&writing, identity, state)?;
        }
        for event in &batch.events {
            writing
                .prepare("INSERT INTO history (rollout, event) VALUES (?1, ?2)")?
                .execute(params![event.rollout, as_json(event)?])?;
        }
        if let Some(text) = &batch.last_good {
            writing.prepare("INSERT OR REPLACE INTO kept VALUES ('last_good', ?1)")?.execute(params![text.as_ref()])?;
        }
        writing.commit()
    };
    write(connection).map_err(|error| error.to_string())
}

pub(super) fn put_state(writing: &Connection, identity: &Identity, state: &RolloutState) -> rusqlite::Result<()> {
    let Identity { rollout, stable, canary, salt } = identity;
    let mut row = writing.prepare("INSERT OR REPLACE INTO rollout VALUES (?1, ?2, ?3, ?4, ?5)")?;
    row.execute(params![rollout, stable, canary, salt, as_json(state)?])?;
    Ok(())
}

pub(super) fn as_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

enum StoreRequest {
    Save(Batch, oneshot::Sender<Result<(), String>>),
    History(Option<String>, u32, oneshot::Sender<Result<Vec<Event>, String>>),
}

/// The database behind its thread.
#[derive(Debug)]
struct Sqlite {
    asks: Option<SyncSender<StoreRequest>>,
    thread: Option<JoinHandle<()>>,
}

enum Place {
    Open(Connection),
    Late(RetryingDatabase),
}

impl Place {
    fn save(&mut self, batch: &Batch) -> Result<(), String> {
        match self {
            Place::Open(connection) => save(connection, batch),
            Place::Late(late) => {
                let now = batch.events.last().map(|event| event.at).unwrap_or_default();
                save(late.connection(now)?, batch)
            }
        }
    }

    fn history(&self, rollout: Option<&str>, limit: u32) -> Result<Vec<Event>, String> {
        let connection = match self {
            Place::Open(connection) => connection,
            Place::Late(late) => match late.opened() {
                Some(connection) => connection,
                None => return Ok(late.history(rollout, limit)),
            },
        };
        history(connection, VERSION, rollout, limit).map_err(|error| error.to_string())
    }
}

impl Place {
    // Looks at some more of the past; `None`: there is no more to be looked at.
    fn look(&self, mut past: HistoryCheck) -> Option<HistoryCheck> {
        let Place::Open(connection) = self else { return None };
        match past.look(connection) {
            Ok(more) => more.then_some(past),
            Err(why) => {
                tracing::warn!(
                    "the history in {FILE} is damaged ({why}): some earlier events cannot be shown; the state in \
                     force is intact, and new events are kept"
                );
                None
            }
        }
    }
}

fn start(place: Place) -> io::Result<Sqlite> {
    let (asks, asked) = sync_channel(QUEUE);
    let thread = thread::Builder::new().name("serin-store".to_owned()).spawn(move || serve(place, &asked))?;
    Ok(Sqlite { asks: Some(asks), thread: Some(thread) })
}

fn serve(mut place: Place, asked: &Receiver<StoreRequest>) {
    let mut past = Some(HistoryCheck::new());
    loop {
        let ask = match &past {
            None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => asked.recv_timeout(PAUSE),
        };
        let ask = match ask {
            Ok(ask) => ask,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                past = past.and_then(|past| place.look(past));
                continue;
            }
        };
        // Whoever asked may have given up waiting.
        match ask {
            StoreRequest::Save(batch, reply) => drop(reply.send(place.save(&batch))),
            StoreRequest::History(rollout, limit, reply) => drop(reply.send(place.history(rollout.as_deref(), limit))),
        }
    }
}

impl Sqlite {
    fn hand_over<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, String>>) -> StoreRequest,
    ) -> oneshot::Receiver<Result<T, String>> {
        let (reply, answer) = oneshot::channel();
        match self.asks.as_ref().map(|asks| asks.try_send(ask(reply))) {
            Some(Ok(())) => answer,
            _ => answered(Err("the store is too slow: its queue is full".to_owned())),
        }
    }
}

impl Store for Sqlite {
    fn save(&self, batch: Batch) -> oneshot::Receiver<Result<(), String>> {
        self.hand_over(|reply| StoreRequest::Save(batch, reply))
    }

    fn history(&self, rollout: Option<String>, limit: u32) -> oneshot::Receiver<Result<Vec<Event>, String>> {
        self.hand_over(|reply| StoreRequest::History(rollout, limit, reply))
    }
}

// What was handed over is written before the process ends in order.
impl Drop for Sqlite {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
