//! Why attempts of one epoch failed, by arm and outcome: how often, when last, and what became of their requests.
//!
//! Failures are few next to what is well, and a provider fails in few ways: of each outcome the last few distinct causes
//! are kept, and what was seen longest ago leaves for what is new. A cause is noted when the attempt ends, and who answered
//! instead when its request does. Owns no words. Invariant: noting one costs a short lock and no message, however many
//! come, and the table is bounded.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::decide::cause::{Cause, CauseCount};
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Millis, Slot, UnixMillis};

/// How many causes are told apart, an outcome of an arm.
pub const MOST: usize = 4;
/// How many users whose client saw an error are told apart, a cause.
const MOST_USERS: usize = 1000;

#[derive(Debug)]
struct Cell {
    outcome: Outcome,
    cause: Cause,
    count: u64,
    last: Millis,
    request_id: Option<String>,
    answered: Vec<(String, u64)>,
    users: BTreeSet<Slot>,
    // Of requests that belong to nobody.
    nobodys: u64,
}

#[derive(Debug, Default)]
struct ArmCauses {
    cells: Vec<Cell>,
    failures: u64,
}

impl ArmCauses {
    fn find(&mut self, outcome: Outcome, cause: &Cause) -> Option<&mut Cell> {
        self.cells.iter_mut().find(|cell| cell.outcome == outcome && cell.cause == *cause)
    }
}

/// The causes of both arms.
#[derive(Debug, Default)]
pub struct Causes([Mutex<ArmCauses>; 2]);

impl Causes {
    fn arm(&self, arm: Arm) -> MutexGuard<'_, ArmCauses> {
        self.0[arm as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an attempt of this arm failed.
    #[must_use]
    pub fn are_known(&self, arm: Arm) -> bool {
        self.arm(arm).failures > 0
    }

    /// An attempt of this arm failed. `request_id`: by which the provider knows it.
    pub fn note(&self, arm: Arm, outcome: Outcome, cause: &Cause, request_id: Option<&str>, now: Millis) {
        let mut arm = self.arm(arm);
        arm.failures += 1;
        if let Some(cell) = arm.find(outcome, cause) {
            (cell.count, cell.last) = (cell.count + 1, now);
            cell.request_id = request_id.map(str::to_owned).or(cell.request_id.take());
            return;
        }
        let of_outcome = arm.cells.iter().enumerate().filter(|(_, cell)| cell.outcome == outcome);
        if of_outcome.clone().count() >= MOST
            && let Some((oldest, _)) = of_outcome.min_by_key(|(_, cell)| cell.last)
        {
            arm.cells.swap_remove(oldest);
        }
        arm.cells.push(Cell {
            outcome,
            cause: cause.clone(),
            count: 1,
            last: now,
            request_id: request_id.map(str::to_owned),
            answered: Vec::new(),
            users: BTreeSet::new(),
            nobodys: 0,
        });
    }

    /// A request that failed so was answered by this provider instead.
    pub fn answered(&self, arm: Arm, outcome: Outcome, cause: &Cause, by: &str) {
        let mut arm = self.arm(arm);
        let Some(cell) = arm.find(outcome, cause) else { return };
        match cell.answered.iter_mut().find(|(name, _)| name == by) {
            Some((_, count)) => *count += 1,
            None => cell.answered.push((by.to_owned(), 1)),
        }
    }

    /// The client of a request that failed so saw an error.
    pub fn failed(&self, arm: Arm, outcome: Outcome, cause: &Cause, slot: Option<Slot>) {
        let mut arm = self.arm(arm);
        let Some(cell) = arm.find(outcome, cause) else { return };
        match slot {
            Some(slot) if cell.users.len() < MOST_USERS => {
                cell.users.insert(slot);
            }
            Some(_) => {}
            None => cell.nobodys += 1,
        }
    }

    /// All that are known of an arm, the commonest first. `now` by both clocks.
    #[must_use]
    pub fn of(&self, arm: Arm, now: Millis, unix: UnixMillis) -> Vec<CauseCount> {
        let arm = self.arm(arm);
        let counted = |cell: &Cell| CauseCount {
            outcome: cell.outcome,
            cause: cell.cause.clone(),
            count: cell.count,
            of: arm.failures,
            last: UnixMillis(unix.0.saturating_sub(now.since(cell.last).0)),
            request_id: cell.request_id.clone(),
            answered: cell.answered.clone(),
            users_failed: cell.users.len() as u64 + cell.nobodys,
        };
        let mut all: Vec<CauseCount> = arm.cells.iter().map(counted).collect();
        all.sort_by(|one, other| other.count.cmp(&one.count).then(other.last.cmp(&one.last)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Cause {
        Cause::Status { status, kind: None, code: None }
    }

    #[test]
    fn the_commonest_comes_first_with_its_share_and_what_became_of_its_requests() {
        let causes = Causes::default();
        let note = |cause: &Cause, id, now| causes.note(Arm::Canary, Outcome::ServerError, cause, id, Millis(now));
        note(&status(503), None, 1000);
        for now in [2000, 3000, 4000] {
            note(&status(500), (now == 3000).then_some("req_7"), now);
            causes.answered(Arm::Canary, Outcome::ServerError, &status(500), "old");
        }
        let slot = Slot::of(7);
        for _ in 0..2 {
            causes.failed(Arm::Canary, Outcome::ServerError, &status(503), Some(slot));
            causes.failed(Arm::Canary, Outcome::ServerError, &status(503), None);
        }
        causes.note(Arm::Stable, Outcome::Timeout, &Cause::Withdrawn, None, Millis(0));
        let told = causes.of(Arm::Canary, Millis(5000), UnixMillis(1_000_000));
        let [first, second] = &told[..] else { unreachable!("{told:?}") };
        assert_eq!((first.count, first.of, first.last), (3, 4, UnixMillis(999_000)));
        assert_eq!(first.request_id.as_deref(), Some("req_7"));
        assert_eq!((&first.answered[..], first.users_failed), (&[("old".to_owned(), 3)][..], 0));
        assert_eq!((second.count, second.users_failed), (1, 3), "one user, and twice nobody");
        assert_eq!(causes.of(Arm::Stable, Millis(0), UnixMillis(0)).len(), 1);
    }

    #[test]
    fn of_each_outcome_the_last_distinct_causes_are_kept() {
        let causes = Causes::default();
        causes.note(Arm::Canary, Outcome::Timeout, &Cause::Withdrawn, None, Millis(0));
        for number in 0..1000 {
            causes.note(Arm::Canary, Outcome::ServerError, &status(500 + number % 100), None, Millis(number.into()));
        }
        let kept = causes.of(Arm::Canary, Millis(1000), UnixMillis(0));
        assert_eq!((kept.len(), kept[0].of), (MOST + 1, 1001));
        let mut statuses: Vec<_> =
            kept.iter().filter(|one| one.cause != Cause::Withdrawn).map(|one| &one.cause).collect();
        statuses.sort_by_key(|cause| format!("{cause:?}"));
        assert_eq!(statuses, [&status(596), &status(597), &status(598), &status(599)]);
    }
}
