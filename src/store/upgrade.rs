//! A database of an earlier version, made this version's: all of it in one transaction, and what it was is kept beside
//! it.
//!
//! The copy is on the disk before anything is changed, under a name that says which version it is of; it belongs to the
//! directory's owner, as the database does. Whatever ends an upgrade (a kill, a full disk, somebody else's lock) leaves
//! the database as it was, to be upgraded by the next start. Invariant: no field is dropped that nobody is told of.

pub(super) mod dropped;
pub(super) mod first_version;

use rusqlite::{Connection, params};

use super::dir_handle::DirHandle;
use super::sqlite::contents::{self, Contents};
use super::sqlite::problem::DatabaseError;
use super::sqlite::schema::{ADDED, ADDED_STATE, FILE, KEEPS_HISTORY, TYPED_HISTORY, VERSION, WITH_SERIES};
use crate::decide::units::UnixMillis;
use first_version::event;

/// So many lines of the history are rewritten at a time.
const AT_A_TIME: u32 = 500;
/// A database of this many bytes would be the history of decades.
const LARGEST: u64 = 4 << 30;

/// What was unusual about it, one sentence each.
pub(super) fn upgrade(
    connection: &mut Connection,
    folder: &DirHandle,
    now: UnixMillis,
) -> Result<Vec<String>, DatabaseError> {
    // Nobody else writes from here on.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = within(connection, folder, now);
    if done.is_err() {
        // What could not be committed is not there. What matters is why.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}

fn within(connection: &mut Connection, folder: &DirHandle, now: UnixMillis) -> Result<Vec<String>, DatabaseError> {
    contents::check(connection, "")?;
    let contents = contents::contents(connection)?;
    let from = contents.version;
    let (copy, is_new) = keep_copy(connection, folder, from, now)?;
    let done = rewrite(connection, &contents).and_then(|unread| {
        connection.execute_batch("COMMIT")?;
        Ok(unread)
    });
    if done.is_err() && is_new {
        // The next try makes its own.
        let _ = folder.remove(&copy);
    }
    let unread = done?;
    tracing::info!("the state was upgraded from version {from} to version {}: the original is kept as {copy}", VERSION);
    let mut notes = contents.notes;
    if unread > 0 {
        notes.push(format!(
            "{unread} lines of the history could not be read: they are kept in {FILE} and in {copy}, and not shown"
        ));
    }
    Ok(notes)
}

/// Keeps the database as it is, under a name of its own: which, and whether it was not there before.
fn keep_copy(
    connection: &mut Connection,
    folder: &DirHandle,
    version: i64,
    now: UnixMillis,
) -> Result<(String, bool), DatabaseError> {
    let prefix = format!("{FILE}.v{version}-");
    let bytes = connection.serialize("main")?;
    // An upgrade that was killed has left one, and the next would leave another.
    for name in folder.names()? {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with(&prefix) && folder.read(&name, LARGEST).is_ok_and(|kept| kept == *bytes) {
            return Ok((name, false));
        }
    }
    let mode = folder.about(FILE)?.map_or(0o600, |(_, mode)| mode & 0o777);
    let name = format!("{prefix}{}", now.0);
    folder.put(&name, &bytes, mode, true)?;
    Ok((name, true))
}

// How many lines of the history could not be read.
fn rewrite(writing: &Connection, contents: &Contents) -> Result<usize, DatabaseError> {
    for (identity, state) in &contents.states {
        contents::put_state(writing, identity, state)?;
    }
    let unread = if contents.version < TYPED_HISTORY { rewrite_history(writing)? } else { 0 };
    if contents.version < WITH_SERIES {
        writing.execute_batch(ADDED)?;
    }
    // Every version before this one lacks them.
    writing.execute_batch(ADDED_STATE)?;
    writing.pragma_update(None, "user_version", VERSION)?;
    Ok(unread)
}

fn rewrite_history(writing: &Connection) -> Result<usize, DatabaseError> {
    writing.execute_batch("DROP TRIGGER IF EXISTS history_keeps")?;
    let (mut unread, mut last) = (0, i64::MIN);
    loop {
        let mut lines = writing.prepare("SELECT id, event FROM history WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let lines = lines.query_map(params![last, AT_A_TIME], |row| Ok((row.get(0)?, contents::text(row, 1)?)))?;
        let lines: Vec<(i64, String)> = lines.collect::<Result<_, _>>()?;
        let Some((newest, _)) = lines.last() else { break };
        last = *newest;
        for (id, text) in &lines {
            match event(text) {
                Some(event) => {
                    let text = contents::as_json(&event)?;
                    writing.execute("UPDATE history SET event = ?1 WHERE id = ?2", params![text, id])?;
                }
                None => unread += 1,
            }
        }
    }
    writing.execute_batch(KEEPS_HISTORY)?;
    Ok(unread)
}

#[cfg(test)]
mod tests;
