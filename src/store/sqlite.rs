//! The embedded database, `STATE/serin.db`: how it is opened, and on what terms it is written.
//!
//! A write is one transaction with full synchronisation and a rollback journal: one file holds everything, a kill at
//! any moment leaves the last whole batch, and a disk that has become read-only can still be read. Once open it is
//! [`thread`](mod@self::thread)'s, and its tables are [`contents`](mod@self::contents)'. A database of an earlier
//! version is [upgraded](super::upgrade); one that cannot be read, or was written by a newer version, is renamed to
//! `serin.db.unreadable-STAMP` and never touched again. A start reads what is in force and tries whether the history
//! takes another line; the history itself, which is large, is [looked through](super::history_check) afterwards. It is
//! append-only by a trigger. Where the directory cannot be written at the start, every write tries to open it anew.

mod columns;
pub(super) mod connection;
pub(super) mod contents;
mod incidents;
pub(super) mod problem;
mod queued;
pub(super) mod schema;
mod series;
mod state_ids;
mod thread;

use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::dir_handle::DirHandle;
use super::opened::OpenedStore;
use super::retrying::RetryingDatabase;
use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::units::UnixMillis;
use connection::{checked, open_for_writing};
use contents::{Contents, contents, history};
use problem::DatabaseError;
pub use schema::FILE;
use thread::{Database, start};

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
                let Contents {
                    states,
                    notifications,
                    incidents,
                    last_good,
                    keys,
                    copies,
                    state_ids,
                    notes: unread,
                    ..
                } = contents;
                notes.extend(unread);
                let (dir, store) = (dir.to_owned(), Box::new(store));
                return OpenedStore {
                    dir,
                    store,
                    notes,
                    states,
                    notifications,
                    incidents,
                    last_good,
                    keys,
                    copies,
                    state_ids,
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
        let events = history(&connection, contents.version, &HistoryFilter::default(), 1000)?;
        Ok((contents, events))
    };
    match if holds_something(dir) { read().map(Some) } else { Ok(None) } {
        Ok(None) => {}
        Ok(Some((contents, kept))) => {
            events = kept;
            opened.states = contents.states;
            opened.notifications = contents.notifications;
            opened.incidents = contents.incidents;
            opened.last_good = contents.last_good;
            opened.keys = contents.keys;
            opened.copies = contents.copies;
            opened.state_ids = contents.state_ids;
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

#[cfg(test)]
mod tests;
