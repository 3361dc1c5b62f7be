//! The table of incident reports.
//!
//! Owns its columns. A report is written in the transaction of its rollback, and once more when it is complete. One that
//! cannot be read is left out. Invariant: the newest [`MOST_INCIDENTS`] are kept, and no others.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::columns::{as_json, check, text};
use super::problem::DatabaseError;
use crate::decide::incident::{Incident, MOST_INCIDENTS};
use crate::decide::typed_json::read_typed;

/// The newest report of each rollout: its name and the report's id.
pub(super) fn newest(connection: &Connection) -> Result<Vec<(String, String)>, DatabaseError> {
    if check(connection, "incident").is_err() {
        return Ok(Vec::new());
    }
    let mut rows = connection.prepare("SELECT rollout, id, max(at) FROM incident GROUP BY rollout")?;
    let rows = rows.query_map([], |row| Ok((text(row, 0)?, text(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The report with this id, or all of them, newest first.
pub(super) fn read(connection: &Connection, id: Option<&str>) -> rusqlite::Result<Vec<Incident>> {
    let one = "SELECT incident FROM incident WHERE id = ?1";
    let all = "SELECT incident FROM incident WHERE ?1 IS NULL ORDER BY at DESC, id DESC";
    let mut rows = connection.prepare(if id.is_some() { one } else { all })?;
    let mut rows = rows.query([id])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(read_typed::<Incident>(text(row, 0)?.as_bytes()).ok());
    }
    Ok(found)
}

pub(super) fn save(writing: &Connection, incidents: &[Arc<Incident>]) -> rusqlite::Result<()> {
    if incidents.is_empty() {
        return Ok(());
    }
    for incident in incidents {
        let at = i64::try_from(incident.event.at.0).unwrap_or(i64::MAX);
        writing.prepare("INSERT OR REPLACE INTO incident VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            incident.id,
            at,
            incident.event.rollout,
            as_json(incident.as_ref())?
        ])?;
    }
    writing.execute(
        "DELETE FROM incident WHERE id NOT IN (SELECT id FROM incident ORDER BY at DESC, id DESC LIMIT ?1)",
        [i64::try_from(MOST_INCIDENTS).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}
