//! The requests that wait for a limit, of all cores, in the order in which they came.
//!
//! Those that give way to others have a queue of their own, which moves only while nobody else waits. Only the first one
//! looks for room; when it leaves, the next one is woken. A lock is held for as long as it takes to put a place in or
//! take one out, and only by those that find no room. Owns no timer. Invariants: places are bounded in number; a place is
//! given up by its drop, wherever that happens; and no wake is lost: a place that is woken before it sleeps does not
//! sleep.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many requests wait for one limit at most. Each keeps its body in memory.
pub const MOST_WAITING: usize = 1024;

/// The places.
#[derive(Debug, Default)]
pub struct Queue {
    places: Mutex<Places>,
    /// How many there are, and how many of them give way to nobody.
    lengths: [AtomicU32; 2],
}

#[derive(Debug, Default)]
struct Places {
    usual: VecDeque<Arc<Notify>>,
    yielding: VecDeque<Arc<Notify>>,
}

impl Places {
    fn first(&self) -> Option<&Arc<Notify>> {
        self.usual.front().or_else(|| self.yielding.front())
    }

    fn len(&self) -> usize {
        self.usual.len() + self.yielding.len()
    }
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
        self.lengths[0].load(SeqCst)
    }

    /// How many wait before somebody who comes now. `yields`: who gives way to others.
    #[must_use]
    pub fn ahead(&self, yields: bool) -> u32 {
        self.lengths[usize::from(!yields)].load(SeqCst)
    }

    /// The last place of its kind; `None`: too many wait.
    pub fn join(&self, yields: bool) -> Option<Place<'_>> {
        let mut places = self.places();
        if places.len() >= MOST_WAITING {
            return None;
        }
        let woken = Arc::new(Notify::new());
        let kind = if yields { &mut places.yielding } else { &mut places.usual };
        kind.push_back(Arc::clone(&woken));
        self.count(&places);
        Some(Place { queue: self, woken })
    }

    /// Who is next looks for room again.
    pub fn wake_first(&self) {
        if self.waiting() > 0
            && let Some(first) = self.places().first()
        {
            first.notify_one();
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, places: &Places) {
        for (length, places) in self.lengths.iter().zip([places.len(), places.usual.len()]) {
            length.store(u32::try_from(places).unwrap_or(u32::MAX), SeqCst);
        }
    }
}

impl Place<'_> {
    /// Whether it is next.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.queue.places().first().is_some_and(|first| Arc::ptr_eq(first, &self.woken))
    }

    /// Until it should look again.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.queue.places();
        let is_other = |place: &Arc<Notify>| !Arc::ptr_eq(place, &self.woken);
        places.usual.retain(is_other);
        places.yielding.retain(is_other);
        self.queue.count(&places);
        if let Some(first) = places.first() {
            first.notify_one();
        }
    }
}
