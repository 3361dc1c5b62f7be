//! The queue for connections to one target.
//!
//! The cores of a process share out `max_connections`; a [`ConnectionQueue`] owns one core's share of one target. A
//! request waits for a place, in order, for `timeouts.connect` at most, and holds it while its connection is open or
//! being opened. Refuses to open or to keep connections. Invariant: places in use never exceed the limit, except for
//! those that were in use when the limit was lowered.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::pool_key::PoolKey;
use crate::clock;
use crate::decide::cause::NoConnection;
use crate::decide::policy::Provider;

/// One core's places at one target.
#[derive(Debug)]
pub(super) struct ConnectionQueue {
    free: Semaphore,
    limit: Cell<usize>,
    /// Places that are taken out of use when they are given back, after the limit was lowered below what is in use.
    owed: Cell<usize>,
}

impl ConnectionQueue {
    pub(super) fn new(limit: usize) -> Rc<ConnectionQueue> {
        let limit = clamp(limit);
        Rc::new(ConnectionQueue { free: Semaphore::new(limit), limit: Cell::new(limit), owed: Cell::new(0) })
    }

    /// Follows an edit of `max_connections`. Returns whether the limit became lower.
    pub(super) fn resize(&self, limit: usize) -> bool {
        let (limit, before) = (clamp(limit), self.limit.get());
        self.limit.set(limit);
        if limit > before {
            let forgiven = self.owed.get().min(limit - before);
            self.owed.set(self.owed.get() - forgiven);
            self.free.add_permits(limit - before - forgiven);
            return false;
        }
        let gone = self.free.forget_permits(before - limit);
        self.owed.set(self.owed.get() + (before - limit - gone));
        true
    }

    /// Whether a request would have to wait.
    pub(super) fn is_full(&self) -> bool {
        self.free.available_permits() == 0
    }

    /// How many connections may be open beside those that have a place.
    pub(super) fn room(&self) -> usize {
        let in_use = (self.limit.get() + self.owed.get()).saturating_sub(self.free.available_permits());
        self.limit.get().saturating_sub(in_use)
    }

    /// A place, when one is free.
    pub(super) async fn place(self: &Rc<Self>, waiting: &mut Waiting<'_>) -> Result<QueuePlace, NoConnection> {
        // Never closed: an error says that none is free now.
        if let Ok(permit) = self.free.try_acquire() {
            permit.forget();
        } else if let Ok(permit) = Box::pin(waiting.until(self.free.acquire())).await? {
            permit.forget();
        }
        Ok(QueuePlace(Rc::clone(self)))
    }
}

fn clamp(limit: usize) -> usize {
    limit.clamp(1, Semaphore::MAX_PERMITS)
}

/// A place in the queue; given back when dropped.
#[derive(Debug)]
pub(super) struct QueuePlace(Rc<ConnectionQueue>);

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let owed = self.0.owed.get();
        if owed > 0 {
            self.0.owed.set(owed - 1);
        } else {
            self.0.free.add_permits(1);
        }
    }
}

/// The wait of one request for a connection that is free.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    key: &'a PoolKey,
    limit: Duration,
    /// When it began; `None`: nothing had to be waited for yet.
    since: Option<Instant>,
}

impl<'a> Waiting<'a> {
    pub(super) const fn of(provider: &Provider, key: &'a PoolKey) -> Waiting<'a> {
        Waiting { key, limit: provider.timeouts.connect.duration(), since: None }
    }

    /// The output of `free`, if it comes in time. All waits of one request have one limit.
    pub(super) async fn until<T>(&mut self, free: impl Future<Output = T>) -> Result<T, NoConnection> {
        let now = clock::instant();
        let waited = now.saturating_duration_since(*self.since.get_or_insert(now));
        let in_time = tokio::time::timeout(self.limit.saturating_sub(waited), free).await;
        in_time.map_err(|_| NoConnection::NoCapacity { place: self.key.place() })
    }
}
