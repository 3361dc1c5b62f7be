//! A count that one core writes and everybody may read.
//!
//! Owns the plain relaxed loads and stores that suffice for one writer. Never reset: readers take differences.
//! Invariant: only the owning core adds.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count with one writer.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one. Only the owning core may call this.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// Adds a number. Only the owning core may call this.
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// The count now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
