//! What became of many rollouts: how many went back rightly or wrongly, how soon, and at what cost.
//!
//! A rollback before the fault, or where there is none, is wrong; after it, it was found. Owns exact counts and whole
//! distributions, never a rate alone: who prints them decides how much to say. Invariant: wrong, found, completed and
//! open rollouts together are all runs.

use super::quantiles::Spread;
use super::rollout::{End, Rollout};

/// What became of many rollouts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many there were.
    pub runs: usize,
    /// Taken back although the canary was as it ought to be.
    pub wrong: usize,
    /// Taken back after the fault.
    pub found: usize,
    /// The canary has everybody, and is good.
    pub completed: usize,
    /// Neither, within the time that was looked at.
    pub open: usize,
    /// Of those found: seconds since the fault.
    pub seconds: Spread,
    /// Of those found: the canary's requests since the fault.
    pub requests: Spread,
    /// Of those found: its failures since the fault.
    pub errors: Spread,
    /// Seconds until the canary first had everybody, where it ever did.
    pub full: Spread,
    /// Seconds until completion, where it came.
    pub completing: Spread,
    /// The canary's requests in all runs together.
    pub all_requests: u64,
}

impl Tally {
    /// Of these rollouts.
    #[must_use]
    pub fn of(rollouts: &[Rollout]) -> Tally {
        let ended = |end: End| rollouts.iter().filter(move |rollout| rollout.end == end);
        let found: Vec<_> = ended(End::RolledBack).filter_map(|rollout| rollout.since_fault).collect();
        Tally {
            runs: rollouts.len(),
            wrong: ended(End::RolledBack).count() - found.len(),
            found: found.len(),
            completed: ended(End::Completed).count(),
            open: ended(End::Open).count(),
            seconds: Spread::of(found.iter().map(|(seconds, _)| *seconds)),
            requests: Spread::of(found.iter().map(|(_, cost)| cost.requests as f64)),
            errors: Spread::of(found.iter().map(|(_, cost)| cost.errors as f64)),
            full: Spread::of(rollouts.iter().filter_map(|rollout| rollout.full_at)),
            completing: Spread::of(ended(End::Completed).map(|rollout| rollout.at)),
            all_requests: rollouts.iter().map(|rollout| rollout.whole.requests).sum(),
        }
    }

    /// Which part of the runs went back wrongly, 0 to 1.
    #[must_use]
    pub fn wrong_part(&self) -> f64 {
        part(self.wrong, self.runs)
    }

    /// Which part of those that the fault met was taken back for it, 0 to 1.
    #[must_use]
    pub fn found_part(&self) -> f64 {
        part(self.found, self.runs - self.wrong)
    }

    /// Which part of the runs was completed, 0 to 1.
    #[must_use]
    pub fn completed_part(&self) -> f64 {
        part(self.completed, self.runs)
    }
}

fn part(some: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { some as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rollout::Cost;

    fn rollout(end: End, since_fault: Option<(f64, u64)>) -> Rollout {
        let cost = |requests| Cost { requests, errors: requests / 2 };
        Rollout {
            end,
            at: 500.0,
            whole: cost(100),
            since_fault: since_fault.map(|(seconds, requests)| (seconds, cost(requests))),
            full_at: (end == End::Completed).then_some(400.0),
        }
    }

    #[test]
    fn every_run_is_in_one_pile() {
        let tally = Tally::of(&[
            rollout(End::RolledBack, None),
            rollout(End::RolledBack, Some((10.0, 20))),
            rollout(End::RolledBack, Some((30.0, 60))),
            rollout(End::Completed, None),
            rollout(End::Open, Some((900.0, 9))),
        ]);
        assert_eq!((tally.runs, tally.wrong, tally.found, tally.completed, tally.open), (5, 1, 2, 1, 1));
        assert_eq!([tally.wrong_part(), tally.found_part(), tally.completed_part()], [0.2, 0.5, 0.2]);
        assert_eq!([tally.seconds.median(), tally.errors.most()], [Some(10.0), Some(30.0)]);
        assert_eq!(
            (tally.full.median(), tally.completing.median(), tally.all_requests),
            (Some(400.0), Some(500.0), 500)
        );
    }

    #[test]
    fn no_runs_have_no_rates() {
        let tally = Tally::of(&[]);
        assert_eq!([tally.wrong_part(), tally.found_part(), tally.completed_part()], [0.0; 3]);
    }
}
