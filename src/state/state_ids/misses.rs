//! Ids that nobody knew, so that who asks for one again and again costs one request each time and not two.
//!
//! Nor does a flood of different ids double the requests: lookups that find nothing have a rate. A table of fixed size
//! without locks: one id pushes another out of its place, which costs a lookup more and nothing else. Invariant: an id
//! is held for unknown for a short time at first, and never for more than [`LONGEST`] seconds.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::key::StateKey;
use crate::decide::units::Millis;

const PLACES: usize = 4096;
/// After this time others are asked again about an id that was new, in seconds: it may be made just now. Each miss
/// doubles it.
const SHORTEST: u32 = 2;
/// The most that becomes of it.
const LONGEST: u32 = 600;
/// The low bits of a place are the time, the next ones how often it was doubled, the others are of the id.
const TIME_BITS: u32 = 32;
const STEP_BITS: u32 = 4;
const LAST_STEP: u32 = 9;

/// So many lookups may find nothing at once, and one more each time after this many milliseconds.
const BURST: u64 = 200;
const EVERY: u64 = 50;

#[derive(Debug)]
pub(super) struct Misses {
    places: Box<[AtomicU64]>,
    /// Until when, in milliseconds, the lookups last that were begun so far and found nothing.
    spent_until: AtomicU64,
}

impl Default for Misses {
    fn default() -> Misses {
        Misses { places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(), spent_until: AtomicU64::new(0) }
    }
}

/// What is held of an id.
#[derive(Clone, Copy)]
struct Held {
    then: u32,
    step: u32,
}

impl Held {
    fn lasts(self, now: u32) -> bool {
        now.saturating_sub(self.then) < (SHORTEST << self.step.min(LAST_STEP)).min(LONGEST)
    }
}

impl Misses {
    /// `certain`: that nobody has it, so that it is held for longer the next time.
    pub(super) fn note(&self, key: StateKey, now: u32, certain: bool) {
        let step = match self.held(key) {
            // Several at once are one miss.
            Some(held) if held.lasts(now) => return,
            Some(held) => (held.step + u32::from(certain)).min(LAST_STEP),
            None => 0,
        };
        let place = part(key) << (TIME_BITS + STEP_BITS) | u64::from(step) << TIME_BITS | u64::from(now);
        self.place(key).store(place, Relaxed);
    }

    pub(super) fn has(&self, key: StateKey, now: u32) -> bool {
        self.held(key).is_some_and(|held| held.lasts(now))
    }

    pub(super) fn forget(&self, key: StateKey) {
        let place = self.place(key);
        let held = place.load(Relaxed);
        if held >> (TIME_BITS + STEP_BITS) == part(key) {
            // Another one that came meanwhile stays.
            let _ = place.compare_exchange(held, 0, Relaxed, Relaxed);
        }
    }

    /// Spends one lookup, if there is one left.
    pub(super) fn begin_lookup(&self, now: Millis) -> bool {
        let spend = |until: u64| (until <= now.0 + (BURST - 1) * EVERY).then(|| until.max(now.0) + EVERY);
        self.spent_until.fetch_update(Relaxed, Relaxed, spend).is_ok()
    }

    /// It found something, and is given back.
    pub(super) fn found(&self) {
        let _ = self.spent_until.fetch_update(Relaxed, Relaxed, |until| Some(until.saturating_sub(EVERY)));
    }

    fn held(&self, key: StateKey) -> Option<Held> {
        let held = self.place(key).load(Relaxed);
        let then = u32::try_from(held & u64::from(u32::MAX)).unwrap_or_default();
        let step = u32::try_from(held >> TIME_BITS & ((1 << STEP_BITS) - 1)).unwrap_or_default();
        (held != 0 && held >> (TIME_BITS + STEP_BITS) == part(key)).then_some(Held { then, step })
    }

    fn place(&self, key: StateKey) -> &AtomicU64 {
        &self.places[usize::try_from(key.0 & (PLACES as u128 - 1)).unwrap_or_default()]
    }
}

/// What tells an id from others of the same place.
fn part(key: StateKey) -> u64 {
    u64::try_from(key.0 >> 64 & ((1 << (64 - TIME_BITS - STEP_BITS)) - 1)).unwrap_or_default()
}
