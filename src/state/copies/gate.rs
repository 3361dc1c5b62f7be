//! The counts of a rollout's copies, and how often a core may take another sample.
//!
//! Each core counts what it sees in words of its own, and compares before it writes what is shared; the thread that
//! sends copies adds its pairs under a lock that no request takes. Control reads both, keeps them, and decides upon
//! them. Survives a reload and, as far as it was written, a restart. Invariant: cores take no more samples in a minute
//! than are sent, so that few are taken in vain.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::decide::comparison::funnel::{Funnel, Skip};
use crate::decide::comparison::pace::Pace;
use crate::decide::comparison::rehearsal::Rehearsal;
use crate::decide::comparison::spending::Spending;
use crate::decide::comparison::tally::Tally;
use crate::decide::units::Millis;
use crate::state::count::Count;
use crate::state::counters::Core;

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

/// What a core counts. A cell to a cache line, so that cores do not slow each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CoreCounts {
    /// Requests that could be copied.
    seen: Count,
    /// Those of them that were chosen.
    drawn: Count,
    /// Those of them that came too soon after another.
    early: Count,
}

/// A rollout's copies.
#[derive(Debug)]
pub struct CopyGate {
    /// When the next sample may be taken, in nanoseconds.
    next: AtomicU64,
    cores: Box<[CoreCounts]>,
    /// What was taken up of these: written by control alone.
    taken: [Count; 3],
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
    /// With what was kept, for this many cores.
    #[must_use]
    pub fn restored(record: CopyRecord, cores: usize) -> CopyGate {
        CopyGate {
            next: AtomicU64::default(),
            cores: (0..cores).map(|_| CoreCounts::default()).collect(),
            taken: Default::default(),
            skipped: Default::default(),
            record: Mutex::new(record),
            pace: Mutex::default(),
            open: AtomicU32::default(),
            rests_until: AtomicU64::default(),
            version: AtomicU64::default(),
        }
    }

    /// A request came that could be copied.
    pub fn count_seen(&self, core: Core) {
        if let Some(counts) = self.cores.get(usize::from(core.0)) {
            counts.seen.add_one();
        }
    }

    /// It was chosen; false: there were enough of late. Writes nothing that other cores read unless it is admitted.
    pub fn admit(&self, core: Core, per_minute: u32, now: u64) -> bool {
        let interval = MINUTE / u64::from(per_minute.max(1));
        let next = self.next.load(Relaxed);
        let admitted = next <= now && self.next.compare_exchange(next, now + interval, Relaxed, Relaxed).is_ok();
        if let Some(counts) = self.cores.get(usize::from(core.0)) {
            counts.drawn.add_one();
            if !admitted {
                counts.early.add_one();
            }
        }
        admitted
    }

    /// A request that was chosen is not copied.
    pub fn skip(&self, why: Skip) {
        self.skipped[why as usize].fetch_add(1, Relaxed);
    }

    /// The record, to be changed.
    pub fn record(&self) -> MutexGuard<'_, CopyRecord> {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: who sees this version and then looks, sees what was written.
        self.version.fetch_add(1, Relaxed);
        record
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

    /// Takes what cores have counted since the last time. Called by control alone.
    pub fn take_counts(&self) -> Option<Funnel> {
        let take = |count: &AtomicU64| if count.load(Relaxed) == 0 { 0 } else { count.swap(0, Relaxed) };
        let skipped = Skip::ALL.into_iter().zip(self.skipped.iter().map(take)).filter(|(_, count)| *count > 0);
        let mut skipped: BTreeMap<Skip, u64> = skipped.collect();
        let all = |of: fn(&CoreCounts) -> &Count| self.cores.iter().map(|counts| of(counts).get()).sum::<u64>();
        let sums = [all(|counts| &counts.early), all(|counts| &counts.drawn), all(|counts| &counts.seen)];
        let [early, sampled, seen] = std::array::from_fn(|index| {
            let more = sums[index].saturating_sub(self.taken[index].get());
            self.taken[index].add(more);
            more
        });
        if early > 0 {
            *skipped.entry(Skip::Rate).or_default() += early;
        }
        let counts = Funnel { skipped, seen, sampled, ..Funnel::default() };
        (counts != Funnel::default()).then_some(counts)
    }
}

impl Default for CopyGate {
    fn default() -> CopyGate {
        CopyGate::restored(CopyRecord::default(), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: Core = Core(0);

    #[test]
    fn no_minute_of_many_has_more_copies_than_allowed_and_few_are_missed() {
        for per_minute in [1, 3, 30, 600] {
            let gate = CopyGate::default();
            // A request each 7 milliseconds, for ten minutes.
            let sent: Vec<u64> = (0..600_000)
                .step_by(7)
                .filter(|at| gate.admit(CORE, per_minute, at * 1_000_000) && gate.pace(per_minute, Millis(*at)))
                .collect();
            for (index, from) in sent.iter().enumerate() {
                let within = sent[index..].iter().take_while(|at| **at < from + 60_000).count();
                assert!(within <= per_minute as usize, "{within} of {per_minute}");
            }
            assert!(sent.len() * 100 >= per_minute as usize * 10 * 90, "{} of {per_minute} a minute", sent.len());
        }
    }

    #[test]
    fn cores_count_apart_and_admit_once() {
        let gate = CopyGate::restored(CopyRecord::default(), 4);
        std::thread::scope(|scope| {
            for core in 0..4 {
                let gate = &gate;
                scope.spawn(move || {
                    (0..1000).for_each(|_| {
                        gate.count_seen(Core(core));
                        gate.admit(Core(core), 1, 1);
                    })
                });
            }
        });
        let counts = gate.take_counts().unwrap();
        assert_eq!((counts.seen, counts.sampled, counts.skipped[&Skip::Rate]), (4000, 4000, 3999));
        assert_eq!(gate.take_counts(), None);
    }

    #[test]
    fn samples_keep_their_distance_and_what_is_counted_is_taken_once() {
        let gate = CopyGate::default();
        let admitted = (0..600).filter(|tenth| gate.admit(CORE, 30, 1_000_000_000 + tenth * 100_000_000)).count();
        assert_eq!(admitted, 30);
        gate.count_seen(CORE);
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
