//! The traffic of a rollout in the last five minutes, by arm, at whatever share.
//!
//! Takes differences of the sums of an arm's series. The series only rise, over every change of share, reload and
//! change of provider, so the figures are never reset while the file keeps the name of the rollout. Judges nothing: the
//! guard's counts start over at each share, and are in [`evidence`](crate::state::evidence). Invariant: a request
//! counts when it ends, and as anonymous when it is sent.

use std::collections::VecDeque;

use crate::control::series::SeriesRegistry;
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::policy::Counting;
use crate::decide::units::{Arm, Millis};

const WINDOW: Millis = Millis(300_000);
/// The window is longer by this at most.
const SLOT: Millis = Millis(10_000);
/// Between two readings of the series: sums over all cores have a cost.
const UPDATE_INTERVAL: Millis = Millis(1000);

/// The counts of an arm, since the start or within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct TrafficCounts {
    pub(in crate::control) requests: u64,
    failed: u64,
    // Failures only if the file says so, which may change with a reload.
    pub(in crate::control) throttled: u64,
    empty: u64,
    pub(in crate::control) refused: u64,
    pub(in crate::control) elsewhere: u64,
    pub(in crate::control) dispatched: u64,
    pub(in crate::control) anonymous: u64,
    /// Read and written, as far as responses tell of them. What came from a provider's cache is left out, since not every
    /// provider counts it against a limit.
    pub(in crate::control) tokens: u64,
}

impl TrafficCounts {
    /// Of an arm, since the start.
    pub(in crate::control) fn of(rollout: &str, arm: Arm, series: &SeriesRegistry) -> TrafficCounts {
        let mut all = TrafficCounts::default();
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
            let (input, output) = series.tokens();
            all.tokens += (input + output).saturating_sub(series.cached_tokens());
            let (dispatched, anonymous) = series.dispatched();
            (all.dispatched, all.anonymous) = (all.dispatched + dispatched, all.anonymous + anonymous);
        }
        all
    }

    /// Requests that failed at the last provider that was tried.
    pub(in crate::control) const fn failed(&self, counting: Counting) -> u64 {
        let throttled = if counting.throttled { self.throttled } else { 0 };
        let empty = if counting.empty { self.empty } else { 0 };
        self.failed + throttled + empty
    }

    pub(in crate::control) const fn since(&self, before: &TrafficCounts) -> TrafficCounts {
        TrafficCounts {
            requests: self.requests.saturating_sub(before.requests),
            failed: self.failed.saturating_sub(before.failed),
            throttled: self.throttled.saturating_sub(before.throttled),
            empty: self.empty.saturating_sub(before.empty),
            refused: self.refused.saturating_sub(before.refused),
            elsewhere: self.elsewhere.saturating_sub(before.elsewhere),
            dispatched: self.dispatched.saturating_sub(before.dispatched),
            anonymous: self.anonymous.saturating_sub(before.anonymous),
            tokens: self.tokens.saturating_sub(before.tokens),
        }
    }
}

#[derive(Debug)]
pub(in crate::control) struct RecentTraffic {
    updated: Millis,
    totals: [TrafficCounts; 2],
    // The totals as they were, oldest first, a slot apart; never empty.
    marks: VecDeque<(Millis, [TrafficCounts; 2])>,
}

impl RecentTraffic {
    fn new(now: Millis, totals: [TrafficCounts; 2]) -> RecentTraffic {
        RecentTraffic { updated: now, totals, marks: [(now, totals)].into() }
    }

    pub(in crate::control) fn start(rollout: &str, series: &SeriesRegistry, now: Millis) -> RecentTraffic {
        RecentTraffic::new(now, totals(rollout, series))
    }

    pub(in crate::control) fn update(&mut self, rollout: &str, series: &SeriesRegistry, now: Millis) {
        if now.since(self.updated) >= UPDATE_INTERVAL {
            self.record(now, totals(rollout, series));
        }
    }

    fn record(&mut self, now: Millis, totals: [TrafficCounts; 2]) {
        (self.updated, self.totals) = (now, totals);
        if self.marks.back().is_none_or(|(at, _)| now.since(*at) >= SLOT) {
            self.marks.push_back((now, totals));
        }
        while self.marks.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.marks.pop_front();
        }
    }

    /// The length of the window, and the counts in it, stable's first.
    pub(in crate::control) fn counts(&self) -> (Millis, [TrafficCounts; 2]) {
        let Some((at, before)) = self.marks.front() else { return (Millis(0), [TrafficCounts::default(); 2]) };
        let arms = [0, 1].map(|arm: usize| self.totals[arm].since(&before[arm]));
        (self.updated.since(*at), arms)
    }
}

/// The counts since the start, stable's first.
pub(in crate::control) fn totals(rollout: &str, series: &SeriesRegistry) -> [TrafficCounts; 2] {
    [Arm::Stable, Arm::Canary].map(|arm| TrafficCounts::of(rollout, arm, series))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_five_minutes_are_counted_and_up_to_a_slot_more() {
        let totals = |requests: u64| [TrafficCounts::default(), TrafficCounts { requests, ..TrafficCounts::default() }];
        let mut recent = RecentTraffic::new(Millis(500), totals(1000));
        assert_eq!(recent.counts(), (Millis(0), totals(0)), "what was before is not recent");
        for second in 1..=900 {
            recent.record(Millis(500 + second * 1000), totals(1000 + second * 3));
            let (length, counted) = recent.counts();
            assert_eq!(counted, totals(length.0 / 1000 * 3));
            assert!(length.0 == second * 1000 || (WINDOW.0..WINDOW.0 + SLOT.0).contains(&length.0), "{length}");
        }
        assert!(recent.marks.len() <= 31, "{}", recent.marks.len());
        // Nobody updated for an hour.
        recent.record(Millis(4_500_500), totals(3701));
        assert_eq!(recent.counts().0, Millis(3_600_000), "as long as it was");
        recent.record(Millis(4_800_500), totals(3702));
        assert_eq!(recent.counts(), (Millis(300_000), totals(1)));
    }

    #[test]
    fn what_is_a_failure_is_said_by_the_file() {
        let counts = TrafficCounts { failed: 1, throttled: 10, empty: 100, ..TrafficCounts::default() };
        let failed = |throttled, empty| counts.failed(Counting { throttled, empty });
        assert_eq!([failed(false, false), failed(true, false), failed(false, true)], [1, 11, 101]);
    }
}
