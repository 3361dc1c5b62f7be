//! A store that lasts as long as the process: where there is no thread for another one, and for tests.
//!
//! Keeps the newest [`KEPT`] events. When it stands in for a disk that cannot be written it still keeps the history
//! of this run for the surfaces, and answers every write with the disk's error: nothing is ever called durable.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::batch::{Batch, Store, answered};
use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::incident::{Incident, MOST_INCIDENTS};

/// How many events are kept.
const KEPT: usize = 1000;

/// Keeps the history of this run.
#[derive(Debug)]
pub struct MemoryStore {
    history: Mutex<VecDeque<Event>>,
    incidents: Mutex<VecDeque<Arc<Incident>>>,
    error: Option<String>,
}

impl MemoryStore {
    /// Begins with these events, oldest first. `error`: what every write is answered with.
    #[must_use]
    pub fn new(history: Vec<Event>, error: Option<String>) -> MemoryStore {
        MemoryStore { history: Mutex::new(history.into()), incidents: Mutex::default(), error }
    }
}

impl Store for MemoryStore {
    fn save(&self, batch: Batch) -> oneshot::Receiver<Result<(), String>> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        for event in batch.events {
            // A batch that was refused comes again.
            if !history.contains(&event) {
                history.push_back(event);
            }
        }
        while history.len() > KEPT {
            history.pop_front();
        }
        let mut incidents = self.incidents.lock().unwrap_or_else(PoisonError::into_inner);
        for incident in batch.incidents {
            incidents.retain(|known| known.id != incident.id);
            incidents.push_back(incident);
        }
        while incidents.len() > MOST_INCIDENTS {
            incidents.pop_front();
        }
        answered(self.error.clone().map_or(Ok(()), Err))
    }

    fn history(&self, filter: HistoryFilter, limit: u32) -> oneshot::Receiver<Result<Vec<Event>, String>> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = history.iter().rev().filter(|event| filter.fits(event));
        answered(Ok(wanted.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()))
    }

    fn incidents(&self, id: Option<String>) -> oneshot::Receiver<Result<Vec<Incident>, String>> {
        let incidents = self.incidents.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = incidents.iter().rev().filter(|incident| id.as_ref().is_none_or(|id| *id == incident.id));
        answered(Ok(wanted.map(|incident| incident.as_ref().clone()).collect()))
    }
}
