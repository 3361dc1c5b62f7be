//! What was learned and is not written yet.
//!
//! Cores add to it and never wait for the disk; control takes some at a time. What does not fit is counted and not
//! written: after a restart such an id is found again when stable does not know it. Invariant: no more than
//! [`MOST_WAITING`] changes wait.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::key::{StateKey, lock};
use super::owners::{Owner, OwnerId};

/// Some seconds of a disk that is slow.
const MOST_WAITING: usize = 50_000;

/// One id, as it is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// It is kept there, and was last used then (unix time in seconds).
    Keep {
        key: StateKey,
        owner: OwnerId,
        used: u32,
    },
    Forget(StateKey),
}

/// What is written together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// What the ids are hashed with, where that is not written yet.
    pub secret: Option<[u8; 32]>,
    /// The providers that are not written yet.
    pub owners: Vec<(OwnerId, Owner)>,
    /// In this order.
    pub changes: Vec<StateChange>,
}

#[derive(Debug, Default)]
pub(super) struct ChangeQueue {
    waiting: Mutex<VecDeque<StateChange>>,
    /// The length of it, to be read without a lock.
    len: AtomicUsize,
    dropped: AtomicU64,
}

impl ChangeQueue {
    pub(super) fn push(&self, change: StateChange) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= MOST_WAITING {
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        waiting.push_back(change);
        self.len.store(waiting.len(), Relaxed);
    }

    pub(super) fn take(&self, most: usize) -> Vec<StateChange> {
        let mut waiting = lock(&self.waiting);
        let most = most.min(waiting.len());
        let taken = waiting.drain(..most).collect();
        self.len.store(waiting.len(), Relaxed);
        taken
    }

    /// They go before all others again, as far as there is room.
    pub(super) fn give_back(&self, changes: Vec<StateChange>) {
        let mut waiting = lock(&self.waiting);
        for change in changes.into_iter().rev() {
            if waiting.len() >= MOST_WAITING {
                self.dropped.fetch_add(1, Relaxed);
                continue;
            }
            waiting.push_front(change);
        }
        self.len.store(waiting.len(), Relaxed);
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}
