//! How long stable took to its first outputs: in the last minutes, and before.
//!
//! Takes differences of the sums of stable's series, which only rise. What is usual is what was seen since the process
//! began, or since another provider became stable. Judges nothing:
//! [`rollback_ready`](crate::decide::rollback_ready) does. Invariant: a first output is in exactly one of the two.

use std::collections::VecDeque;

use crate::decide::series::histogram::{BUCKETS, Histogram};
use crate::decide::units::Millis;
use crate::state::counters::Series;

const WINDOW: Millis = Millis(300_000);
/// Between two marks: the window is longer by this at most.
const SLOT: Millis = Millis(30_000);

type Sums = [u64; BUCKETS];

#[derive(Debug, Default)]
pub(in crate::control) struct StableTimes {
    provider: String,
    first: Sums,
    last: Sums,
    // The sums as they were, oldest first.
    marks: VecDeque<(Millis, Sums)>,
}

impl StableTimes {
    pub(in crate::control) fn update(&mut self, stable: &Series, now: Millis) {
        self.add(&stable.labels.provider, stable.first_output().buckets, now);
    }

    fn add(&mut self, provider: &str, sums: Sums, now: Millis) {
        if self.provider != provider {
            *self = StableTimes { provider: provider.to_owned(), first: sums, ..StableTimes::default() };
        }
        self.last = sums;
        if self.marks.back().is_none_or(|(at, _)| now.since(*at) >= SLOT) {
            self.marks.push_back((now, sums));
        }
        while self.marks.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.marks.pop_front();
        }
    }

    /// Of the last minutes, and before.
    pub(in crate::control) fn first_outputs(&self) -> [Histogram; 2] {
        let mark = self.marks.front().map_or(self.last, |(_, sums)| *sums);
        [difference(&self.last, &mark), difference(&mark, &self.first)]
    }
}

fn difference(after: &Sums, before: &Sums) -> Histogram {
    let mut counts = [0; BUCKETS];
    for ((count, after), before) in counts.iter_mut().zip(after).zip(before) {
        *count = u32::try_from(after.saturating_sub(*before)).unwrap_or(u32::MAX);
    }
    Histogram(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(count: u64) -> Sums {
        let mut sums = [0; BUCKETS];
        sums[3] = count;
        sums
    }

    #[test]
    fn the_last_five_minutes_are_recent_and_what_was_before_is_usual() {
        let mut times = StableTimes::default();
        for second in 0..=900 {
            times.add("a", sums(50 + second), Millis(second * 1000));
        }
        let [recent, before] = times.first_outputs().map(|of| of.count());
        assert!((300..=330).contains(&recent), "{recent}");
        assert_eq!(recent + before, 900, "what was before the first look is of nobody knows when");
        assert!(times.marks.len() <= 12, "{}", times.marks.len());
    }

    #[test]
    fn another_stable_begins_anew() {
        let mut times = StableTimes::default();
        times.add("a", sums(5), Millis(0));
        times.add("a", sums(9), Millis(1000));
        times.add("b", sums(100), Millis(2000));
        assert_eq!(times.first_outputs().map(|of| of.count()), [0, 0]);
        times.add("b", sums(107), Millis(3000));
        assert_eq!(times.first_outputs().map(|of| of.count()), [7, 0]);
    }
}
