//! What every table has: a column of text, a column of JSON, and a look at whether a table makes sense.
//!
//! Knows no table. A damaged column is read as far as it goes, so that one line takes no other with it. Invariant: what
//! was written as JSON is read as the same value.

use rusqlite::Connection;

use super::problem::DatabaseError;

/// Whether this table and its indexes make sense, as far as a look at each page tells; `""`: every table.
pub(in crate::store) fn check(connection: &Connection, table: &str) -> Result<(), DatabaseError> {
    let which = if table.is_empty() { "1" } else { table };
    let sound: String = connection.query_row(&format!("PRAGMA quick_check({which})"), [], |row| row.get(0))?;
    if sound == "ok" { Ok(()) } else { Err(DatabaseError::Unreadable(sound)) }
}

/// A column as text, whatever became of it on the disk: a damaged line must not take the others with it.
pub(in crate::store) fn text(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<String> {
    let value = row.get_ref(column)?;
    Ok(value
        .as_bytes_or_null()
        .ok()
        .flatten()
        .map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned()))
}

pub(in crate::store) fn as_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
