//! The table of series: blocks are added, longer steps are made of shorter ones, and what is too old is removed.
//!
//! A block that is there already is added to, since a restart may have fallen into it. Ten minutes are made of their tens
//! of seconds as soon as a later one is written. What is removed at a time is bounded, so that whoever else asks the
//! store never waits long. Knows nothing of rollouts and their states. Invariant: what is written together is written in
//! one transaction, and a line that cannot be read takes no other with it.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::decide::series::encoding::{decode, encode};
use crate::decide::series::{Points, Step, roll_up};
use crate::decide::units::UnixMillis;
use crate::store::series::{SeriesBlock, SeriesQuery};

/// So many lines of a step are removed at a time; one is added every ten seconds.
const REMOVED_AT_A_TIME: u32 = 100;
/// Rollouts whose series are kept. Of more, those that were seen last.
const MOST_ROLLOUTS: usize = 200;
/// So many lines are read for one query at most.
const MOST_LINES: u32 = 20_000;

/// Keeps blocks, oldest first.
pub(super) fn record(connection: &mut Connection, blocks: &[SeriesBlock]) -> Result<(), String> {
    let write = |connection: &mut Connection| -> rusqlite::Result<()> {
        let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut finished = None;
        for block in blocks {
            if block.step == Step::TenSeconds && finish_ten_minutes(&writing, block)? {
                finished = finished.max(Some(block.at));
            }
            put(&writing, block)?;
            remove_old(&writing, &block.rollout, block.step, block.at)?;
        }
        if let Some(now) = finished {
            sweep(&writing, now)?;
        }
        writing.commit()
    };
    write(connection).map_err(|error| error.to_string())
}

fn put(writing: &Connection, block: &SeriesBlock) -> rusqlite::Result<()> {
    let SeriesBlock { rollout, step, at, bytes } = block;
    let mut known = writing.prepare("SELECT points FROM series WHERE rollout = ?1 AND step = ?2 AND at = ?3")?;
    let known = known.query_row(params![rollout, seconds(*step), stamp(*at)], bytes_of).optional()?;
    let mut row = writing.prepare("INSERT OR REPLACE INTO series VALUES (?1, ?2, ?3, ?4)")?;
    let merged = known.and_then(|known| {
        let (mut all, new) = (decode(*at, *step, &known)?, decode(*at, *step, bytes)?);
        roll_up(&mut all, new.iter().map(|(at, point)| (*at, point)), *step);
        Some(encode(*at, *step, &all))
    });
    row.execute(params![rollout, seconds(*step), stamp(*at), merged.as_ref().unwrap_or(bytes)])?;
    Ok(())
}

/// Makes the ten minutes before this block of their tens of seconds, where it is the first after them.
fn finish_ten_minutes(writing: &Connection, block: &SeriesBlock) -> rusqlite::Result<bool> {
    let latest = "SELECT max(at) FROM series WHERE rollout = ?1 AND step = ?2 AND at < ?3";
    let mut latest = writing.prepare(latest)?;
    let (ten_seconds, at) = (seconds(Step::TenSeconds), stamp(block.at));
    let latest: Option<i64> = latest.query_row(params![block.rollout, ten_seconds, at], |row| row.get(0))?;
    let Some(latest) = latest.and_then(|at| u64::try_from(at).ok()) else { return Ok(false) };
    let start = Step::TenMinutes.start_of(UnixMillis(latest));
    if start == Step::TenMinutes.start_of(block.at) {
        return Ok(false);
    }
    let end = UnixMillis(start.0 + Step::TenMinutes.millis());
    let tens = read(writing, &block.rollout, Step::TenSeconds, start, end)?;
    let mut whole = Points::new();
    roll_up(&mut whole, tens.iter().map(|(at, point)| (*at, point)), Step::TenMinutes);
    let mut row = writing.prepare("INSERT OR REPLACE INTO series VALUES (?1, ?2, ?3, ?4)")?;
    let bytes = encode(start, Step::TenMinutes, &whole);
    row.execute(params![block.rollout, seconds(Step::TenMinutes), stamp(start), bytes])?;
    Ok(true)
}

