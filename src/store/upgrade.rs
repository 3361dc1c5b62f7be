//! A database of an earlier version, made this version's: all of it in one transaction, and what it was is kept beside
//! it.
//!
//! The copy is on the disk before anything is changed, under a name that says which version it is of; it belongs to the
//! directory's owner, as the database does. Whatever ends an upgrade (a kill, a full disk, somebody else's lock) leaves
//! the database as it was, to be upgraded by the next start. What was said in a sentence stays that sentence, and
//! numbers become numbers where they can be read. Invariant: no field is dropped that nobody is told of.

use rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::Value;

use super::dir_handle::DirHandle;
use super::sqlite::{self, DatabaseError, FILE, KEEPS_HISTORY};
use crate::decide::event::{Action, Actor, Event, Figure, Reason};
use crate::decide::guard::analysis::Analysis;
use crate::decide::rollout::state::RolloutState;
use crate::decide::units::{Percent, UnixMillis};

/// The earliest version that is read.
pub(super) const EARLIEST: i64 = 1;
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
    sqlite::check(connection, "")?;
    let contents = sqlite::contents(connection)?;
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
    tracing::info!(
        "the state was upgraded from version {from} to version {}: the original is kept as {copy}",
        sqlite::VERSION
    );
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
fn rewrite(writing: &Connection, contents: &sqlite::Contents) -> Result<usize, DatabaseError> {
    for (identity, state) in &contents.states {
        sqlite::put_state(writing, identity, state)?;
    }
    writing.execute_batch("DROP TRIGGER IF EXISTS history_keeps")?;
    let (mut unread, mut last) = (0, i64::MIN);
    loop {
        let mut lines = writing.prepare("SELECT id, event FROM history WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let lines = lines.query_map(params![last, AT_A_TIME], |row| Ok((row.get(0)?, sqlite::text(row, 1)?)))?;
        let lines: Vec<(i64, String)> = lines.collect::<Result<_, _>>()?;
        let Some((newest, _)) = lines.last() else { break };
        last = *newest;
        for (id, text) in &lines {
            match event(text) {
                Some(event) => {
                    let text = sqlite::as_json(&event)?;
                    writing.execute("UPDATE history SET event = ?1 WHERE id = ?2", params![text, id])?;
                }
                None => unread += 1,
            }
        }
    }
    writing.execute_batch(KEEPS_HISTORY)?;
    writing.pragma_update(None, "user_version", sqlite::VERSION)?;
    Ok(unread)
}

/// A line of the history as version 1 wrote it.
#[derive(Deserialize)]
struct First {
    at: UnixMillis,
    rollout: Option<String>,
    actor: Actor,
    action: Action,
    reason: String,
    from: Percent,
    to: Percent,
    #[serde(default)]
    numbers: Vec<(String, String)>,
    generation: u64,
}

const KNOWN: [&str; 9] = ["at", "rollout", "actor", "action", "reason", "from", "to", "numbers", "generation"];

/// An event that version 1 wrote; `None`: it makes no sense.
pub(super) fn event(text: &str) -> Option<Event> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return None };
    let unknown = members.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
    let others: Vec<(String, Figure)> =
        unknown.map(|(name, value)| (name.clone(), Figure::Text(value.to_string()))).collect();
    let First { at, rollout, actor, action, reason, from, to, numbers, generation } =
        serde_json::from_value(Value::Object(members)).ok()?;
    let numbers = numbers.into_iter().map(|(name, value)| {
        let figure = figure(&name, &value);
        (name, figure)
    });
    let numbers: Vec<(String, Figure)> = numbers.chain(others).collect();
    let reason = match numbers.is_empty() {
        true => Reason::Said { text: reason },
        false => Reason::Earlier { text: reason, numbers },
    };
    Some(Event { at, rollout, actor, action, reason, from, to, generation })
}

/// Numbers whose values are words.
const WORDS: [&str; 7] = ["rule", "counted", "kind", "would_change", "remedy", "refuses_most", "failed_as"];

fn figure(name: &str, value: &str) -> Figure {
    let number = || value.parse().ok().or_else(|| value.strip_suffix('%')?.parse().ok()).or_else(|| seconds(value));
    match (!WORDS.contains(&name)).then(number).flatten().filter(|number: &f64| number.is_finite()) {
        Some(number) => Figure::Number(number),
        None => Figure::Text(value.to_owned()),
    }
}

/// A length of time in its largest whole unit, as limits were written: `30m`, `1499ms`.
fn seconds(value: &str) -> Option<f64> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    let (number, unit) = units.iter().find_map(|(unit, length)| Some((value.strip_suffix(unit)?, length)))?;
    let number: u32 = number.parse().ok()?;
    Some(f64::from(number) * unit)
}

/// What is dropped of a state that was read: the paths of what this version does not know.
pub(super) fn dropped(stored: &Value, state: &RolloutState) -> Vec<String> {
    let (mut found, mut stored) = (Vec::new(), stored.clone());
    if let Some(judge) = stored.as_object_mut().and_then(|members| members.remove("judge"))
        && let Ok(kept) = serde_json::to_value(&state.analysis)
    {
        if judge.is_null() || serde_json::from_value::<Analysis>(judge.clone()).is_ok() {
            compare("judge", &judge, &kept, &mut found);
        } else {
            found.push("judge (all of the guard's evidence: it starts again)".to_owned());
        }
    }
    if let Ok(kept) = serde_json::to_value(state) {
        compare("", &stored, &kept, &mut found);
    }
    found
}

fn compare(path: &str, stored: &Value, kept: &Value, found: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (stored, kept) {
        // There was one threshold for all requests, with which each kind goes on.
        (Value::Object(one), Value::Object(kinds))
            if path.ends_with("slow_threshold") && kinds.contains_key("whole") && !one.contains_key("whole") => {}
        (Value::Object(stored), Value::Object(kept)) => {
            for (name, value) in stored {
                match kept.get(name) {
                    Some(kept) => compare(&below(name), value, kept, found),
                    None if is_nothing(value) => {}
                    None => found.push(below(name)),
                }
            }
        }
        (Value::Array(stored), Value::Array(kept)) => {
            if stored.len() > kept.len() {
                found.push(format!("{path} ({} of {})", stored.len() - kept.len(), stored.len()));
            }
            for (index, (stored, kept)) in stored.iter().zip(kept).enumerate() {
                compare(&below(&index.to_string()), stored, kept, found);
            }
        }
        _ => {}
    }
}

// What is left out where it says nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
