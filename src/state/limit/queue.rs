//! The requests that wait for a limit, of all cores, in the order in which they came.
//!
//! Only the first one looks for room; when it leaves, the next one is woken. A lock is held for as long as it takes to
//! put a place in or take one out, and only by those that find no room. Owns no timer. Invariants: places are bounded in
//! number; a place is given up by its drop, wherever that happens; and no wake is lost: a place that is woken before it
//! sleeps does not sleep.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many requests wait for one limit at most. Each keeps its body in memory.
pub const MOST_WAITING: usize = 1024;

/// The places.
#[derive(Debug, Default)]
pub struct Queue {
    places: Mutex<VecDeque<Arc<Notify>>>,
    length: AtomicU32,
}

/// A place in a queue.
#[derive(Debug)]
pub struct Place<'a> {
    queue: &'a Queue,
    woken: Arc<Notify>,
}

impl Queue {
    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.length.load(SeqCst)
    }

    /// The last place; `None`: too many wait.
    pub fn join(&self) -> Option<Place<'_>> {
        let mut places = self.places();
        if places.len() >= MOST_WAITING {
            return None;
        }
        let woken = Arc::new(Notify::new());
        places.push_back(Arc::clone(&woken));
        self.count(&places);
        Some(Place { queue: self, woken })
    }

    /// Who waits longest looks for room again.
    pub fn wake_first(&self) {
        if self.waiting() > 0
            && let Some(first) = self.places().front()
        {
            first.notify_one();
        }
    }

    fn places(&self) -> MutexGuard<'_, VecDeque<Arc<Notify>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, places: &VecDeque<Arc<Notify>>) {
        self.length.store(u32::try_from(places.len()).unwrap_or(u32::MAX), SeqCst);
    }
}

impl Place<'_> {
    /// Whether nobody has waited longer.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.queue.places().front().is_some_and(|first| Arc::ptr_eq(first, &self.woken))
    }

    /// Until it should look again.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.queue.places();
        places.retain(|place| !Arc::ptr_eq(place, &self.woken));
        self.queue.count(&places);
        if let Some(first) = places.front() {
            first.notify_one();
        }
    }
}
