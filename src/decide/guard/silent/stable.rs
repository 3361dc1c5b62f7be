//! The same test with the arms swapped: stable accepts requests and answers none of them, while the canary answers.
//!
//! Stable's waiting requests, by kind, are compared with the canary's of the same seconds. The requests of a single
//! user decide nothing, nor does a stall of both. Once detected it lasts until stable answers a request of that kind
//! that was sent in the run: meanwhile each request waits for a limited time and then goes to another provider, so no
//! request waits long enough to detect it again. Moves no users: each request is handled for itself.

use super::super::constants::Constants;
use super::super::waiting::{ResponseKind, Wait, WaitEnd, WaitingRequests, age, second_of};
use super::run_counts::{RUNS, RunCounts, least_wait};
use crate::decide::units::{Arm, Millis};

/// Where stable's runs begin, and what was found.
#[derive(Clone, Debug, Default)]
pub(super) struct StableRuns {
    // By run.
    since: [u32; RUNS.len()],
    // By kind.
    silent: [bool; 2],
}

impl StableRuns {
    /// Another share, or what was seen is not to be trusted.
    pub(super) fn begin(&mut self, next: u32) {
        *self = StableRuns { since: [next; RUNS.len()], silent: [false; 2] };
    }

    /// A request of stable stopped waiting.
    pub(super) fn end_wait(&mut self, wait: Wait, how: WaitEnd) {
        if how != WaitEnd::Answered {
            return;
        }
        for (run, since) in RUNS.iter().zip(&mut self.since) {
            if run.is_none_or(|kind| kind == wait.kind) {
                if wait.second >= *since {
                    self.silent[wait.kind as usize] = false;
                }
                *since = (*since).max(wait.second.saturating_add(1));
            }
        }
    }

    /// A length of time is over: how long a request of each kind waits for stable, of those that wait at most for as
    /// long as `patience` says.
    pub(super) fn waits(
        &mut self,
        waiting: &WaitingRequests,
        patience: [Option<Millis>; 2],
        constants: &Constants,
        now: Millis,
    ) -> [Option<Millis>; 2] {
        for (index, run) in RUNS.iter().enumerate() {
            if self.is_silent(index, waiting, patience, constants, now) {
                let of_run = ResponseKind::ALL.into_iter().filter(|kind| run.is_none_or(|run| run == *kind));
                of_run.for_each(|kind| self.silent[kind as usize] = true);
            }
        }
        ResponseKind::ALL.map(|kind| patience[kind as usize].filter(|_| self.silent[kind as usize]))
    }

    fn is_silent(
        &mut self,
        index: usize,
        waiting: &WaitingRequests,
        patience: [Option<Millis>; 2],
        constants: &Constants,
        now: Millis,
    ) -> bool {
        let run = RUNS[index];
        let mut seen = RunCounts::default();
        for cohort in waiting.from(self.since[index]) {
            for of in ResponseKind::ALL.into_iter().filter(|of| run.is_none_or(|run| run == *of)) {
                if patience[of as usize].is_some_and(|long| age(cohort.second, now) >= long) {
                    seen.add(cohort, of, Arm::Stable);
                }
            }
        }
        let (answered, without) = (f64::from(seen.other_answered), f64::from(seen.other_unanswered));
        if without > 0.0 && without >= answered {
            // Both stall: the run begins anew for as long as the canary does no better.
            self.since[index] = second_of(now).saturating_add(1);
            return false;
        }
        let weighed = seen.weighed((constants.silent_requests / constants.silent_users as f64).ceil());
        let rate = (without + 1.0) / (answered + without + 2.0);
        let waited = age(seen.first, now).duration().as_secs_f64();
        seen.unanswered > 0
            && weighed * -rate.max(constants.down_least_rate).ln() >= constants.down_evidence
            && weighed >= constants.silent_requests
            && answered >= constants.down_stable_successes
            && seen.users.len() >= constants.silent_users
            && waited >= least_wait(patience, run) + constants.down_seconds
    }
}

#[cfg(test)]
mod tests;
