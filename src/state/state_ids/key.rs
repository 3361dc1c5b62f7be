//! What an id is kept as, and how the shared parts of the table are locked.
//!
//! Values and one helper for the files beside this one. Hashes nothing: the table does, with its secret. Invariant:
//! nothing here has the text of an id.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// An id, as it is kept: a hash that nobody can turn back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateKey(pub u128);

/// A panic of another thread leaves what it was changing whole: each change is one step.
pub(super) fn lock<T>(cell: &Mutex<T>) -> MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}
