//! The tables of ids and of who keeps what they stand for.
//!
//! Owns their columns. Some changes are written in one transaction, apart from what must not wait for them. What cannot
//! be read is left out: an id that is not known is found again. Invariant: an id is written after its owner, or with
//! it.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::columns::{check, text};
use super::problem::DatabaseError;
use crate::state::state_ids::{KeptStateIds, Owner, OwnerId, StateChange, StateChanges, StateKey};

/// Under which name the secret is kept that ids are hashed with.
const SECRET: &str = "state_secret";
/// More ids than any file allows.
const MOST_IDS: u32 = 5_000_000;

/// All that is kept, the id that was used least recently first.
pub(super) fn all(connection: &Connection) -> Result<KeptStateIds, DatabaseError> {
    if check(connection, "state_id").is_err() || check(connection, "state_owner").is_err() {
        return Ok(KeptStateIds::default());
    }
    let secret: Option<String> =
        connection.query_row("SELECT value FROM kept WHERE name = ?1", [SECRET], |row| row.get(0)).optional()?;
    let Some(secret) = secret.as_deref().and_then(bytes_of) else { return Ok(KeptStateIds::default()) };
    let mut owners = Vec::new();
    let mut rows = connection.prepare("SELECT number, name, base_url FROM state_owner ORDER BY number")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let Ok(number) = u16::try_from(row.get::<_, i64>(0)?) else { continue };
        owners.push((OwnerId(number), Owner { name: text(row, 1)?, base_url: text(row, 2)? }));
    }
    let mut ids = Vec::new();
    let mut rows = connection.prepare("SELECT id, owner, used FROM state_id LIMIT ?1")?;
    let mut rows = rows.query([MOST_IDS])?;
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_bytes().ok().and_then(|bytes| bytes.try_into().ok()).map(u128::from_be_bytes);
        let (owner, used) = (u16::try_from(row.get::<_, i64>(1)?), u32::try_from(row.get::<_, i64>(2)?));
        if let (Some(key), Ok(owner), Ok(used)) = (key, owner, used) {
            ids.push((StateKey(key), OwnerId(owner), used));
        }
    }
    ids.sort_by_key(|(_, _, used)| *used);
    Ok(KeptStateIds { secret: Some(secret), owners, ids })
}

pub(super) fn record(connection: &mut Connection, changes: &StateChanges) -> Result<(), String> {
    let write = |connection: &mut Connection| -> rusqlite::Result<()> {
        let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(secret) = &changes.secret {
            // Ids that were hashed with another one are of no use.
            writing.execute_batch("DELETE FROM state_id; DELETE FROM state_owner")?;
            writing.execute("INSERT OR REPLACE INTO kept VALUES (?1, ?2)", params![SECRET, hex(secret)])?;
        }
        for (number, Owner { name, base_url }) in &changes.owners {
            let mut row = writing.prepare("INSERT OR REPLACE INTO state_owner VALUES (?1, ?2, ?3)")?;
            row.execute(params![number.0, name, base_url])?;
        }
        let mut keep = writing.prepare("INSERT OR REPLACE INTO state_id VALUES (?1, ?2, ?3)")?;
        let mut forget = writing.prepare("DELETE FROM state_id WHERE id = ?1")?;
        for change in &changes.changes {
            match change {
                StateChange::Keep { key, owner, used } => {
                    keep.execute(params![key.0.to_be_bytes(), owner.0, used])?;
                }
                StateChange::Forget(key) => {
                    forget.execute(params![key.0.to_be_bytes()])?;
                }
            }
        }
        drop((keep, forget));
        writing.commit()
    };
    write(connection).map_err(|error| error.to_string())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into memory has no way to fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}
