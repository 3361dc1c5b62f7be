//! The unused HTTP/1.1 connections of a pool.
//!
//! Owns how long each is kept: until its provider would close it, or until it has become too old. The one that was used
//! last is used next, so that those that are not needed reach their end. Refuses to decide when ends are looked for:
//! the pool's reaper does. Invariant: a connection that is handed out is usable.

use std::cell::RefCell;
use std::time::Instant;

use super::http1::Http1Connection;
use crate::decide::units::Millis;

/// Unused connections, the one that was used last at the end.
#[derive(Debug, Default)]
pub(super) struct IdleConnections(RefCell<Vec<Idle>>);

#[derive(Debug)]
struct Idle {
    connection: Box<Http1Connection>,
    until: Instant,
}

impl Idle {
    /// When it is closed; `most_age`: how old a connection may become.
    fn end(&self, most_age: Option<Millis>) -> Instant {
        self.connection.age.end(most_age).map_or(self.until, |end| end.min(self.until))
    }
}

impl IdleConnections {
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Keeps a connection until then at most. Returns when it will be closed; `None`: it is closed now.
    pub(super) fn add(
        &self,
        connection: Box<Http1Connection>,
        until: Instant,
        now: Instant,
        most_age: Option<Millis>,
    ) -> Option<Instant> {
        let idle = Idle { connection, until };
        let end = idle.end(most_age);
        (end > now).then(|| {
            self.0.borrow_mut().push(idle);
            end
        })
    }

    /// A usable one.
    pub(super) fn take(&self) -> Option<Box<Http1Connection>> {
        // The reaper has closed those that were unused for too long or have become too old.
        let mut idle = self.0.borrow_mut();
        while let Some(Idle { connection, .. }) = idle.pop() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Closes those that were unused the longest, until no more than this many are left.
    pub(super) fn trim(&self, most: usize) {
        let mut idle = self.0.borrow_mut();
        if idle.len() > most {
            let surplus = idle.len() - most;
            idle.drain(..surplus);
        }
    }

    /// Closes all; returns how many there were.
    pub(super) fn clear(&self) -> usize {
        // A socket is closed by its connection's task, which ends when its sender is dropped.
        self.0.take().len()
    }

    /// Closes those whose time is over. Returns when the next one ends.
    pub(super) fn reap(&self, now: Instant, most_age: Option<Millis>) -> Option<Instant> {
        let mut idle = self.0.borrow_mut();
        idle.retain(|idle| idle.end(most_age) > now && !idle.connection.sender.is_closed());
        idle.iter().map(|idle| idle.end(most_age)).min()
    }
}
