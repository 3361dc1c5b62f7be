//! The limits that a provider's responses tell of in their headers.
//!
//! Control asks for them now and then, and the next response that a core sees is read for them: all other responses
//! cost one load. Holds no rule: [`rate_headers`](crate::wire::rate_headers) reads them, and
//! [`rollback_ready`](crate::decide::rollback_ready) compares them with what is sent. Invariant: a limit stays what was
//! told last.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What a provider allows, by its own word.
#[derive(Debug, Default)]
pub struct ToldLimits {
    wanted: AtomicBool,
    // Requests and tokens a minute; 0: unknown.
    per_minute: [AtomicU64; 2],
}

impl ToldLimits {
    /// Control only: the next response is to be read.
    pub fn want(&self) {
        self.wanted.store(true, Relaxed);
    }

    /// Whether a response is to be read.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// A response told of these limits: requests and tokens a minute.
    pub fn note(&self, told: [Option<u64>; 2]) {
        self.wanted.store(false, Relaxed);
        for (cell, told) in self.per_minute.iter().zip(told) {
            if let Some(told) = told.filter(|told| *told > 0) {
                cell.store(told, Relaxed);
            }
        }
    }

    /// Requests and tokens a minute; `None`: unknown.
    #[must_use]
    pub fn per_minute(&self) -> [Option<u64>; 2] {
        [0, 1].map(|kind: usize| Some(self.per_minute[kind].load(Relaxed)).filter(|told| *told > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_stays_until_something_else_is_told() {
        let told = ToldLimits::default();
        assert_eq!((told.is_wanted(), told.per_minute()), (false, [None; 2]));
        told.want();
        assert!(told.is_wanted());
        told.note([Some(600), None]);
        assert_eq!((told.is_wanted(), told.per_minute()), (false, [Some(600), None]));
        told.note([Some(0), Some(40_000)]);
        assert_eq!(told.per_minute(), [Some(600), Some(40_000)]);
    }
}
