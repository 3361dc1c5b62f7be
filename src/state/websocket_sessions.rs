//! Open WebSocket sessions of one series, and how those before them were closed.
//!
//! Written where a session begins and where it ends, by any core, and read by the surfaces: sessions are few beside
//! requests, so that a lock costs nothing. Owns no session. Invariant: a session is open from the provider's 101 to the
//! end of both its connections.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::decide::units::Millis;
use crate::decide::websocket::{CODES, CloseCode, ClosedBy};

/// The sessions of a series.
#[derive(Debug, Default)]
pub struct WebSocketSessions {
    /// When each began, with a number that tells it from others.
    open: Mutex<BTreeSet<(Millis, u64)>>,
    begun: AtomicU64,
    closed: [[AtomicU64; CODES.len()]; ClosedBy::ALL.len()],
}

impl WebSocketSessions {
    /// How many are open, and when the oldest of them began.
    #[must_use]
    pub fn open(&self) -> (usize, Option<Millis>) {
        let open = self.lock();
        (open.len(), open.first().map(|(began, _)| *began))
    }

    /// Whether there ever was one.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.begun.load(Relaxed) > 0
    }

    /// How many were closed by this side, by the cells of [`CODES`].
    #[must_use]
    pub fn closed(&self, by: ClosedBy) -> [u64; CODES.len()] {
        self.closed[by as usize].each_ref().map(|count| count.load(Relaxed))
    }

    // What is in it is whole at every moment.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Millis, u64)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that is open until this is dropped.
#[derive(Debug)]
pub struct OpenWebSocket {
    sessions: Arc<WebSocketSessions>,
    place: (Millis, u64),
}

impl OpenWebSocket {
    /// A session begins.
    #[must_use]
    pub fn begin(sessions: &Arc<WebSocketSessions>, now: Millis) -> OpenWebSocket {
        let place = (now, sessions.begun.fetch_add(1, Relaxed));
        sessions.lock().insert(place);
        OpenWebSocket { sessions: Arc::clone(sessions), place }
    }

    /// It was closed so.
    pub fn closed(&self, by: ClosedBy, code: CloseCode) {
        self.sessions.closed[by as usize][code.cell()].fetch_add(1, Relaxed);
    }
}

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_open_until_they_are_dropped_and_the_oldest_is_known() {
        let sessions = Arc::new(WebSocketSessions::default());
        assert!(!sessions.is_used());
        let first = OpenWebSocket::begin(&sessions, Millis(5));
        let second = OpenWebSocket::begin(&sessions, Millis(5));
        let third = OpenWebSocket::begin(&sessions, Millis(9));
        assert_eq!(sessions.open(), (3, Some(Millis(5))));
        first.closed(ClosedBy::Provider, CloseCode::Frame(Some(1011)));
        drop(first);
        assert_eq!(sessions.open(), (2, Some(Millis(5))));
        drop(second);
        assert_eq!(sessions.open(), (1, Some(Millis(9))));
        drop(third);
        assert_eq!(sessions.open(), (0, None));
        assert_eq!(sessions.closed(ClosedBy::Provider).iter().sum::<u64>(), 1);
        assert_eq!(sessions.closed(ClosedBy::Client), [0; CODES.len()]);
        assert!(sessions.is_used());
    }
}
