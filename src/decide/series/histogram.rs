//! How long requests took, as counts by bounds of time, and the quantiles that follow from them.
//!
//! The bounds reach from a cached answer to a long generation, and are those of the metrics. Quantiles are found in the
//! sum of histograms and never from other quantiles; between two bounds times are taken as evenly spread. Invariant:
//! every time falls into one bucket.

use crate::decide::units::Millis;

/// The upper bounds; what takes longer has a bucket of its own.
pub const BOUNDS: [Millis; 18] = [
    Millis(5),
    Millis(10),
    Millis(25),
    Millis(50),
    Millis(100),
    Millis(250),
    Millis(500),
    Millis(1000),
    Millis(2000),
    Millis(4000),
    Millis(8000),
    Millis(15_000),
    Millis(30_000),
    Millis(60_000),
    Millis(120_000),
    Millis(240_000),
    Millis(480_000),
    Millis(900_000),
];

/// How many buckets there are.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// How many requests took at most as long as each bound and longer than the one before; the last: longer than all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram(pub [u32; BUCKETS]);

impl Histogram {
    pub fn add(&mut self, other: &Histogram) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// How many requests there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    /// The time, in milliseconds, within which this part of the requests (0 to 1) ended; `None`: there were none. A time
    /// beyond the last bound is told as that bound.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let all: f64 = self.0.iter().copied().map(f64::from).sum();
        let rank = part * all;
        let (mut below, mut lower) = (0.0, 0.0);
        for (count, bound) in self.0.iter().copied().map(f64::from).zip(BOUNDS) {
            let upper = bound.0 as f64;
            if count > 0.0 && below + count >= rank {
                return Some(lower + (upper - lower) * ((rank - below) / count).clamp(0.0, 1.0));
            }
            (below, lower) = (below + count, upper);
        }
        (all > 0.0).then_some(lower)
    }
}
