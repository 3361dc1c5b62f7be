//! How long requests took: how many of them each bound of time takes in, and the sum.
//!
//! The bounds reach from a cached answer to a long generation. A core writes its own cells only, and nothing is kept of
//! a single request, so that neither memory nor a scrape grows with traffic. Decides nothing. Invariant: every time
//! falls into one bucket.

use std::time::Duration;

use super::count::Count;
pub use crate::decide::series::histogram::{BOUNDS, BUCKETS};

/// One core's cells.
#[derive(Debug, Default)]
pub(super) struct LatencyCell {
    buckets: [Count; BUCKETS],
    micros: Count,
}

impl LatencyCell {
    /// A request took so long. Only the owning core may call this.
    pub(super) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].add_one();
        self.micros.add(micros);
    }
}

/// Into which bucket this time falls.
pub(super) fn bucket_of(took: Duration) -> usize {
    bucket(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}

fn bucket(micros: u64) -> usize {
    BOUNDS.iter().position(|bound| micros <= bound.0 * 1000).unwrap_or(BOUNDS.len())
}

/// What all cores have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many took at most as long as each bound and longer than the one before; the last: longer than all.
    pub buckets: [u64; BUCKETS],
    /// All their times.
    pub sum: Duration,
}

impl Latency {
    pub(super) fn of<'a>(cells: impl Iterator<Item = &'a LatencyCell>) -> Latency {
        let (mut buckets, mut micros) = ([0; BUCKETS], 0_u64);
        for cell in cells {
            for (sum, count) in buckets.iter_mut().zip(&cell.buckets) {
                *sum += count.get();
            }
            micros = micros.saturating_add(cell.micros.get());
        }
        Latency { buckets, sum: Duration::from_micros(micros) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_falls_into_the_first_bucket_that_takes_it_in() {
        let cells = [LatencyCell::default(), LatencyCell::default()];
        for (cell, micros) in [(0, 0), (1, 5000), (0, 5001), (1, 900_000_000), (0, 900_000_001)] {
            cells[cell].add(Duration::from_micros(micros));
        }
        let Latency { buckets, sum } = Latency::of(cells.iter());
        assert_eq!((buckets[0], buckets[1], buckets[17], buckets[18]), (2, 1, 1, 1));
        assert_eq!((buckets.iter().sum::<u64>(), sum), (5, Duration::from_micros(1_800_010_002)));
        assert!(BOUNDS.is_sorted());
    }
}
