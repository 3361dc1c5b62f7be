//! The thread of the database, behind a bounded channel.
//!
//! Owns the connection once it is open, and the order of what is asked of it. Callers hand over and await the answer; a
//! full channel is an answer too. Reads take at most half of it, so that no number of readers keeps a decision from
//! being written. Between requests the history is [looked through](super::super::history_check). Invariant: what was
//! handed over is written before the store is dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::contents::{history, save};
use super::schema::{FILE, VERSION};
use super::series::{record, series};
use super::{incidents, state_ids};
use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::incident::Incident;
use crate::decide::series::Points;
use crate::state::state_ids::StateChanges;
use crate::store::batch::{Batch, Store, answered};
use crate::store::history_check::{HistoryCheck, PAUSE};
use crate::store::retrying::RetryingDatabase;
use crate::store::series::{SeriesBlock, SeriesQuery};

/// How many requests may wait.
const QUEUE: usize = 64;
/// How many of them may be reads.
const MOST_READS: usize = QUEUE / 2;

enum StoreRequest {
    Save(Box<Batch>, oneshot::Sender<Result<(), String>>),
    Record(Vec<SeriesBlock>, oneshot::Sender<Result<(), String>>),
    RecordState(Box<StateChanges>, oneshot::Sender<Result<(), String>>),
    Read(Read, ReadPermit),
}

enum Read {
    Incidents(Option<String>, oneshot::Sender<Result<Vec<Incident>, String>>),
    History(Box<HistoryFilter>, u32, oneshot::Sender<Result<Vec<Event>, String>>),
    Series(SeriesQuery, oneshot::Sender<Result<Points, String>>),
}

impl Read {
    // Nobody waits for its answer any more.
    fn is_given_up(&self) -> bool {
        match self {
            Read::Incidents(_, reply) => reply.is_closed(),
            Read::History(_, _, reply) => reply.is_closed(),
            Read::Series(_, reply) => reply.is_closed(),
        }
    }
}

/// The place of a read in the channel, given back when it is done.
struct ReadPermit(Arc<AtomicUsize>);

impl ReadPermit {
    fn of(reads: &Arc<AtomicUsize>) -> Option<ReadPermit> {
        let permit = ReadPermit(Arc::clone(reads));
        (reads.fetch_add(1, Ordering::Relaxed) < MOST_READS).then_some(permit)
    }
}

impl Drop for ReadPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The database behind its thread.
#[derive(Debug)]
pub(super) struct Sqlite {
    asks: Option<SyncSender<StoreRequest>>,
    // Reads that wait or are under way.
    reads: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

pub(super) enum Database {
    Open(Connection),
    Late(RetryingDatabase),
}

impl Database {
    fn save(&mut self, batch: &Batch) -> Result<(), String> {
        match self {
            Database::Open(connection) => save(connection, batch),
            Database::Late(late) => {
                let now = batch.events.last().map(|event| event.at).unwrap_or_default();
                save(late.connection(now)?, batch)
            }
        }
    }

    fn incidents(&self, id: Option<&str>) -> Result<Vec<Incident>, String> {
        let connection = match self {
            Database::Open(connection) => Some(connection),
            Database::Late(late) => late.opened(),
        };
        // Before it is open there is nothing but what waits to be written.
        connection
            .map_or(Ok(Vec::new()), |connection| incidents::read(connection, id).map_err(|error| error.to_string()))
    }

    fn history(&self, filter: &HistoryFilter, limit: u32) -> Result<Vec<Event>, String> {
        let connection = match self {
            Database::Open(connection) => connection,
            Database::Late(late) => match late.opened() {
                Some(connection) => connection,
                None => return Ok(late.history(filter, limit)),
            },
        };
        history(connection, VERSION, filter, limit).map_err(|error| error.to_string())
    }

    // Not a reason to open one that could not be written: what matters more does that.
    fn record(&mut self, blocks: &[SeriesBlock]) -> Result<(), String> {
        match self {
            Database::Open(connection) => record(connection, blocks),
            Database::Late(late) => match late.opened_to_write() {
                Some(connection) => record(connection, blocks),
                None => Err("the database cannot be written".to_owned()),
            },
        }
    }

    // The same.
    fn record_state(&mut self, changes: &StateChanges) -> Result<(), String> {
        match self {
            Database::Open(connection) => state_ids::record(connection, changes),
            Database::Late(late) => match late.opened_to_write() {
                Some(connection) => state_ids::record(connection, changes),
                None => Err("the database cannot be written".to_owned()),
            },
        }
    }