fn remove_old(writing: &Connection, rollout: &str, step: Step, now: UnixMillis) -> rusqlite::Result<()> {
    remove_before(writing, rollout, step, UnixMillis(now.0.saturating_sub(step.kept().0)))
}

fn remove_before(writing: &Connection, rollout: &str, step: Step, before: UnixMillis) -> rusqlite::Result<()> {
    let some = "DELETE FROM series WHERE rollout = ?1 AND step = ?2 AND at < ?3 AND at < coalesce(
        (SELECT at FROM series WHERE rollout = ?1 AND step = ?2 ORDER BY at LIMIT 1 OFFSET ?4), ?3)";
    let mut some = writing.prepare(some)?;
    some.execute(params![rollout, seconds(step), stamp(before), REMOVED_AT_A_TIME])?;
    Ok(())
}

/// Removes what is too old of every rollout, and of rollouts beyond the most some of all.
fn sweep(writing: &Connection, now: UnixMillis) -> rusqlite::Result<()> {
    // One look at the index a name, however many lines each has.
    let names = "WITH RECURSIVE names(name) AS (
            SELECT min(rollout) FROM series
            UNION ALL SELECT (SELECT min(rollout) FROM series WHERE rollout > name) FROM names WHERE name IS NOT NULL
        ) SELECT name, (SELECT max(at) FROM series WHERE rollout = name AND step = ?1) FROM names WHERE name IS NOT NULL";
    let mut names = writing.prepare(names)?;
    let rows = names.query_map([seconds(Step::TenSeconds)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut known: Vec<(String, Option<i64>)> = rows.collect::<Result<_, _>>()?;
    known.sort_by_key(|(_, newest)| std::cmp::Reverse(*newest));
    for (place, (name, _)) in known.iter().enumerate() {
        for step in Step::ALL {
            match place < MOST_ROLLOUTS {
                true => remove_old(writing, name, step, now)?,
                false => remove_before(writing, name, step, UnixMillis(i64::MAX as u64))?,
            }
        }
    }
    Ok(())
}

/// The points of a range. Of the ten minutes that are not over, what there is.
pub(super) fn series(connection: &Connection, query: &SeriesQuery) -> rusqlite::Result<Points> {
    let SeriesQuery { rollout, step, from, to } = query;
    let mut points = read(connection, rollout, *step, *from, *to)?;
    if *step == Step::TenMinutes {
        let made = points.last_key_value().map(|(at, _)| UnixMillis(at.0 + step.millis()));
        let rest = read(connection, rollout, Step::TenSeconds, made.unwrap_or(*from), *to)?;
        roll_up(&mut points, rest.iter().map(|(at, point)| (*at, point)), *step);
    }
    Ok(points)
}

fn read(
    connection: &Connection,
    rollout: &str,
    step: Step,
    from: UnixMillis,
    to: UnixMillis,
) -> rusqlite::Result<Points> {
    // A block of seconds begins before what is asked for of it.
    let first = Step::TenSeconds.start_of(from).min(from);
    let lines = "SELECT at, points FROM series WHERE rollout = ?1 AND step = ?2 AND at >= ?3 AND at < ?4
        ORDER BY at LIMIT ?5";
    let mut lines = connection.prepare(lines)?;
    let mut lines = lines.query(params![rollout, seconds(step), stamp(first), stamp(to), MOST_LINES])?;
    let mut points = Points::new();
    while let Some(line) = lines.next()? {
        let at = UnixMillis(u64::try_from(line.get::<_, i64>(0)?).unwrap_or_default());
        let bytes = line.get_ref(1)?.as_bytes_or_null().ok().flatten().unwrap_or_default();
        points.extend(decode(at, step, bytes).unwrap_or_default());
    }
    points.retain(|at, _| (from..to).contains(at));
    Ok(points)
}

fn bytes_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Vec<u8>> {
    Ok(row.get_ref(0)?.as_bytes_or_null().ok().flatten().unwrap_or_default().to_vec())
}

const fn seconds(step: Step) -> i64 {
    step.seconds() as i64
}

fn stamp(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
