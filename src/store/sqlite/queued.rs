//! The table of notifications that are not delivered yet.
//!
//! Owns its columns. A row is written in the transaction of the event that led to it. One that cannot be read is left
//! out and stays where it is: a notification is no reason not to start. Invariant: a row has the number that control
//! gave it, so that the table is in the order of the events.

use rusqlite::{Connection, params};

use super::columns::{as_json, check, text};
use super::problem::DatabaseError;
use crate::decide::notification::QueuedNotification;
use crate::decide::typed_json::read_typed;

/// All of them, the oldest first.
pub(super) fn all(connection: &Connection) -> Result<Vec<QueuedNotification>, DatabaseError> {
    if check(connection, "notification").is_err() {
        return Ok(Vec::new());
    }
    let mut rows = connection.prepare("SELECT notification FROM notification ORDER BY id")?;
    let mut rows = rows.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.extend(read_typed::<QueuedNotification>(text(row, 0)?.as_bytes()).ok());
    }
    Ok(all)
}

/// Writes the rows that changed.
pub(super) fn save(writing: &Connection, rows: &[(u64, Option<QueuedNotification>)]) -> rusqlite::Result<()> {
    for (number, row) in rows {
        // A number is a time in milliseconds, far below the largest that a column takes.
        let id = i64::try_from(*number).unwrap_or(i64::MAX);
        let Some(queued) = row else {
            writing.prepare("DELETE FROM notification WHERE id = ?1")?.execute([id])?;
            continue;
        };
        let rollout = Some(&queued.lane).filter(|lane| !lane.contains(':'));
        let due = i64::try_from(queued.due.0).unwrap_or(i64::MAX);
        writing.prepare("INSERT OR REPLACE INTO notification VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
            id,
            queued.target,
            rollout,
            due,
            as_json(queued)?
        ])?;
    }
    Ok(())
}
