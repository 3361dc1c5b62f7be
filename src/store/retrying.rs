//! A database in a directory that could not be written at the start: opened with the first write that succeeds.
//!
//! Until then every write is answered with why it fails, and the history is what could be read. A directory that turns
//! out to hold other states than those that were read (a volume that was mounted late) is not written over: nobody has
//! looked at its locks and rollbacks, so that takes a restart.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::dir::{self, DirLock};
use super::sqlite::connection::open_for_writing;
use super::sqlite::problem::DatabaseError;
use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::units::UnixMillis;

pub(super) struct RetryingDatabase {
    dir: PathBuf,
    // What the process began with.
    states: Vec<(Identity, RolloutState)>,
    // Newest first.
    events: Vec<Event>,
    claimed: bool,
    // Held as long as the process lives.
    claim: Option<DirLock>,
    connection: Option<Connection>,
}

impl RetryingDatabase {
    /// `claimed`: whether the directory is this process's already.
    pub(super) fn new(
        dir: &Path,
        states: Vec<(Identity, RolloutState)>,
        events: Vec<Event>,
        claimed: bool,
    ) -> RetryingDatabase {
        RetryingDatabase { dir: dir.to_owned(), states, events, claimed, claim: None, connection: None }
    }

    /// The database, opened where that is possible now.
    pub(super) fn connection(&mut self, now: UnixMillis) -> Result<&mut Connection, String> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open(now)?,
        };
        Ok(self.connection.insert(connection))
    }

    fn open(&mut self, now: UnixMillis) -> Result<Connection, String> {
        if !self.claimed {
            let claim = dir::claim(&self.dir).map_err(|error| error.to_string())?;
            if let Some(error) = claim.error {
                return Err(error);
            }
            (self.claim, self.claimed) = (Some(claim), true);
        }
        let (connection, found, error) = open_for_writing(&self.dir, now)
            .map_err(|(DatabaseError::Unreadable(why) | DatabaseError::Refused(why))| why)?;
        for note in &found.notes {
            tracing::warn!("{note}");
        }
        if found.states != self.states {
            return Err("it has states that were not there at the start: restart serin to load them".to_owned());
        }
        error.map_or(Ok(connection), Err)
    }

    /// The open database, if it is by now.
    pub(super) fn opened(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// The same, to be written.
    pub(super) fn opened_to_write(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// What could be read at the start.
    pub(super) fn history(&self, filter: &HistoryFilter, limit: u32) -> Vec<Event> {
        let wanted = self.events.iter().filter(|event| filter.fits(event));
        wanted.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
    }
}
