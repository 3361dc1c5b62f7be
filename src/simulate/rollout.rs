//! One rollout, from its first tick to its end.
//!
//! Plays a [`RolloutRule`] against a [`TickSource`], or many judges against the very same ticks. Owns the account of
//! what it cost: the canary's requests and failures, over all and since the fault. It ends with a rollback (a guard
//! that tries again later begins another rollout), with completion, or when the time to look at is over. Invariant: the
//! tick that made the rule act is counted, since its requests have been sent by then.

use super::rule::{Detector, RolloutRule, TickCounts, TickSource, Verdict};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// How long, in seconds.
    pub seconds: f64,
    /// Since when the canary deserves to be taken back; `None`: never.
    pub fault_at: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutEnd {
    /// Everybody was taken back.
    RolledBack,
    /// The canary has everybody, and is good.
    Completed,
    /// Neither, within the time that was looked at.
    Open,
}

/// The canary's requests and failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub requests: u64,
    /// Failures among them.
    pub errors: u64,
}

impl Cost {
    fn add(&mut self, seen: &TickCounts) {
        self.requests += u64::from(seen.canary.requests);
        self.errors += u64::from(seen.canary.errors);
    }
}

/// What became of a rollout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimulatedRollout {
    pub end: RolloutEnd,
    /// When, in seconds from its start.
    pub at: f64,
    /// Over all.
    pub whole: Cost,
    /// How long after the fault it ended, and what that cost; `None` where it ended before, or there was no fault.
    pub since_fault: Option<(f64, Cost)>,
    /// When the canary first had everybody.
    pub full_at: Option<f64>,
}

/// The account of a rollout that is being played.
struct RunTotals {
    fault_at: Option<f64>,
    at: f64,
    whole: Cost,
    since_fault: Cost,
    full_at: Option<f64>,
}

impl RunTotals {
    const fn new(span: &Span) -> RunTotals {
        let nothing = Cost { requests: 0, errors: 0 };
        RunTotals { fault_at: span.fault_at, at: 0.0, whole: nothing, since_fault: nothing, full_at: None }
    }

    fn add(&mut self, seen: &TickCounts) {
        if seen.share >= 1.0 && self.full_at.is_none() {
            self.full_at = Some(self.at);
        }
        if self.fault_at.is_some_and(|fault| self.at >= fault) {
            self.since_fault.add(seen);
        }
        self.whole.add(seen);
        self.at += seen.seconds;
    }

    fn close(&self, end: RolloutEnd) -> SimulatedRollout {
        let after = self.fault_at.map(|fault| self.at - fault).filter(|after| *after > 0.0);
        SimulatedRollout {
            end,
            at: self.at,
            whole: self.whole,
            since_fault: after.map(|after| (after, self.since_fault)),
            full_at: self.full_at,
        }
    }
}

pub fn play(source: &mut impl TickSource, rule: &mut impl RolloutRule, span: &Span) -> SimulatedRollout {
    let mut account = RunTotals::new(span);
    while account.at < span.seconds {
        let seen = source.tick(rule.share());
        account.add(&seen);
        match rule.tick(&seen) {
            Verdict::Stay | Verdict::Promote => {}
            Verdict::Rollback => return account.close(RolloutEnd::RolledBack),
            Verdict::Complete => return account.close(RolloutEnd::Completed),
        }
    }
    account.close(RolloutEnd::Open)
}

/// Shows the same ticks, with the same share all the time, to each of these judges, until each has had enough.
pub fn side_by_side(
    source: &mut impl TickSource,
    share: f64,
    detectors: &mut [Box<dyn Detector>],
    span: &Span,
) -> Vec<SimulatedRollout> {
    let mut account = RunTotals::new(span);
    let mut ended: Vec<Option<SimulatedRollout>> = vec![None; detectors.len()];
    let mut judging: Vec<usize> = (0..detectors.len()).collect();
    while account.at < span.seconds && !judging.is_empty() {
        let seen = source.tick(share);
        account.add(&seen);
        judging.retain(|&which| {
            let bad = detectors[which].is_bad(&seen);
            if bad {
                ended[which] = Some(account.close(RolloutEnd::RolledBack));
            }
            !bad
        });
    }
    let open = account.close(RolloutEnd::Open);
    ended.into_iter().map(|rollout| rollout.unwrap_or(open)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rule::SimulatedArm;
    use crate::simulate::schedule::{FixedShare, Schedule, ScheduledShare};

    /// A request of each arm a tick; the canary's fails from this tick on.
    struct Steady {
        fails_from: u32,
        ticks: u32,
    }

    impl TickSource for Steady {
        fn tick(&mut self, share: f64) -> TickCounts {
            let failed = self.ticks >= self.fails_from;
            self.ticks += 1;
            let canary = if failed { SimulatedArm::counted(0, 1) } else { SimulatedArm::counted(1, 0) };
            TickCounts { seconds: 2.0, share, stable: SimulatedArm::counted(1, 0), canary, ..TickCounts::default() }
        }
    }

    /// Bad after so many failures.
    struct After(u32);

    impl Detector for After {
        fn is_bad(&mut self, seen: &TickCounts) -> bool {
            self.0 = self.0.saturating_sub(seen.canary.errors);
            self.0 == 0
        }
    }

    fn steady(fails_from: u32) -> Steady {
        Steady { fails_from, ticks: 0 }
    }

    #[test]
    fn a_rollback_is_charged_from_the_fault_on() {
        let span = Span { seconds: 100.0, fault_at: Some(20.0) };
        let rollout = play(&mut steady(10), &mut FixedShare::new(After(3), 0.1), &span);
        let expected = SimulatedRollout {
            end: RolloutEnd::RolledBack,
            at: 26.0,
            whole: Cost { requests: 13, errors: 3 },
            since_fault: Some((6.0, Cost { requests: 3, errors: 3 })),
            full_at: None,
        };
        assert_eq!(rollout, expected);
        let early = play(&mut steady(5), &mut FixedShare::new(After(3), 0.1), &span);
        assert_eq!((early.end, early.at, early.since_fault), (RolloutEnd::RolledBack, 16.0, None));
    }

    #[test]
    fn a_healthy_rollout_is_completed_or_left_open() {
        let schedule = Schedule::even(0.5, 0.5, 10.0);
        let span = Span { seconds: 100.0, fault_at: None };
        let rollout = play(&mut steady(1000), &mut ScheduledShare::new(After(1), schedule.clone()), &span);
        assert_eq!((rollout.end, rollout.at, rollout.full_at), (RolloutEnd::Completed, 20.0, Some(10.0)));
        let short = Span { seconds: 15.0, fault_at: None };
        let rollout = play(&mut steady(1000), &mut ScheduledShare::new(After(1), schedule), &short);
        assert_eq!((rollout.end, rollout.at), (RolloutEnd::Open, 16.0));
    }

    #[test]
    fn judges_side_by_side_end_as_they_would_alone() {
        let span = Span { seconds: 100.0, fault_at: Some(20.0) };
        let mut detectors: Vec<Box<dyn Detector>> = [2, 5, 900].map(|n| Box::new(After(n)) as Box<dyn Detector>).into();
        let together = side_by_side(&mut steady(10), 0.1, &mut detectors, &span);
        let alone = [2, 5, 900].map(|n| play(&mut steady(10), &mut FixedShare::new(After(n), 0.1), &span));
        assert_eq!(together, alone);
    }
}
