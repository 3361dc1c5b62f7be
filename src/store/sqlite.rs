//! The embedded database, `STATE/serin.db`: how it is opened, and on what terms it is written.
//!
//! A write is one transaction with full synchronisation and a rollback journal: one file holds everything, a kill at
//! any moment leaves the last whole batch, and a disk that has become read-only can still be read. Once open it is
//! [`thread`](mod@self::thread)'s, and its tables are [`contents`](mod@self::contents)'. A database of an earlier
//! version is [upgraded](super::upgrade); one that cannot be read, or was written by a newer version, is renamed to
//! `serin.db.unreadable-STAMP` and never touched again. A start reads what is in force and tries whether the history
//! takes another line; the history itself, which is large, is [looked through](super::history_check) afterwards. It is
//! append-only by a trigger. Where the directory cannot be written at the start, every write tries to open it anew.

mod contents;
mod problem;
mod thread;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::OpenedStore;
use super::dir_handle::DirHandle;
use super::retrying::RetryingDatabase;
use super::upgrade::{EARLIEST, upgrade};
use crate::decide::event::Event;
use crate::decide::units::UnixMillis;
pub(super) use contents::{Contents, VERSION, as_json, check, contents, put_state, text};
use contents::{history, version};
pub(super) use problem::DatabaseError;
use thread::{Database, start};

/// The database's file name.
pub const FILE: &str = "serin.db";

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

/// Opens the database of a directory that can be written, making it where it is missing.
#[must_use]
pub fn open(dir: &Path, now: UnixMillis) -> OpenedStore {
    let path = dir.join(FILE);
    let mut notes = Vec::new();
    let mut state_lost = false;
    let mut tried = open_for_writing(dir, now);
    if let Err(DatabaseError::Unreadable(why)) = &tried {
        state_lost = true;
        match set_aside(dir, now) {
            Ok(name) => {
                notes.push(format!("the state in {} could not be read ({why}): kept as {name}", path.display()));
                tried = open_for_writing(dir, now);
            }
            Err(error) => tried = Err(DatabaseError::Refused(format!("{why}; and it cannot be set aside: {error}"))),
        }
    }
    let refused = match tried {
        Ok((connection, contents, error)) => match start(Database::Open(connection)) {
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
        Err(DatabaseError::Unreadable(why) | DatabaseError::Refused(why)) => why,
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
    let read = || -> Result<(Contents, Vec<Event>), DatabaseError> {
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
        Err(DatabaseError::Unreadable(why) | DatabaseError::Refused(why)) => {
            opened.notes.push(format!("the state in {} could not be read: {why}", path.display()));
            opened.state_lost = true;
        }
    }
    // Without a thread it stays in memory.
    if let Ok(store) = start(Database::Late(RetryingDatabase::new(dir, opened.states.clone(), events, claimed))) {
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
pub(super) fn open_for_writing(
    dir: &Path,
    now: UnixMillis,
) -> Result<(Connection, Contents, Option<String>), DatabaseError> {
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
    let opened = match try_to_write(&mut connection, &contents).map_err(DatabaseError::from) {
        Ok(()) => None,
        Err(DatabaseError::Refused(why)) => Some(why),
        Err(unreadable) => return Err(unreadable),
    };
    Ok((connection, contents, opened))
}

// Of the history only the pages are looked at that the next line of each rollout goes to. All of it is taken back, so
// that no start waits for the disk to keep it: what is written is the journal, and of the database nothing. The first
// batch finds out the rest.
fn try_to_write(connection: &mut Connection, contents: &Contents) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let tried = write_and_abort(connection, contents);
    connection.pragma_update(None, "synchronous", "FULL")?;
    tried
}

fn write_and_abort(connection: &mut Connection, contents: &Contents) -> rusqlite::Result<()> {
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

#[cfg(test)]
mod tests;
