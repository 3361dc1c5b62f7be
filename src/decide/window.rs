//! Counts over a sliding window: a ring of buckets, each a fixed slice of time.
//!
//! Time is a parameter and nothing runs in the background: a window that was not used for a year drops its content at
//! the next reading. Buckets lie on multiples of their width, not on the moment of the last reading, so readings do not
//! shift what is counted. Invariant: [`Window::counts`] holds everything of `(now - length, now]` and nothing older
//! than one bucket's width more. A clock that steps back counts as standing still.

use super::units::Millis;

/// Judged requests and the failures among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Judged requests.
    pub requests: u64,
    /// Failures among them.
    pub failures: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, more: Counts) -> Counts {
        Counts { requests: self.requests + more.requests, failures: self.failures + more.failures }
    }

    /// What came since `earlier`, a former reading of the same counters.
    #[must_use]
    pub const fn since(self, earlier: Counts) -> Counts {
        Counts {
            requests: self.requests.saturating_sub(earlier.requests),
            failures: self.failures.saturating_sub(earlier.failures),
        }
    }
}

/// Into how many buckets a window is cut: the error of its edge is one part of this many.
const SLICES: u64 = 60;

/// Counts of the last `length`.
#[derive(Clone, Debug)]
pub struct Window {
    length: u64,
    width: u64,
    // One more than fill the length: the newest is only partly past.
    buckets: Box<[Counts]>,
    // The newest bucket's number since the clock began; it lives at this modulo the ring's length.
    newest: u64,
}

impl Window {
    /// Empty, for counts of the last `length`.
    #[must_use]
    pub fn new(length: Millis) -> Window {
        let width = length.0.div_ceil(SLICES).max(1);
        let count = length.0.div_ceil(width).max(1) + 1;
        Window { length: length.0, width, buckets: (0..count).map(|_| Counts::default()).collect(), newest: 0 }
    }

    /// How long one bucket is.
    #[must_use]
    pub const fn width(&self) -> Millis {
        Millis(self.width)
    }

    /// Counts these as having happened now.
    pub fn add(&mut self, now: Millis, counts: Counts) {
        self.advance(now);
        let slot = self.slot(self.newest);
        self.buckets[slot] = self.buckets[slot].plus(counts);
    }

    /// The counts of the window that ends now.
    #[must_use]
    pub fn counts(&mut self, now: Millis) -> Counts {
        self.advance(now);
        let sum = self.buckets.iter().fold(Counts::default(), |sum, bucket| sum.plus(*bucket));
        // Where the width does not divide the length, the oldest bucket may lie before the window as a whole.
        let kept = self.buckets.len() as u64 - 1;
        match self.newest.checked_sub(kept) {
            Some(oldest) if (oldest + 1) * self.width + self.length <= now.0 + 1 => {
                sum.since(self.buckets[self.slot(oldest)])
            }
            _ => sum,
        }
    }

    fn advance(&mut self, now: Millis) {
        let target = now.0 / self.width;
        let passed = target.saturating_sub(self.newest);
        if passed >= self.buckets.len() as u64 {
            self.buckets.fill(Counts::default());
        } else {
            for step in 1..=passed {
                let slot = self.slot(self.newest + step);
                self.buckets[slot] = Counts::default();
            }
        }
        self.newest = self.newest.max(target);
    }

    fn slot(&self, number: u64) -> usize {
        usize::try_from(number % self.buckets.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(failed: bool) -> Counts {
        Counts { requests: 1, failures: u64::from(failed) }
    }

    proptest! {
        #[test]
        fn agrees_with_a_brute_force_count_up_to_one_bucket(
            length in 1_u64..5_000_000,
            steps in prop::collection::vec((prop_oneof![Just(0_u64), 1_u64..50, 0_u64..2_000_000], any::<bool>()), 1..200),
        ) {
            let mut window = Window::new(Millis(length));
            let mut events: Vec<(u64, bool)> = Vec::new();
            let mut now = 0;
            for (step, failed) in steps {
                now += step;
                window.add(Millis(now), one(failed));
                events.push((now, failed));
                let brute = |reach: u64| {
                    let taken = events.iter().filter(|(at, _)| now - at < reach);
                    taken.fold(Counts::default(), |sum, (_, failed)| sum.plus(one(*failed)))
                };
                let (least, most) = (brute(length), brute(length + window.width().0));
                let got = window.counts(Millis(now));
                prop_assert!(least.requests <= got.requests && got.requests <= most.requests, "{least:?} {got:?} {most:?}");
                prop_assert!(least.failures <= got.failures && got.failures <= most.failures, "{least:?} {got:?} {most:?}");
            }
        }
    }

    // Once counted one bucket too many: sixty of these buckets are longer than the window.
    #[test]
    fn a_length_that_buckets_do_not_divide_is_kept_all_the_same() {
        let mut window = Window::new(Millis(1_993_741));
        window.add(Millis(0), one(false));
        assert_eq!(window.counts(Millis(1_993_740)).requests, 1);
        assert_eq!(window.counts(Millis(2_026_971)).requests, 0);
    }

    #[test]
    fn forgets_everything_after_a_long_idle() {
        let mut window = Window::new(Millis(60_000));
        window.add(Millis(5), one(true));
        assert_eq!(window.counts(Millis(31_536_000_000)), Counts::default());
    }

    #[test]
    fn counts_on_while_the_clock_stands_still_or_steps_back() {
        let mut window = Window::new(Millis(1000));
        for now in [700, 700, 700, 20, 0] {
            window.add(Millis(now), one(false));
        }
        assert_eq!(window.counts(Millis(700)).requests, 5);
        assert_eq!(window.counts(Millis(1800)).requests, 0);
    }

    #[test]
    fn a_full_lap_counts_once_and_not_twice() {
        let mut window = Window::new(Millis(60));
        for now in 0..1000 {
            window.add(Millis(now), one(false));
            assert!(window.counts(Millis(now)).requests <= 61);
        }
    }
}
