//! What the tables hold, read and written line by line.
//!
//! Owns what is in the columns, and the JSON in them. Opens no file and decides nothing about
//! one that cannot be read. Invariant: a batch is written in one transaction, whole or not at all; a damaged line of
//! the history takes no other line with it.

use rusqlite::{Connection, OptionalExtension, params};

pub(in crate::store) use super::columns::{as_json, check, text};
use super::problem::DatabaseError;
use super::schema::{EARLIEST, TYPED_HISTORY, VERSION, WITH_SERIES, WITH_STATE};
use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::notification::QueuedNotification;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::typed_json::read_typed;
use crate::state::state_ids::KeptStateIds;
use crate::store::batch::Batch;
use crate::store::upgrade::{dropped, first_version};

/// So many fields that are not read are named.
const MOST_FIELDS: usize = 8;

pub(in crate::store) struct Contents {
    pub(in crate::store) version: i64,
    pub(in crate::store) states: Vec<(Identity, RolloutState)>,
    pub(super) notifications: Vec<QueuedNotification>,
    pub(super) incidents: Vec<(String, String)>,
    pub(super) last_good: Option<String>,
    pub(super) keys: Option<String>,
    pub(super) copies: Option<String>,
    pub(super) state_ids: KeptStateIds,
    // What could not be read of it, one sentence each.
    pub(in crate::store) notes: Vec<String>,
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

pub(in crate::store) fn contents(connection: &Connection) -> Result<Contents, DatabaseError> {
    let version = version(connection)?;
    if !(EARLIEST..=VERSION).contains(&version) {
        let why = if version > VERSION { "written by a newer version of serin" } else { "not serin's" };
        return Err(DatabaseError::Unreadable(format!(
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
        let unreadable =
            |error: serde_json::Error| DatabaseError::Unreadable(format!("the state of `{name}`: {error}"));
        let state = read_typed(text.as_bytes()).map_err(unreadable)?;
        notes.extend(unknown(
            name,
            &dropped::dropped(&serde_json::from_slice(text.as_bytes()).map_err(unreadable)?, &state),
        ));
        states.push((identity, state));
    }
    let kept = |name: &str| {
        connection.query_row("SELECT value FROM kept WHERE name = ?1", [name], |row| row.get(0)).optional()
    };
    let (last_good, keys, copies) = (kept("last_good")?, kept("keys")?, kept("copies")?);
    let notifications = if version < WITH_SERIES { Vec::new() } else { super::queued::all(connection)? };
    let incidents = if version < WITH_SERIES { Vec::new() } else { super::incidents::newest(connection)? };
    let state_ids = if version < WITH_STATE { KeptStateIds::default() } else { super::state_ids::all(connection)? };
    Ok(Contents { version, states, notifications, incidents, last_good, keys, copies, state_ids, notes })
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

/// The time that a line begins with, where it has one.
const TIMES: &str = "(event NOT LIKE '{\"at\":%' OR \
    (?2 IS NULL OR CAST(substr(event, 7, 20) AS INTEGER) >= ?2) AND \
    (?3 IS NULL OR CAST(substr(event, 7, 20) AS INTEGER) <= ?3))";

/// Which lines are read at all, and the words to look for: a line needs one of each list. Each line that is read is
/// held against the filter afterwards, so that these conditions may let too many pass.
fn conditions(lists: &[Vec<String>]) -> (String, Vec<&String>) {
    let mut text = TIMES.to_owned();
    let mut words = Vec::new();
    for list in lists.iter().filter(|list| !list.is_empty()) {
        let one_of = list.iter().map(|word| {
            words.push(word);
            format!("instr(event, ?{}) > 0", words.len() + 3)
        });
        text.push_str(&format!(" AND ({})", one_of.collect::<Vec<_>>().join(" OR ")));
    }
    (text, words)
}

pub(super) fn history(
    connection: &Connection,
    version: i64,
    filter: &HistoryFilter,
    limit: u32,
) -> rusqlite::Result<Vec<Event>> {
    let mut events = Vec::new();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let current = version >= TYPED_HISTORY;
    let written = |key: &str, values: &[String]| -> Vec<String> {
        let words = values.iter().filter_map(|value| serde_json::to_string(value).ok());
        words.filter(|_| current).map(|value| format!("\"{key}\":{value}")).collect()
    };
    let actions: Vec<String> = filter.actions.iter().map(ToString::to_string).collect();
    let actors: Vec<String> = filter.actors.iter().map(ToString::to_string).collect();
    let lists = [written("action", &actions), written("actor", &actors)];
    let [since, until] =
        [filter.since, filter.until].map(|at| at.filter(|_| current).map(|at| i64::try_from(at.0).unwrap_or(i64::MAX)));
    let whose = if filter.rollout.is_some() { "rollout = ?1" } else { "?1 IS NULL" };
    let (conditions, words) = conditions(&lists);
    let lines = format!("SELECT event FROM history WHERE {whose} AND {conditions} ORDER BY id DESC");
    let mut rows = connection.prepare(&lines)?;
    let mut values: Vec<&dyn rusqlite::ToSql> = vec![&filter.rollout, &since, &until];
    values.extend(words.iter().map(|word| *word as &dyn rusqlite::ToSql));
    let mut rows = rows.query(&values[..])?;
    while events.len() < limit
        && let Some(row) = rows.next()?
    {
        let text = text(row, 0)?;
        // A line that makes no sense is left out; the others are still told.
        let event =
            if version < TYPED_HISTORY { first_version::event(&text) } else { read_typed(text.as_bytes()).ok() };
        events.extend(event.filter(|event| filter.fits(event)));
    }
    Ok(events)
}

pub(super) fn save(connection: &mut Connection, batch: &Batch) -> Result<(), String> {
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
        super::queued::save(&writing, &batch.notifications)?;
        super::incidents::save(&writing, &batch.incidents)?;
        if let Some(text) = &batch.last_good {
            writing.prepare("INSERT OR REPLACE INTO kept VALUES ('last_good', ?1)")?.execute(params![text.as_ref()])?;
        }
        if let Some(text) = &batch.keys {
            writing.prepare("INSERT OR REPLACE INTO kept VALUES ('keys', ?1)")?.execute(params![text.as_ref()])?;
        }
        if let Some(text) = &batch.copies {
            writing.prepare("INSERT OR REPLACE INTO kept VALUES ('copies', ?1)")?.execute(params![text.as_ref()])?;
        }
        writing.commit()
    };
    write(connection).map_err(|error| error.to_string())
}

pub(in crate::store) fn put_state(
    writing: &Connection,
    identity: &Identity,
    state: &RolloutState,
) -> rusqlite::Result<()> {
    let Identity { rollout, stable, canary, salt } = identity;
    let mut row = writing.prepare("INSERT OR REPLACE INTO rollout VALUES (?1, ?2, ?3, ?4, ?5)")?;
    row.execute(params![rollout, stable, canary, salt, as_json(state)?])?;
    Ok(())
}
