//! The open client connections of one core.
//!
//! Owns which of them are asked to leave when the process needs room for others: those that were idle, or silent, for
//! the longest. Holds no connection open. Invariant: half a head, an answer on its way and a request in flight stay.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use super::lifetime::Lifetime;
use crate::decide::policy::Limits;
use crate::decide::units::Millis;

/// How long a connection must have been idle before its place is given to another.
const IDLE_LONG_ENOUGH: Millis = Millis(1000);
/// At most this many leave at one time, and this share of those that could.
const LEAVE_AT_ONCE: usize = 32;
const LEAVE_SHARE: usize = 8;

/// The lifetimes of a core's open connections, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct OpenConnections(RefCell<HashMap<u64, Weak<Lifetime>>>);

impl OpenConnections {
    pub(super) fn add(&self, number: u64, lifetime: &Rc<Lifetime>) {
        self.0.borrow_mut().insert(number, Rc::downgrade(lifetime));
    }

    pub(super) fn remove(&self, number: u64) {
        self.0.borrow_mut().remove(&number);
    }

    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Has every connection's task look again.
    pub(crate) fn wake(&self) {
        for lifetime in self.0.borrow().values().filter_map(Weak::upgrade) {
            lifetime.wake();
        }
    }

    /// Finds those whose time is over.
    pub(super) fn sweep(&self, now: Millis, limits: &Limits) {
        for lifetime in self.0.borrow().values().filter_map(Weak::upgrade) {
            lifetime.check(now, limits);
        }
    }

    /// Asks some to leave. `claim`: whether room is still needed, asked once there is a connection that could leave.
    pub(super) fn make_room(&self, now: Millis, claim: impl FnOnce() -> bool) {
        let open = self.0.borrow();
        let spare = open.values().filter_map(Weak::upgrade).filter_map(|open| Some((open.idle_since(now)?, open)));
        let mut spare: Vec<_> = spare.filter(|(since, _)| now.since(*since) >= IDLE_LONG_ENOUGH).collect();
        if spare.is_empty() || !claim() {
            return;
        }
        spare.sort_unstable_by_key(|(since, _)| *since);
        let leave = (spare.len() / LEAVE_SHARE).clamp(1, LEAVE_AT_ONCE);
        for (_, lifetime) in &spare[..leave] {
            lifetime.leave(now);
        }
    }
}
