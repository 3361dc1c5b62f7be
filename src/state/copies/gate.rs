//! The counts of a rollout's copies, and how often a core may take another sample.
//!
//! Cores count what they see in single words; the thread that sends copies adds its pairs under a lock that no request
//! takes. Control reads both, keeps them, and decides upon them. Survives a reload and, as far as it was written, a
//! restart. Invariant: cores take no more samples in a minute than are sent, so that few are taken in vain.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::decide::comparison::funnel::{Funnel, Skip};
use crate::decide::comparison::pace::Pace;
use crate::decide::comparison::rehearsal::Rehearsal;
use crate::decide::comparison::spending::Spending;
use crate::decide::comparison::tally::Tally;
use crate::decide::units::Millis;

const MINUTE: u64 = 60_000_000_000;

/// What copies are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Before the first user; in this round.
    Rehearsal { round: u64 },
    /// After that.
    Comparison,
}

/// What is kept of a rollout's copies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyRecord {
    pub rehearsal: Rehearsal,
    pub comparison: Tally,
    pub spending: Spending,
}

impl CopyRecord {
    /// The counts that a copy for this purpose belongs to; `None`: its round is over.
    pub fn tally(&mut self, purpose: Purpose) -> Option<&mut Tally> {
        match purpose {
            Purpose::Comparison => Some(&mut self.comparison),
            Purpose::Rehearsal { round } if self.rehearsal.round == round && self.rehearsal.is_under_way() => {
                Some(&mut self.rehearsal.tally)
            }
            Purpose::Rehearsal { .. } => None,
        }
    }
}

/// A rollout's copies.
#[derive(Debug, Default)]
pub struct CopyGate {
    /// When the next sample may be taken, in nanoseconds.
    next: AtomicU64,
    seen: AtomicU64,
    sampled: AtomicU64,
    skipped: [AtomicU64; Skip::ALL.len()],
    record: Mutex<CopyRecord>,
    pace: Mutex<Pace>,
    /// Copies that are under way.
    open: AtomicU32,
    /// Until when the canary is left alone, in milliseconds.
    rests_until: AtomicU64,
    /// Counts what was written to the record.
    version: AtomicU64,
}

impl CopyGate {
    /// With what was kept.
    #[must_use]
    pub fn restored(record: CopyRecord) -> CopyGate {
        CopyGate { record: Mutex::new(record), ..CopyGate::default() }
    }

    /// A request came that could be copied.
    pub fn count_seen(&self) {
        self.seen.fetch_add(1, Relaxed);
    }

    /// It was chosen; false: there were enough of late.
    pub fn admit(&self, per_minute: u32, now: u64) -> bool {
        self.sampled.fetch_add(1, Relaxed);
        let interval = MINUTE / u64::from(per_minute.max(1));
        let is_due = |next: u64| (next <= now).then(|| now + interval);
        let admitted = self.next.try_update(Relaxed, Relaxed, is_due).is_ok();
        if !admitted {
            self.skip(Skip::Rate);
        }
        admitted
    }

    /// A request that was chosen is not copied.
    pub fn skip(&self, why: Skip) {
        self.skipped[why as usize].fetch_add(1, Relaxed);
    }

    /// The record, to be changed.
    pub fn record(&self) -> MutexGuard<'_, CopyRecord> {
        self.version.fetch_add(1, Relaxed);
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the record.
    pub fn look<T>(&self, look: impl FnOnce(&CopyRecord) -> T) -> T {
        look(&self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts the changes of the record.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// Whether another copy may be sent now; it then counts as sent.
    pub fn pace(&self, per_minute: u32, now: Millis) -> bool {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).admit(per_minute, now)
    }

    /// A copy is under way.
    pub fn begin(&self) {
        self.open.fetch_add(1, Relaxed);
    }

    /// It is over.
    pub fn end(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    /// Copies that are under way.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// The canary said that it is asked too often.
    pub fn rest_until(&self, until: Millis) {
        self.rests_until.fetch_max(until.0, Relaxed);
    }

    /// Whether it is left alone for that.
    #[must_use]
    pub fn is_resting(&self, now: Millis) -> bool {
        now.0 < self.rests_until.load(Relaxed)
    }

    /// Takes what cores have counted since the last time.
    pub fn take_counts(&self) -> Option<Funnel> {
        let take = |count: &AtomicU64| if count.load(Relaxed) == 0 { 0 } else { count.swap(0, Relaxed) };
        let skipped = Skip::ALL.into_iter().zip(self.skipped.iter().map(take)).filter(|(_, count)| *count > 0);
        let counts = Funnel {
            skipped: skipped.collect(),
            seen: take(&self.seen),
            sampled: take(&self.sampled),
            ..Funnel::default()
        };
        (counts != Funnel::default()).then_some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_keep_their_distance_and_what_is_counted_is_taken_once() {
        let gate = CopyGate::default();
        let admitted = (0..600).filter(|tenth| gate.admit(30, 1_000_000_000 + tenth * 100_000_000)).count();
        assert_eq!(admitted, 30);
        gate.count_seen();
        let counts = gate.take_counts().unwrap();
        assert_eq!((counts.seen, counts.sampled, counts.skipped[&Skip::Rate]), (1, 600, 570));
        assert_eq!(gate.take_counts(), None);
    }

    #[test]
    fn a_copy_of_an_earlier_round_counts_nowhere() {
        let mut record = CopyRecord::default();
        record.rehearsal.round = 2;
        assert!(record.tally(Purpose::Rehearsal { round: 1 }).is_none());
        assert!(record.tally(Purpose::Rehearsal { round: 2 }).is_some());
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<CopyRecord>(&text).unwrap(), record);
    }
}
