//! Ids that nobody knew, so that who asks for one again and again costs one request each time and not two.
//!
//! Nor does a flood of different ids double the requests: questions for nothing have a rate. A table of fixed size without locks: one id pushes another out of its place, which costs a question more and nothing
//! else. Invariant: an id is held for unknown for [`FOR_UNKNOWN`] seconds at most.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::key::StateKey;
use crate::decide::units::Millis;

const PLACES: usize = 4096;
/// After this time others are asked again, in seconds: an id could have been made meanwhile by who was unreachable.
const FOR_UNKNOWN: u32 = 600;
/// The low bits of a place are the time, the others are of the id.
const TIME_BITS: u32 = 32;

/// So many questions for nothing may be asked at once, and this often from then on.
const BURST: u64 = 200;
const EVERY: u64 = 50;

#[derive(Debug)]
pub(super) struct Misses {
    places: Box<[AtomicU64]>,
    /// Until when, in milliseconds, the questions for nothing last that were asked so far.
    spent_until: AtomicU64,
}

impl Default for Misses {
    fn default() -> Misses {
        Misses { places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(), spent_until: AtomicU64::new(0) }
    }
}

impl Misses {
    pub(super) fn note(&self, key: StateKey, now: u32) {
        self.place(key).store(half(key) << TIME_BITS | u64::from(now), Relaxed);
    }

    pub(super) fn has(&self, key: StateKey, now: u32) -> bool {
        let held = self.place(key).load(Relaxed);
        let then = u32::try_from(held & u64::from(u32::MAX)).unwrap_or_default();
        held != 0 && held >> TIME_BITS == half(key) && now.saturating_sub(then) < FOR_UNKNOWN
    }

    pub(super) fn forget(&self, key: StateKey) {
        let place = self.place(key);
        let held = place.load(Relaxed);
        if held >> TIME_BITS == half(key) {
            // Another one that came meanwhile stays.
            let _ = place.compare_exchange(held, 0, Relaxed, Relaxed);
        }
    }

    pub(super) fn may_ask(&self, now: Millis) -> bool {
        self.spent_until.load(Relaxed) <= now.0 + (BURST - 1) * EVERY
    }

    pub(super) fn note_question(&self, now: Millis) {
        // Of two at once both count.
        let _ = self.spent_until.fetch_update(Relaxed, Relaxed, |until| Some(until.max(now.0) + EVERY));
    }

    fn place(&self, key: StateKey) -> &AtomicU64 {
        &self.places[usize::try_from(key.0 & (PLACES as u128 - 1)).unwrap_or_default()]
    }
}

fn half(key: StateKey) -> u64 {
    u64::try_from(key.0 >> 64 & u128::from(u32::MAX)).unwrap_or_default()
}
