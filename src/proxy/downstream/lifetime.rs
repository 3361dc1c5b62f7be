//! How long a client connection may stay silent, idle, or half-way through a request's head.
//!
//! The socket notes what happens on the connection; a sweep over all connections of a core, a few times a second,
//! compares. No timer is set and no time is read for a request. Invariants: a head (or a new connection) takes at most
//! `header_time`, an idle connection stays for `idle`, and so does one whose client stops in the middle of a body that
//! is being held; otherwise a connection with a request in flight is never closed from here, not even to make room for
//! others.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Waker};

use super::activity::Activity;
use crate::decide::policy::Limits;
use crate::decide::units::Millis;

/// How long a connection that was asked to leave may take to do so.
const TIME_TO_LEAVE: Millis = Millis(1000);

/// The lifetime of one client connection.
#[derive(Debug)]
pub(crate) struct Lifetime {
    activity: Arc<Activity>,
    /// The last beat that was seen, and when.
    last: Cell<(u32, Millis)>,
    overdue: Cell<bool>,
    /// When it was asked to make room.
    asked: Cell<Option<Millis>>,
    parking: Cell<Parking>,
    waker: RefCell<Option<Waker>>,
}

/// Whether the connection has a parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parking {
    HasParser,
    /// It is asked to do without.
    Asked,
    Parked,
}

impl Lifetime {
    /// Begins now.
    pub(super) fn new(activity: Arc<Activity>, now: Millis) -> Lifetime {
        let last = Cell::new((activity.beat(), now));
        Lifetime {
            activity,
            last,
            overdue: Cell::new(false),
            asked: Cell::new(None),
            parking: Cell::new(Parking::HasParser),
            waker: RefCell::new(None),
        }
    }

    /// Whether the connection's time is over. Its task asks at every poll, and is woken when that changes.
    pub(super) fn is_overdue(&self, context: &Context<'_>) -> bool {
        let mut waker = self.waker.borrow_mut();
        if waker.is_none() {
            // A task has one waker for life.
            *waker = Some(context.waker().clone());
        }
        // Something may have come since the sweep.
        self.overdue.get() && self.last.get().0 == self.activity.beat()
    }

    /// Whether it was asked to do without its parser, and nothing has happened since.
    pub(super) fn may_park(&self) -> bool {
        self.parking.get() == Parking::Asked
            && self.activity.is_between_requests()
            && self.last.get().0 == self.activity.beat()
    }

    /// It does without its parser from now on, or has one again.
    pub(super) fn parks(&self, parked: bool) {
        self.parking.set(if parked { Parking::Parked } else { Parking::HasParser });
    }

    /// Since when it is idle, or silent, and could make room for others.
    pub(super) fn idle_since(&self, now: Millis) -> Option<Millis> {
        let beat = self.activity.beat();
        if beat != self.last.get().0 {
            self.last.set((beat, now));
            self.overdue.set(false);
        }
        (!self.activity.is_asked_to_leave() && self.activity.is_spare()).then(|| self.last.get().1)
    }

    /// Asks it to make room. It does so unless something comes at this very moment.
    pub(super) fn leave(&self, now: Millis) {
        self.activity.ask_to_leave();
        self.asked.set(Some(now));
        self.wake();
    }

    /// Has the connection's task look again.
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Compares, once a sweep.
    pub(super) fn check(&self, now: Millis, limits: &Limits) {
        let beat = self.activity.beat();
        let (last, since) = self.last.get();
        if beat != last {
            self.last.set((beat, now));
            self.overdue.set(false);
            return;
        }
        if self.parking.get() == Parking::HasParser && self.activity.is_between_requests() {
            self.parking.set(Parking::Asked);
            self.wake();
        }
        // A provider may take its time, and so may a client with its answer; but a body that is held holds memory.
        let busy = self.activity.is_serving();
        if busy && !self.activity.is_awaiting_body() {
            return;
        }
        let allowed = if self.activity.is_half_way() && !busy { limits.header_time } else { limits.idle };
        let refuses_to_leave = self
            .asked
            .get()
            .is_some_and(|asked| self.activity.leaves() && now.since(asked.max(since)) >= TIME_TO_LEAVE);
        if now.since(since) >= allowed || refuses_to_leave {
            self.overdue.set(true);
            self.wake();
        }
    }
}
