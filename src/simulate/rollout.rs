//! One rollout, from its first tick to its end.
//!
//! Plays a [`Rule`] against a [`Source`], or many judges against the very same ticks. Owns the account of what it cost:
//! the canary's requests and failures, over all and since the fault. It ends with a rollback (a guard that tries again
//! later begins another rollout), with completion, or when the time to look at is over. Invariant: the tick that made
//! the rule act is counted, since its requests have been sent by then.

use super::rule::{Judge, Rule, Seen, Source, Verdict};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// How long, in seconds.
    pub seconds: f64,
    /// Since when the canary deserves to be taken back; `None`: never.
    pub fault_at: Option<f64>,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
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
    /// Requests.
    pub requests: u64,
    /// Failures among them.
    pub errors: u64,
}

impl Cost {
    fn add(&mut self, seen: &Seen) {
        self.requests += u64::from(seen.canary.requests);
        self.errors += u64::from(seen.canary.errors);
    }
}

/// What became of a rollout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollout {
    /// How it ended.
    pub end: End,
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
struct Account {
    fault_at: Option<f64>,
    at: f64,
    whole: Cost,
    since_fault: Cost,
    full_at: Option<f64>,
}

impl Account {
    const fn new(span: &Span) -> Account {
        let nothing = Cost { requests: 0, errors: 0 };
        Account { fault_at: span.fault_at, at: 0.0, whole: nothing, since_fault: nothing, full_at: None }
    }

    fn add(&mut self, seen: &Seen) {
        if seen.share >= 1.0 && self.full_at.is_none() {
            self.full_at = Some(self.at);
        }
        if self.fault_at.is_some_and(|fault| self.at >= fault) {
            self.since_fault.add(seen);
        }
        self.whole.add(seen);
        self.at += seen.seconds;
    }

    fn close(&self, end: End) -> Rollout {
        let after = self.fault_at.map(|fault| self.at - fault).filter(|after| *after > 0.0);
        Rollout {
            end,
            at: self.at,
            whole: self.whole,
            since_fault: after.map(|after| (after, self.since_fault)),
            full_at: self.full_at,
        }
    }
}

/// Plays one rollout.
pub fn play(source: &mut impl Source, rule: &mut impl Rule, span: &Span) -> Rollout {
    let mut account = Account::new(span);
    while account.at < span.seconds {
        let seen = source.tick(rule.share());
        account.add(&seen);
        match rule.tick(&seen) {
            Verdict::Stay | Verdict::Promote => {}
            Verdict::Rollback => return account.close(End::RolledBack),
            Verdict::Complete => return account.close(End::Completed),
        }
    }
    account.close(End::Open)
}

/// Shows the same ticks, with the same share all the time, to each of these judges, until each has had enough.
pub fn side_by_side(source: &mut impl Source, share: f64, judges: &mut [Box<dyn Judge>], span: &Span) -> Vec<Rollout> {
    let mut account = Account::new(span);
    let mut ended: Vec<Option<Rollout>> = vec![None; judges.len()];
    let mut judging: Vec<usize> = (0..judges.len()).collect();
    while account.at < span.seconds && !judging.is_empty() {
        let seen = source.tick(share);
        account.add(&seen);
        judging.retain(|&which| {
            let bad = judges[which].is_bad(&seen);
            if bad {
                ended[which] = Some(account.close(End::RolledBack));
            }
            !bad
        });
    }
    let open = account.close(End::Open);
    ended.into_iter().map(|rollout| rollout.unwrap_or(open)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rule::Arm;
    use crate::simulate::schedule::{Fixed, Schedule, Scheduled};

    /// A request of each arm a tick; the canary's fails from this tick on.
    struct Steady {
        fails_from: u32,
        ticks: u32,
    }

    impl Source for Steady {
        fn tick(&mut self, share: f64) -> Seen {
            let failed = self.ticks >= self.fails_from;
            self.ticks += 1;
            let canary = if failed { Arm::counted(0, 1) } else { Arm::counted(1, 0) };
            Seen { seconds: 2.0, share, stable: Arm::counted(1, 0), canary, ..Seen::default() }
        }
    }

    /// Bad after so many failures.
    struct After(u32);

    impl Judge for After {
        fn is_bad(&mut self, seen: &Seen) -> bool {
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
        let rollout = play(&mut steady(10), &mut Fixed::new(After(3), 0.1), &span);
        let expected = Rollout {
            end: End::RolledBack,
            at: 26.0,
            whole: Cost { requests: 13, errors: 3 },
            since_fault: Some((6.0, Cost { requests: 3, errors: 3 })),
            full_at: None,
        };
        assert_eq!(rollout, expected);
        let early = play(&mut steady(5), &mut Fixed::new(After(3), 0.1), &span);
        assert_eq!((early.end, early.at, early.since_fault), (End::RolledBack, 16.0, None));
    }

    #[test]
    fn a_healthy_rollout_is_completed_or_left_open() {
        let schedule = Schedule::even(0.5, 0.5, 10.0);
        let span = Span { seconds: 100.0, fault_at: None };
        let rollout = play(&mut steady(1000), &mut Scheduled::new(After(1), schedule.clone()), &span);
        assert_eq!((rollout.end, rollout.at, rollout.full_at), (End::Completed, 20.0, Some(10.0)));
        let short = Span { seconds: 15.0, fault_at: None };
        let rollout = play(&mut steady(1000), &mut Scheduled::new(After(1), schedule), &short);
        assert_eq!((rollout.end, rollout.at), (End::Open, 16.0));
    }

    #[test]
    fn judges_side_by_side_end_as_they_would_alone() {
        let span = Span { seconds: 100.0, fault_at: Some(20.0) };
        let mut judges: Vec<Box<dyn Judge>> = [2, 5, 900].map(|n| Box::new(After(n)) as Box<dyn Judge>).into();
        let together = side_by_side(&mut steady(10), 0.1, &mut judges, &span);
        let alone = [2, 5, 900].map(|n| play(&mut steady(10), &mut Fixed::new(After(n), 0.1), &span));
        assert_eq!(together, alone);
    }
}
