//! What a store is asked: to keep a batch or series, and to give the history or a range of series.
//!
//! Owns these requests, whose answers come later, and what is written together. Keeps nothing.
//! Invariant: what was acknowledged is on the disk, or the answer says why it is not.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::incident::Incident;
use crate::decide::notification::QueuedNotification;
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::series::Points;
use crate::state::state_ids::StateChanges;

use super::series::{SeriesBlock, SeriesQuery};

/// What is written together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The newest state of each rollout that changed.
    pub states: Vec<(Identity, RolloutState)>,
    /// Added to the history, in this order.
    pub events: Vec<Event>,
    /// Notifications by number: as they are now, or that they are gone.
    pub notifications: Vec<(u64, Option<QueuedNotification>)>,
    /// Incident reports, new or completed.
    pub incidents: Vec<Arc<Incident>>,
    /// The text of the flags.yaml that was accepted last.
    pub last_good: Option<Arc<str>>,
    /// What is known of the providers' keys, as control writes it.
    pub keys: Option<Arc<str>>,
    /// What is known of copies to canaries, as control writes it.
    pub copies: Option<Arc<str>>,
}

/// An answer that is there already.
pub(super) fn answered<T>(answer: T) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    // The receiver is right here.
    let _ = sender.send(answer);
    receiver
}

/// Where state is kept.
pub trait Store: Send {
    /// Hands a batch over; the answer comes when it is on the disk, or why it is not.
    fn save(&self, batch: Batch) -> oneshot::Receiver<Result<(), String>>;

    /// The events of the history that fit, newest first, at most `limit` of them.
    fn history(&self, filter: HistoryFilter, limit: u32) -> oneshot::Receiver<Result<Vec<Event>, String>>;

    /// The incident report with this id, or all of them, newest first.
    fn incidents(&self, id: Option<String>) -> oneshot::Receiver<Result<Vec<Incident>, String>>;

    /// Hands blocks of series over, oldest first. They are less than what [`Store::save`] keeps: written apart, so that
    /// neither waits for nor fails with the other.
    fn record(&self, _blocks: Vec<SeriesBlock>) -> oneshot::Receiver<Result<(), String>> {
        answered(Err("series are not kept here".to_owned()))
    }

    /// Hands ids over, and who keeps what they stand for. Written apart, for the same reason.
    fn record_state(&self, _changes: StateChanges) -> oneshot::Receiver<Result<(), String>> {
        answered(Err("ids are not kept here".to_owned()))
    }

    /// The points of a range, as far as they are kept.
    fn series(&self, _query: SeriesQuery) -> oneshot::Receiver<Result<Points, String>> {
        answered(Ok(Points::new()))
    }
}
