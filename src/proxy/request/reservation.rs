//! The one memory for bodies that are held: leased by cores from the process, and reserved by each body.
//!
//! A core takes a piece at a time, so that no two cores meet at every body. Knows nothing of what is held. Invariant:
//! all reservations together never exceed the limit, and each gives back what it took.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a core takes from the process's memory at a time. It keeps at most twice as much.
const LEASE: u64 = 1 << 20;

/// The process's memory for held bodies.
#[derive(Debug, Default)]
pub(crate) struct BodyMemory {
    leased: AtomicU64,
}

impl BodyMemory {
    fn lease(&self, bytes: u64, limit: u64) -> bool {
        let fits = |leased: u64| leased.checked_add(bytes).filter(|sum| *sum <= limit);
        self.leased.try_update(Relaxed, Relaxed, fits).is_ok()
    }
}

/// A core's share of it: what is leased and not in use.
#[derive(Debug)]
pub(crate) struct CoreShare {
    budget: Arc<BodyMemory>,
    spare: Cell<u64>,
}

impl CoreShare {
    /// With nothing leased yet.
    pub(crate) fn of(budget: Arc<BodyMemory>) -> CoreShare {
        CoreShare { budget, spare: Cell::new(0) }
    }

    fn take(&self, bytes: u64, limit: u64) -> bool {
        let spare = self.spare.get();
        if spare >= bytes {
            self.spare.set(spare - bytes);
            return true;
        }
        let short = bytes - spare;
        for ask in [short.max(LEASE), short] {
            if self.budget.lease(ask, limit) {
                self.spare.set(spare + ask - bytes);
                return true;
            }
        }
        false
    }

    fn give(&self, bytes: u64) {
        let mut spare = self.spare.get() + bytes;
        if spare > 2 * LEASE {
            self.budget.leased.fetch_sub(spare - LEASE, Relaxed);
            spare = LEASE;
        }
        self.spare.set(spare);
    }
}

impl Drop for CoreShare {
    fn drop(&mut self) {
        self.budget.leased.fetch_sub(self.spare.get(), Relaxed);
    }
}

/// Memory of the budget that one body occupies.
#[derive(Debug)]
pub(crate) struct Reservation {
    share: Rc<CoreShare>,
    bytes: u64,
}

impl Reservation {
    /// Of no bytes yet.
    pub(crate) fn of(share: &Rc<CoreShare>) -> Reservation {
        Reservation { share: Rc::clone(share), bytes: 0 }
    }

    /// Takes more, unless all bodies together would exceed `limit`.
    pub(crate) fn extend(&mut self, bytes: usize, limit: u64) -> bool {
        let bytes = bytes as u64;
        let taken = self.share.take(bytes, limit);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.share.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_exceeded_and_comes_back() {
        let budget = Arc::new(BodyMemory::default());
        let limit = 3 * LEASE;
        let (one, two) = (Rc::new(CoreShare::of(Arc::clone(&budget))), Rc::new(CoreShare::of(Arc::clone(&budget))));
        let mut first = Reservation::of(&one);
        assert!(first.extend(2 << 20, limit));
        let mut second = Reservation::of(&two);
        assert!(second.extend(1 << 20, limit));
        assert!(!second.extend(1, limit), "the budget is used up");
        assert_eq!(budget.leased.load(Relaxed), limit);
        drop(first);
        assert!(second.bytes == 1 << 20);
        drop(second);
        drop((one, two));
        assert_eq!(budget.leased.load(Relaxed), 0);
    }

    #[test]
    fn a_budget_below_a_lease_still_serves_small_bodies() {
        let share = CoreShare::of(Arc::default());
        assert!(share.take(300, 1000));
        assert!(share.take(700, 1000));
        assert!(!share.take(1, 1000));
    }
}
