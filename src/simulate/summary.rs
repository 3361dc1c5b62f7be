//! What became of many rollouts: how many went back rightly or wrongly, how soon, and at what cost.
//!
//! A rollback before the fault, or where there is none, is wrong; after it, it was found. Owns exact counts and whole
//! distributions, never a rate alone: who prints them decides how much to say. Invariant: wrong, found, completed and
//! open rollouts together are all runs.

use super::quantiles::Distribution;
use super::rollout::{RolloutEnd, SimulatedRollout};

/// What became of many rollouts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
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
    pub seconds: Distribution,
    /// Of those found: the canary's requests since the fault.
    pub requests: Distribution,
    /// Of those found: its failures since the fault.
    pub errors: Distribution,
    /// Seconds until the canary first had everybody, where it ever did.
    pub full: Distribution,
    /// Seconds until completion, where it came.
    pub completing: Distribution,
    /// The canary's requests in all runs together.
    pub all_requests: u64,
}

impl Summary {
    #[must_use]
    pub fn of(rollouts: &[SimulatedRollout]) -> Summary {
        let ended = |end: RolloutEnd| rollouts.iter().filter(move |rollout| rollout.end == end);
        let found: Vec<_> = ended(RolloutEnd::RolledBack).filter_map(|rollout| rollout.since_fault).collect();
        Summary {
            runs: rollouts.len(),
            wrong: ended(RolloutEnd::RolledBack).count() - found.len(),
            found: found.len(),
            completed: ended(RolloutEnd::Completed).count(),
            open: ended(RolloutEnd::Open).count(),
            seconds: Distribution::of(found.iter().map(|(seconds, _)| *seconds)),
            requests: Distribution::of(found.iter().map(|(_, cost)| cost.requests as f64)),
            errors: Distribution::of(found.iter().map(|(_, cost)| cost.errors as f64)),
            full: Distribution::of(rollouts.iter().filter_map(|rollout| rollout.full_at)),
            completing: Distribution::of(ended(RolloutEnd::Completed).map(|rollout| rollout.at)),
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

    fn rollout(end: RolloutEnd, since_fault: Option<(f64, u64)>) -> SimulatedRollout {
        let cost = |requests| Cost { requests, errors: requests / 2 };
        SimulatedRollout {
            end,
            at: 500.0,
            whole: cost(100),
            since_fault: since_fault.map(|(seconds, requests)| (seconds, cost(requests))),
            full_at: (end == RolloutEnd::Completed).then_some(400.0),
        }
    }

    #[test]
    fn every_run_is_in_one_pile() {
        let tally = Summary::of(&[
            rollout(RolloutEnd::RolledBack, None),
            rollout(RolloutEnd::RolledBack, Some((10.0, 20))),
            rollout(RolloutEnd::RolledBack, Some((30.0, 60))),
            rollout(RolloutEnd::Completed, None),
            rollout(RolloutEnd::Open, Some((900.0, 9))),
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
        let tally = Summary::of(&[]);
        assert_eq!([tally.wrong_part(), tally.found_part(), tally.completed_part()], [0.0; 3]);
    }
}
