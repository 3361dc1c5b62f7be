//! Notifications that are not delivered yet, and problems that stand open at a receiver.
//!
//! In memory, each row as it is in the store; the changes are collected for the next batch. Rows of a target and a lane
//! (a rollout, a provider, the file) leave in the order in which they came: the first one holds up those behind it, and
//! none of another lane or target. Decides nothing about time but what is due. Invariant: at most [`MOST`] rows; of
//! more the oldest go, those that stand open last.

use std::collections::BTreeMap;

use crate::decide::notification::{QueuedNotification, Turn};
use crate::decide::units::UnixMillis;

/// The end of the year 9999: what stands open at a receiver that remembers is not sent again.
pub(super) const NEVER: UnixMillis = UnixMillis(253_402_300_799_000);
/// Longer than any wait: where more is left, the clock was set back.
const LONGEST_WAIT: u64 = 25 * 60 * 60 * 1000;

/// Whether a moment has come that was fixed by the same clock, even if that was set back since.
pub(super) const fn has_come(at: UnixMillis, now: UnixMillis) -> bool {
    at.0 <= now.0 || (at.0 - now.0 > LONGEST_WAIT && at.0 < NEVER.0)
}

/// Rows of all targets.
pub(super) const MOST: usize = 1000;

/// A row, and which batch has it.
#[derive(Debug)]
struct Row {
    queued: QueuedNotification,
    /// The batch that it is written with; `None`: it is not handed over yet.
    batch: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct NotificationQueue {
    rows: BTreeMap<u64, Row>,
    /// Every batch up to this one was written, or has failed: what it holds may be sent.
    settled: u64,
    last: u64,
}

/// Changes for the store: the row with this number, or that it is gone.
pub(in crate::control) type Changes = BTreeMap<u64, Option<QueuedNotification>>;

impl NotificationQueue {
    /// What an earlier process left. All of it is due: what kept it from going may be over.
    pub(super) fn restored(kept: Vec<QueuedNotification>) -> NotificationQueue {
        let mut queue = NotificationQueue::default();
        for mut queued in kept {
            queued.due = if queued.stands { queued.due } else { queued.queued_at };
            queue.last = queue.last.max(queued.number);
            queue.rows.insert(queued.number, Row { queued, batch: Some(0) });
        }
        queue
    }

    /// A number above all others, of earlier processes too.
    pub(super) fn number(&mut self, now: UnixMillis) -> u64 {
        self.last = now.0.max(self.last + 1);
        self.last
    }

    /// Adds a row. Returns those that are dropped for it.
    pub(super) fn add(&mut self, queued: QueuedNotification, changes: &mut Changes) -> Vec<QueuedNotification> {
        changes.insert(queued.number, Some(queued.clone()));
        self.rows.insert(queued.number, Row { queued, batch: None });
        self.drop_beyond(changes)
    }

    /// Adds a row that the store has already.
    pub(super) fn add_written(&mut self, queued: QueuedNotification, changes: &mut Changes) -> Vec<QueuedNotification> {
        self.rows.insert(queued.number, Row { queued, batch: Some(0) });
        self.drop_beyond(changes)
    }

    fn drop_beyond(&mut self, changes: &mut Changes) -> Vec<QueuedNotification> {
        let mut dropped = Vec::new();
        while self.rows.len() > MOST {
            let oldest = self.rows.values().map(|row| &row.queued).min_by_key(|row| (row.stands, row.number));
            let Some(number) = oldest.map(|row| row.number) else { break };
            dropped.extend(self.remove(number, changes));
        }
        dropped
    }

    pub(super) fn remove(&mut self, number: u64, changes: &mut Changes) -> Option<QueuedNotification> {
        let row = self.rows.remove(&number)?;
        changes.insert(number, None);
        Some(row.queued)
    }

    /// Changes a row. `kept`: whether the store has to know.
    pub(super) fn change(
        &mut self,
        number: u64,
        kept: bool,
        changes: &mut Changes,
        with: impl FnOnce(&mut QueuedNotification),
    ) {
        if let Some(row) = self.rows.get_mut(&number) {
            with(&mut row.queued);
            if kept {
                changes.insert(number, Some(row.queued.clone()));
            }
        }
    }

    /// Removes the rows that `gone` says.
    pub(super) fn take(
        &mut self,
        changes: &mut Changes,
        gone: impl Fn(&QueuedNotification) -> bool,
    ) -> Vec<QueuedNotification> {
        let numbers: Vec<u64> =
            self.rows.values().filter(|row| gone(&row.queued)).map(|row| row.queued.number).collect();
        numbers.into_iter().filter_map(|number| self.remove(number, changes)).collect()
    }

    pub(super) fn get(&self, number: u64) -> Option<&QueuedNotification> {
        self.rows.get(&number).map(|row| &row.queued)
    }

    /// All rows of a target, the oldest first.
    pub(super) fn of<'q>(&'q self, target: &'q str) -> impl DoubleEndedIterator<Item = &'q QueuedNotification> {
        self.rows.values().map(|row| &row.queued).filter(move |queued| queued.target == target)
    }

    /// What was changed was handed over as this batch.
    pub(super) fn handed_over(&mut self, batch: u64) {
        self.rows.values_mut().for_each(|row| row.batch = row.batch.or(Some(batch)));
    }

    /// All batches up to this one were written, or could not be: notifications do not wait for a disk that is full.
    pub(super) fn settled(&mut self, upto: u64) {
        self.settled = self.settled.max(upto);
    }

    /// The first row of a target that may be sent now: of each lane the oldest that is not delivered; what stands open
    /// is sent again only while nothing of its lane waits.
    pub(super) fn due(
        &self,
        target: &str,
        now: UnixMillis,
        may_go: impl Fn(&QueuedNotification) -> bool,
    ) -> Option<&QueuedNotification> {
        let mut heads: BTreeMap<&str, &Row> = BTreeMap::new();
        for row in self.rows.values().filter(|row| row.queued.target == target) {
            let head = heads.entry(row.queued.lane.as_str()).or_insert(row);
            if head.queued.stands {
                *head = row;
            }
        }
        let sendable = |row: &&&Row| {
            row.batch.is_some_and(|batch| batch <= self.settled) && has_come(row.queued.due, now) && may_go(&row.queued)
        };
        heads.values().filter(sendable).map(|row| &row.queued).min_by_key(|queued| (queued.due, queued.number))
    }

    /// The problem that is open in a lane, or will be once what waits is delivered.
    pub(super) fn open_problem(&self, target: &str, lane: &str) -> Option<String> {
        let newest = self.of(target).rev().find(|queued| queued.lane == lane && queued.turn != Turn::Tells)?;
        (newest.turn == Turn::Opens).then(|| newest.problem.clone())
    }

    pub(super) fn len_of(&self, target: &str) -> usize {
        self.of(target).filter(|queued| !queued.stands).count()
    }
}

#[cfg(test)]
mod tests;
