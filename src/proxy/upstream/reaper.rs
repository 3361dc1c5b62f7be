//! When a pool is searched for connections whose time is over.
//!
//! One task a pool, which runs only as long as there is something to close. Owns the time of the next search. Refuses
//! to know what is searched. Invariant: a search never begins later than the earliest time that was asked for.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Notify;

/// The time of the next search.
#[derive(Debug, Default)]
pub(super) struct Reaper {
    /// `None`: no task runs.
    next: Cell<Option<Instant>>,
    sooner: Notify,
}

impl Reaper {
    /// Has the pool searched at this time at the latest. `search` returns when to search again, `None`: not before this
    /// is called again.
    pub(super) fn search_by(self: &Rc<Self>, at: Instant, search: impl Fn() -> Option<Instant> + 'static) {
        match self.next.get() {
            Some(next) if next <= at => return,
            Some(_) => {
                self.next.set(Some(at));
                self.sooner.notify_one();
                return;
            }
            None => self.next.set(Some(at)),
        }
        let reaper = Rc::clone(self);
        tokio::task::spawn_local(async move {
            while let Some(next) = reaper.next.get() {
                tokio::select! {
                    () = tokio::time::sleep_until(next.into()) => reaper.next.set(search()),
                    () = reaper.sooner.notified() => {}
                }
            }
        });
    }
}
