//! Whether the whole history can still be read: looked at after the start, a few lines at a time, and told by the log.
//!
//! The history of years is large, and nobody who starts needs it: what is in force stands elsewhere, and whether lines
//! can be added is tried with the opening. So damage in old lines is no reason to set a state aside, and keeps no
//! request waiting. Owns how far was looked. Refuses to mend anything. Invariant: between two looks whoever asks the
//! store comes first.

use std::time::Duration;

use rusqlite::{Connection, params};

/// So many lines at a time: less than a millisecond's reading.
const AT_A_TIME: u32 = 250;
/// Between two looks: a start has other things to do.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// How far the history was looked through.
#[derive(Debug)]
pub(super) struct HistoryCheck {
    last: i64,
}

impl HistoryCheck {
    pub(super) const fn new() -> HistoryCheck {
        HistoryCheck { last: i64::MIN }
    }

    /// Looks at the next lines; whether there may be more. Every byte of them is read.
    ///
    /// # Errors
    /// What is damaged, in the database's words.
    pub(super) fn look(&mut self, connection: &Connection) -> Result<bool, String> {
        let next = "SELECT max(id), sum(length(CAST(event AS BLOB))), max(rollout) \
                    FROM (SELECT id, event, rollout FROM history WHERE id > ?1 ORDER BY id LIMIT ?2)";
        let last: rusqlite::Result<Option<i64>> =
            connection.query_row(next, params![self.last, AT_A_TIME], |row| row.get(0));
        let Some(last) = last.map_err(|error| error.to_string())? else { return Ok(false) };
        self.last = last;
        Ok(true)
    }
}
