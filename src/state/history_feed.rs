//! Events of the history as they happen, for those who listen just now.
//!
//! Control sends, and never waits: a listener that is more than [`KEPT`] events behind is told how many it missed.
//! Keeps nothing for later; the history itself is in the store. Invariant: an event is sent once, when it is in force or
//! has happened.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::decide::event::Event;

/// How many events a listener may be behind.
const KEPT: usize = 128;

/// Where events come from.
#[derive(Clone, Debug)]
pub struct HistoryFeed(broadcast::Sender<Arc<Event>>);

impl Default for HistoryFeed {
    fn default() -> HistoryFeed {
        HistoryFeed(broadcast::Sender::new(KEPT))
    }
}

impl HistoryFeed {
    /// Control only: something happened.
    pub fn send(&self, event: &Event) {
        if self.0.receiver_count() > 0 {
            // The last listener may have left meanwhile.
            let _ = self.0.send(Arc::new(event.clone()));
        }
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.subscribe()
    }
}
