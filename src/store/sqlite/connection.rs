//! The connection to the database of a directory that can be written.
//!
//! Owns the way to the file, through no link, and the terms on which it is written: a rollback journal and full
//! synchronisation. Makes the tables where they are missing and upgrades those of an earlier version. Sets no database
//! aside. Invariant: a connection is given only to the file of the directory that was looked at.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::contents::{Contents, contents, version};
use super::problem::DatabaseError;
use super::schema::{ADDED, ADDED_STATE, EARLIEST, FILE, KEEPS_HISTORY, SCHEMA, VERSION};
use crate::decide::units::UnixMillis;
use crate::store::dir_handle::DirHandle;
use crate::store::upgrade::upgrade;

/// The database's path, once it is certain that neither it nor what SQLite keeps beside it leads anywhere else. SQLite
/// opens by path: through no link of this directory, and only where the path leads to the directory that was looked at.
pub(super) fn checked(folder: &DirHandle, dir: &Path) -> io::Result<PathBuf> {
    for name in [FILE, &format!("{FILE}-journal"), &format!("{FILE}-wal"), &format!("{FILE}-shm")] {
        match folder.file_in(name, u64::MAX) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("`{name}`: {error}"))),
        }
    }
    let real = dir.canonicalize()?;
    let (looked_at, found) = (folder.file().metadata()?, real.metadata()?);
    if (looked_at.dev(), looked_at.ino()) != (found.dev(), found.ino()) {
        return Err(io::Error::other("the directory was replaced while it was opened"));
    }
    Ok(real.join(FILE))
}

// With the connection, and what was in it, why it cannot be written just now: a full disk may have room later.
pub(in crate::store) fn open_for_writing(
    dir: &Path,
    now: UnixMillis,
) -> Result<(Connection, Contents, Option<String>), DatabaseError> {
    // Made here and not by SQLite: the file holds flags.yaml, and is its owner's only.
    let folder = DirHandle::open(dir)?;
    folder.file_to_write(FILE, 0o600)?;
    let path = checked(&folder, dir)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(Duration::from_millis(500))?;
    connection.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        let making = connection.transaction()?;
        making.execute_batch(SCHEMA)?;
        making.execute_batch(ADDED)?;
        making.execute_batch(ADDED_STATE)?;
        making.execute_batch(KEEPS_HISTORY)?;
        making.commit()?;
    }
    let unread = if (EARLIEST..VERSION).contains(&version(&connection)?) {
        upgrade(&mut connection, &folder, now)?
    } else {
        Vec::new()
    };
    let mut contents = contents(&connection)?;
    contents.notes.extend(unread);
    // Whether it can be written is known now, and not at the first rollback.
    let opened = match try_to_write(&mut connection, &contents).map_err(DatabaseError::from) {
        Ok(()) => None,
        Err(DatabaseError::Refused(why)) => Some(why),
        Err(unreadable) => return Err(unreadable),
    };
    Ok((connection, contents, opened))
}

// Of the history only the pages are looked at that the next line of each rollout goes to. All of it is taken back, so
// that no start waits for the disk to keep it: what is written is the journal, and of the database nothing. The first
// batch finds out the rest.
fn try_to_write(connection: &mut Connection, contents: &Contents) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let tried = write_and_abort(connection, contents);
    connection.pragma_update(None, "synchronous", "FULL")?;
    tried
}

fn write_and_abort(connection: &mut Connection, contents: &Contents) -> rusqlite::Result<()> {
    let writing = connection.transaction()?;
    writing.execute("INSERT OR REPLACE INTO kept VALUES ('last_good', '')", [])?;
    let mut line = writing.prepare("INSERT INTO history (rollout, event) VALUES (?1, '')")?;
    let rollouts = contents.states.iter().map(|(identity, _)| Some(identity.rollout.as_str()));
    for rollout in rollouts.chain([None]) {
        line.execute(params![rollout])?;
    }
    drop(line);
    writing.rollback()
}
