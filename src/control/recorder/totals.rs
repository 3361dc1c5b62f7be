//! What an arm has counted since the start, and the difference of two readings as a point.
//!
//! Reads the cores' counters over every provider that the arm ever had. Keeps nothing. Invariant: counters only rise, so
//! that the differences of a run add up to what was counted in it.

use crate::control::evidence::recent_traffic::TrafficCounts;
use crate::control::series::SeriesRegistry;
use crate::decide::policy::Counting;
use crate::decide::series::ArmPoint;
use crate::decide::series::histogram::{BUCKETS, Histogram};
use crate::decide::units::Arm;
use crate::state::latency::Latency;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ArmTotals {
    counts: TrafficCounts,
    first_output: [u64; BUCKETS],
    duration: [u64; BUCKETS],
}

impl ArmTotals {
    pub(super) fn read(rollout: &str, arm: Arm, series: &SeriesRegistry) -> ArmTotals {
        let mut totals = ArmTotals { counts: TrafficCounts::of(rollout, arm, series), ..ArmTotals::default() };
        for series in series.of_arm(rollout, arm.as_str()) {
            add(&mut totals.first_output, &series.first_output());
            add(&mut totals.duration, &series.duration());
        }
        totals
    }

    /// `counting`: what the file calls a failure now; a reload may change it.
    pub(super) fn since(&self, before: &ArmTotals, counting: Counting) -> ArmPoint {
        let counts = self.counts.since(&before.counts);
        ArmPoint {
            requests: count(counts.requests),
            // A request that another provider answered was failed by the arm's own.
            failures: count(counts.failed(counting) + counts.elsewhere),
            first_output: histogram(&self.first_output, &before.first_output),
            duration: histogram(&self.duration, &before.duration),
        }
    }
}

fn add(sums: &mut [u64; BUCKETS], seen: &Latency) {
    for (sum, count) in sums.iter_mut().zip(seen.buckets) {
        *sum += count;
    }
}

fn histogram(now: &[u64; BUCKETS], before: &[u64; BUCKETS]) -> Histogram {
    let mut counts = [0; BUCKETS];
    for (bucket, count) in counts.iter_mut().enumerate() {
        *count = self::count(now[bucket].saturating_sub(before[bucket]));
    }
    Histogram(counts)
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