    fn series(&self, query: &SeriesQuery) -> Result<Points, String> {
        let connection = match self {
            Database::Open(connection) => Some(connection),
            Database::Late(late) => late.opened(),
        };
        connection
            .map_or_else(|| Ok(Points::new()), |connection| series(connection, query))
            .map_err(|error: rusqlite::Error| error.to_string())
    }
}

impl Database {
    // Looks at some more of the past; `None`: there is no more to be looked at.
    fn look(&self, mut past: HistoryCheck) -> Option<HistoryCheck> {
        let Database::Open(connection) = self else { return None };
        match past.look(connection) {
            Ok(more) => more.then_some(past),
            Err(why) => {
                tracing::warn!(
                    "the history in {FILE} is damaged ({why}): some earlier events cannot be shown; the state in \
                     force is intact, and new events are kept"
                );
                None
            }
        }
    }
}

pub(super) fn start(place: Database) -> io::Result<Sqlite> {
    let (asks, asked) = sync_channel(QUEUE);
    let thread = thread::Builder::new().name("serin-store".to_owned()).spawn(move || serve(place, &asked))?;
    Ok(Sqlite { asks: Some(asks), reads: Arc::default(), thread: Some(thread) })
}

fn serve(mut place: Database, asked: &Receiver<StoreRequest>) {
    let mut past = Some(HistoryCheck::new());
    loop {
        let ask = match &past {
            None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => asked.recv_timeout(PAUSE),
        };
        let ask = match ask {
            Ok(ask) => ask,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                past = past.and_then(|past| place.look(past));
                continue;
            }
        };
        // Whoever asked may have given up waiting.
        match ask {
            StoreRequest::Save(batch, reply) => drop(reply.send(place.save(&batch))),
            StoreRequest::Record(blocks, reply) => drop(reply.send(place.record(&blocks))),
            StoreRequest::RecordState(changes, reply) => drop(reply.send(place.record_state(&changes))),
            StoreRequest::Read(read, _) if read.is_given_up() => (),
            StoreRequest::Read(read, _permit) => match read {
                Read::Incidents(id, reply) => drop(reply.send(place.incidents(id.as_deref()))),
                Read::History(filter, limit, reply) => drop(reply.send(place.history(&filter, limit))),
                Read::Series(query, reply) => drop(reply.send(place.series(&query))),
            },
        }
    }
}

impl Sqlite {
    fn hand_over<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, String>>) -> StoreRequest,
    ) -> oneshot::Receiver<Result<T, String>> {
        let (reply, answer) = oneshot::channel();
        match self.asks.as_ref().map(|asks| asks.try_send(ask(reply))) {
            Some(Ok(())) => answer,
            _ => answered(Err("the store is too slow: its queue is full".to_owned())),
        }
    }
}

impl Sqlite {
    fn read<T>(
        &self,
        read: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Read,
    ) -> oneshot::Receiver<Result<T, String>> {
        match ReadPermit::of(&self.reads) {
            Some(permit) => self.hand_over(|reply| StoreRequest::Read(read(reply), permit)),
            None => answered(Err(format!("{MOST_READS} others are reading the store; try again"))),
        }
    }
}

impl Store for Sqlite {
    fn save(&self, batch: Batch) -> oneshot::Receiver<Result<(), String>> {
        self.hand_over(|reply| StoreRequest::Save(Box::new(batch), reply))
    }

    fn history(&self, filter: HistoryFilter, limit: u32) -> oneshot::Receiver<Result<Vec<Event>, String>> {
        self.read(|reply| Read::History(Box::new(filter), limit, reply))
    }

    fn incidents(&self, id: Option<String>) -> oneshot::Receiver<Result<Vec<Incident>, String>> {
        self.read(|reply| Read::Incidents(id, reply))
    }

    fn record(&self, blocks: Vec<SeriesBlock>) -> oneshot::Receiver<Result<(), String>> {
        self.hand_over(|reply| StoreRequest::Record(blocks, reply))
    }

    fn record_state(&self, changes: StateChanges) -> oneshot::Receiver<Result<(), String>> {
        self.hand_over(|reply| StoreRequest::RecordState(Box::new(changes), reply))
    }

    fn series(&self, query: SeriesQuery) -> oneshot::Receiver<Result<Points, String>> {
        self.read(|reply| Read::Series(query, reply))
    }
}

// What was handed over is written before the process ends in order.
impl Drop for Sqlite {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_read_there_is_room_for_what_must_be_written() {
        // Nobody takes anything out: the slowest disk.
        let (asks, asked) = sync_channel(QUEUE);
        let store = Sqlite { asks: Some(asks), reads: Arc::default(), thread: None };
        let mut answers: Vec<_> = (0..2 * QUEUE).map(|_| store.incidents(None)).collect();
        let turned_away = answers.iter_mut().filter_map(|answer| answer.try_recv().ok()).collect::<Vec<_>>();
        assert_eq!(turned_away.len(), 2 * QUEUE - MOST_READS);
        assert_eq!(turned_away[0].as_ref().unwrap_err(), "32 others are reading the store; try again");
        let mut saved = store.record(Vec::new());
        assert!(saved.try_recv().is_err(), "it waits its turn");
        drop(asked.try_recv());
        assert!(store.incidents(None).try_recv().is_err(), "the place of a read that is done is free again");
    }
}
