//! The tables of the database, and the versions of them that are read.
//!
//! Owns the file's name, the statements that make the tables, and the numbers of versions. What the columns hold is
//! [`contents`](mod@super::contents)'. Invariant: the history is append-only by a trigger; the tables of
//! [`ADDED`] and [`ADDED_STATE`] are not: their rows age out.

/// The database's file name.
pub const FILE: &str = "serin.db";

pub(super) const SCHEMA: &str = "
    CREATE TABLE rollout (
        name TEXT NOT NULL, stable TEXT NOT NULL, canary TEXT NOT NULL, salt TEXT NOT NULL, state TEXT NOT NULL,
        PRIMARY KEY (name, stable, canary, salt)
    ) WITHOUT ROWID;
    CREATE TABLE history (id INTEGER PRIMARY KEY AUTOINCREMENT, rollout TEXT, event TEXT NOT NULL);
    CREATE INDEX history_by_rollout ON history (rollout, id);
    CREATE TRIGGER history_stays BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
    CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 4;
";

/// What version 3 added. Times are unix milliseconds, and a column that is named after its table holds JSON. `step` is
/// in seconds. `notification` is a queue: the lowest `id` of a target is the oldest, and `due` is when it is tried
/// next.
pub(in crate::store) const ADDED: &str = "
    CREATE TABLE series (
        rollout TEXT NOT NULL, step INTEGER NOT NULL, at INTEGER NOT NULL, points BLOB NOT NULL,
        PRIMARY KEY (rollout, step, at)
    ) WITHOUT ROWID;
    CREATE TABLE notification (
        id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, rollout TEXT, due INTEGER NOT NULL,
        notification TEXT NOT NULL
    );
    CREATE INDEX notification_by_due ON notification (due);
    CREATE TABLE incident (id TEXT PRIMARY KEY, at INTEGER NOT NULL, rollout TEXT NOT NULL, incident TEXT NOT NULL);
    CREATE INDEX incident_by_at ON incident (at);
";

/// What version 4 added: who keeps what an id stands for. `id` is a hash, `owner` a number of `state_owner`, and `used`
/// a unix time in seconds.
pub(in crate::store) const ADDED_STATE: &str = "
    CREATE TABLE state_owner (number INTEGER PRIMARY KEY, name TEXT NOT NULL, base_url TEXT NOT NULL);
    CREATE TABLE state_id (id BLOB PRIMARY KEY, owner INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
";

/// No line of the history is ever changed, but by an upgrade.
pub(in crate::store) const KEEPS_HISTORY: &str = "
    CREATE TRIGGER history_keeps BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
";

/// What this version writes and reads.
pub(in crate::store) const VERSION: i64 = 4;
/// The first version whose history has events of today's shape.
pub(in crate::store) const TYPED_HISTORY: i64 = 2;
/// The first version with the tables of [`ADDED`].
pub(in crate::store) const WITH_SERIES: i64 = 3;
/// The first version with the tables of [`ADDED_STATE`].
pub(super) const WITH_STATE: i64 = 4;
/// The earliest version that is read.
pub(in crate::store) const EARLIEST: i64 = 1;
