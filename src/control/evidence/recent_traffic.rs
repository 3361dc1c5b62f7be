//! The traffic of each rollout in the last five minutes, by arm, whatever its share was meanwhile.
//!
//! Takes differences of what the series of an arm count together. Those only rise, over every change of share, reload and
//! change of provider, so nothing sets the figures back while the file keeps the rollout's name. Judges nothing: what the
//! guard counts begins anew with each share, and is [`evidence`](crate::state::evidence). Invariant: a request counts in
//! the time in which it ended, and as anonymous in the time in which it was sent.

use std::collections::VecDeque;

use crate::control::series::Registry;
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::policy::Counting;
use crate::decide::units::{Arm, Millis};

/// What is the last minutes.
const LENGTH: Millis = Millis(300_000);
/// By how much they are longer at most.
const SLOT: Millis = Millis(10_000);
/// Between two looks at the series: sums over all cores are not for free.
const PAUSE: Millis = Millis(1000);

/// What was counted of an arm, since the start or in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Counts {
    pub(in crate::control) requests: u64,
    failed: u64,
    // Failures only where the file says so, which it may do at any time.
    throttled: u64,
    empty: u64,
    pub(in crate::control) refused: u64,
    pub(in crate::control) elsewhere: u64,
    pub(in crate::control) dispatched: u64,
    pub(in crate::control) anonymous: u64,
}

impl Counts {
    fn of(rollout: &str, arm: Arm, series: &Registry) -> Counts {
        let mut all = Counts::default();
        for series in series.of_arm(rollout, arm.as_str()) {
            for outcome in Outcome::ALL {
                let requests = series.requests(outcome);
                all.requests += requests;
                match outcome {
                    Outcome::Throttled => all.throttled += requests,
                    Outcome::Empty => all.empty += requests,
                    Outcome::ClientError => all.refused += requests,
                    _ if outcome.judged(Counting::default()) == Judged::Failure => all.failed += requests,
                    _ => {}
                }
            }
            all.elsewhere += series.fallbacks();
            let (dispatched, anonymous) = series.dispatched();
            (all.dispatched, all.anonymous) = (all.dispatched + dispatched, all.anonymous + anonymous);
        }
        all
    }

    /// Failures of whoever answered last.
    pub(in crate::control) const fn failed(&self, counting: Counting) -> u64 {
        let throttled = if counting.throttled { self.throttled } else { 0 };
        let empty = if counting.empty { self.empty } else { 0 };
        self.failed + throttled + empty
    }

    const fn since(&self, before: &Counts) -> Counts {
        Counts {
            requests: self.requests.saturating_sub(before.requests),
            failed: self.failed.saturating_sub(before.failed),
            throttled: self.throttled.saturating_sub(before.throttled),
            empty: self.empty.saturating_sub(before.empty),
            refused: self.refused.saturating_sub(before.refused),
            elsewhere: self.elsewhere.saturating_sub(before.elsewhere),
            dispatched: self.dispatched.saturating_sub(before.dispatched),
            anonymous: self.anonymous.saturating_sub(before.anonymous),
        }
    }
}

/// The last minutes of one rollout.
#[derive(Debug)]
pub(in crate::control) struct Recent {
    looked: Millis,
    totals: [Counts; 2],
    // The totals as they were, oldest first, a slot apart; never empty.
    marks: VecDeque<(Millis, [Counts; 2])>,
}

impl Recent {
    fn new(now: Millis, totals: [Counts; 2]) -> Recent {
        Recent { looked: now, totals, marks: [(now, totals)].into() }
    }

    /// Begins now.
    pub(in crate::control) fn begin(rollout: &str, series: &Registry, now: Millis) -> Recent {
        Recent::new(now, totals(rollout, series))
    }

    /// Time passed.
    pub(in crate::control) fn see(&mut self, rollout: &str, series: &Registry, now: Millis) {
        if now.since(self.looked) >= PAUSE {
            self.look(now, totals(rollout, series));
        }
    }

    fn look(&mut self, now: Millis, totals: [Counts; 2]) {
        (self.looked, self.totals) = (now, totals);
        if self.marks.back().is_none_or(|(at, _)| now.since(*at) >= SLOT) {
            self.marks.push_back((now, totals));
        }
        while self.marks.get(1).is_some_and(|(at, _)| now.since(*at) >= LENGTH) {
            self.marks.pop_front();
        }
    }

    /// How long the time is, and what was counted in it: stable's first.
    pub(in crate::control) fn over(&self) -> (Millis, [Counts; 2]) {
        let Some((at, before)) = self.marks.front() else { return (Millis(0), [Counts::default(); 2]) };
        let arms = [0, 1].map(|arm: usize| self.totals[arm].since(&before[arm]));
        (self.looked.since(*at), arms)
    }
}

fn totals(rollout: &str, series: &Registry) -> [Counts; 2] {
    [Arm::Stable, Arm::Canary].map(|arm| Counts::of(rollout, arm, series))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_five_minutes_are_counted_and_up_to_a_slot_more() {
        let totals = |requests: u64| [Counts::default(), Counts { requests, ..Counts::default() }];
        let mut recent = Recent::new(Millis(500), totals(1000));
        assert_eq!(recent.over(), (Millis(0), totals(0)), "what was before is not recent");
        for second in 1..=900 {
            recent.look(Millis(500 + second * 1000), totals(1000 + second * 3));
            let (length, counted) = recent.over();
            assert_eq!(counted, totals(length.0 / 1000 * 3));
            assert!(length.0 == second * 1000 || (LENGTH.0..LENGTH.0 + SLOT.0).contains(&length.0), "{length}");
        }
        assert!(recent.marks.len() <= 31, "{}", recent.marks.len());
        // Nobody looked for an hour.
        recent.look(Millis(4_500_500), totals(3701));
        assert_eq!(recent.over().0, Millis(3_600_000), "as long as it was");
        recent.look(Millis(4_800_500), totals(3702));
        assert_eq!(recent.over(), (Millis(300_000), totals(1)));
    }

    #[test]
    fn what_is_a_failure_is_said_by_the_file() {
        let counts = Counts { failed: 1, throttled: 10, empty: 100, ..Counts::default() };
        let failed = |throttled, empty| counts.failed(Counting { throttled, empty });
        assert_eq!([failed(false, false), failed(true, false), failed(false, true)], [1, 11, 101]);
    }
}
