//! Why requests of one epoch failed, by arm and outcome: how many, when last, and what followed.
//!
//! Of each outcome the last few distinct causes are kept; a new one replaces the one that was seen longest ago. All
//! counts are requests, however often each was tried: a request with two causes counts once for each. A cause is
//! recorded when the attempt ends, and the provider that answered instead when the request ends. A request that still
//! waits, that its client left, or that the same provider answered in the end counts neither as answered by another
//! provider nor as a client's error. Owns no texts. Invariants: for each cause at most as many requests were answered,
//! or failed, as are counted; recording takes a short lock and sends no message; the table is bounded.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::decide::cause::{Cause, CauseCount};
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Millis, Slot, UnixMillis};

/// How many causes are distinguished for each arm and outcome.
pub const MOST: usize = 4;
const WORDS: usize = Slot::COUNT.div_ceil(64);

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct CauseOccurrence<'a> {
    /// What it is counted as.
    pub outcome: Outcome,
    /// Why.
    pub cause: &'a Cause,
    /// The provider's id of the request.
    pub request_id: Option<&'a str>,
}

/// The causes that one request met on one arm of one epoch.
#[derive(Debug, Default)]
pub struct RequestCauses(Vec<u64>);

impl RequestCauses {
    /// Whether it met none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Users, by their slots: a kibibyte, once there is one.
#[derive(Debug, Default)]
struct Users {
    seen: Option<Box<[u64; WORDS]>>,
    count: u64,
}

impl Users {
    fn add(&mut self, slot: Slot) {
        let (word, bit) = (slot.index() / 64, 1 << (slot.index() % 64));
        let seen = self.seen.get_or_insert_with(|| Box::new([0; WORDS]));
        self.count += u64::from(seen[word] & bit == 0);
        seen[word] |= bit;
    }
}

#[derive(Debug)]
struct Cell {
    /// The id by which requests refer to it.
    number: u64,
    outcome: Outcome,
    cause: Cause,
    count: u64,
    last: Millis,
    request_id: Option<String>,
    answered: Vec<(String, u64)>,
    users: Users,
    // Of requests without a user.
    nobodys: u64,
}

#[derive(Debug, Default)]
struct ArmCauses {
    cells: Vec<Cell>,
    /// The number of the last cell.
    last: u64,
    failures: u64,
}

impl ArmCauses {
    fn find(&mut self, seen: &CauseOccurrence<'_>) -> Option<&mut Cell> {
        self.cells.iter_mut().find(|cell| cell.outcome == seen.outcome && cell.cause.is_same(seen.cause))
    }

    fn met<'c>(&'c mut self, met: &RequestCauses) -> impl Iterator<Item = &'c mut Cell> {
        self.cells.iter_mut().filter(|cell| met.0.contains(&cell.number))
    }

    /// A cell for what is new, in place of what was seen longest ago.
    fn begin(&mut self, seen: &CauseOccurrence<'_>, now: Millis) {
        let of_outcome = self.cells.iter().enumerate().filter(|(_, cell)| cell.outcome == seen.outcome);
        if of_outcome.clone().count() >= MOST
            && let Some((oldest, _)) = of_outcome.min_by_key(|(_, cell)| cell.last)
        {
            self.cells.swap_remove(oldest);
        }
        self.last += 1;
        self.cells.push(Cell {
            number: self.last,
            outcome: seen.outcome,
            cause: seen.cause.clone(),
            count: 0,
            last: now,
            request_id: None,
            answered: Vec::new(),
            users: Users::default(),
            nobodys: 0,
        });
    }
}

/// The causes of both arms.
#[derive(Debug, Default)]
pub struct CauseTable([Mutex<ArmCauses>; 2]);

impl CauseTable {
    fn arm(&self, arm: Arm) -> MutexGuard<'_, ArmCauses> {
        self.0[arm as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request failed at this arm's provider.
    #[must_use]
    pub fn are_known(&self, arm: Arm) -> bool {
        self.arm(arm).failures > 0
    }

    /// An attempt of a request of this arm failed. `met`: what that request met before; it has this cause then as well.
    pub fn record(&self, arm: Arm, seen: &CauseOccurrence<'_>, now: Millis, met: &mut RequestCauses) {
        let mut arm = self.arm(arm);
        arm.failures += u64::from(met.is_empty());
        if arm.find(seen).is_none() {
            arm.begin(seen, now);
        }
        let Some(cell) = arm.find(seen) else { return };
        cell.last = now;
        if cell.cause != *seen.cause {
            cell.cause = seen.cause.clone();
        }
        cell.request_id = seen.request_id.map(str::to_owned).or(cell.request_id.take());
        if !met.0.contains(&cell.number) {
            cell.count += 1;
            met.0.push(cell.number);
        }
    }

    /// A request that met these was answered by this provider instead.
    pub fn answered(&self, arm: Arm, met: &RequestCauses, by: &str) {
        for cell in self.arm(arm).met(met) {
            match cell.answered.iter_mut().find(|(name, _)| name == by) {
                Some((_, count)) => *count += 1,
                None => cell.answered.push((by.to_owned(), 1)),
            }
        }
    }

    /// The client of a request that met these saw an error.
    pub fn failed(&self, arm: Arm, met: &RequestCauses, slot: Option<Slot>) {
        for cell in self.arm(arm).met(met) {
            match slot {
                Some(slot) => cell.users.add(slot),
                None => cell.nobodys += 1,
            }
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
            users_failed: cell.users.count + cell.nobodys,
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

    fn note(
        causes: &CauseTable,
        (outcome, cause): (Outcome, &Cause),
        request_id: Option<&str>,
        now: u64,
        met: &mut RequestCauses,
    ) {
        causes.record(Arm::Canary, &CauseOccurrence { outcome, cause, request_id }, Millis(now), met);
    }

    /// A request that met this alone.
    fn met(causes: &CauseTable, cause: &Cause, request_id: Option<&str>, now: u64) -> RequestCauses {
        let mut met = RequestCauses::default();
        note(causes, (Outcome::ServerError, cause), request_id, now, &mut met);
        met
    }

    #[test]
    fn the_commonest_comes_first_with_its_share_and_what_became_of_its_requests() {
        let causes = CauseTable::default();
        let rare = met(&causes, &status(503), None, 1000);
        for now in [2000, 3000, 4000] {
            let met = met(&causes, &status(500), (now == 3000).then_some("req_7"), now);
            causes.answered(Arm::Canary, &met, "old");
        }
        let slot = Slot::of(7);
        for _ in 0..2 {
            causes.failed(Arm::Canary, &rare, Some(slot));
            causes.failed(Arm::Canary, &rare, None);
        }
        let stable = CauseOccurrence { outcome: Outcome::Timeout, cause: &Cause::Withdrawn, request_id: None };
        causes.record(Arm::Stable, &stable, Millis(0), &mut RequestCauses::default());
        let found = causes.of(Arm::Canary, Millis(5000), UnixMillis(1_000_000));
        let [first, second] = &found[..] else { unreachable!("{found:?}") };
        assert_eq!((first.count, first.of, first.last), (3, 4, UnixMillis(999_000)));
        assert_eq!(first.request_id.as_deref(), Some("req_7"));
        assert_eq!((&first.answered[..], first.users_failed), (&[("old".to_owned(), 3)][..], 0));
        assert_eq!((second.count, second.users_failed), (1, 3), "one user, and twice nobody");
        assert_eq!(causes.of(Arm::Stable, Millis(0), UnixMillis(0)).len(), 1);
    }

    #[test]
    fn a_request_counts_once_for_each_cause_however_often_it_was_tried() {
        let causes = CauseTable::default();
        let mut met = met(&causes, &status(500), None, 0);
        note(&causes, (Outcome::ServerError, &status(500)), Some("again"), 1, &mut met);
        note(&causes, (Outcome::Throttled, &status(429)), None, 2, &mut met);
        causes.answered(Arm::Canary, &met, "old");
        for found in causes.of(Arm::Canary, Millis(2), UnixMillis(10)) {
            assert_eq!((found.count, found.of, &found.answered[..]), (1, 1, &[("old".to_owned(), 1)][..]), "{found:?}");
        }
    }

    #[test]
    fn closes_with_one_code_are_one_cause_whatever_their_words() {
        let causes = CauseTable::default();
        let closed = |code, words: &str| Cause::Closed { code: Some(code), reason: Some(words.to_owned()) };
        for number in 0..10 {
            met(&causes, &closed(1011, &format!("session {number}")), None, number);
        }
        met(&causes, &closed(1013, "session 9"), None, 10);
        let found = causes.of(Arm::Canary, Millis(10), UnixMillis(10));
        let counts: Vec<_> = found.into_iter().map(|found| (found.cause, found.count)).collect();
        assert_eq!(counts, [(closed(1011, "session 9"), 10), (closed(1013, "session 9"), 1)]);
    }

    #[test]
    fn a_request_whose_cause_has_left_the_table_is_told_of_no_other() {
        let causes = CauseTable::default();
        let early = met(&causes, &status(500), None, 0);
        for number in 1..=MOST {
            met(&causes, &status(500 + u16::try_from(number).unwrap()), None, 1);
        }
        let late = met(&causes, &status(500), None, 2);
        causes.answered(Arm::Canary, &early, "old");
        causes.failed(Arm::Canary, &late, None);
        let all = causes.of(Arm::Canary, Millis(2), UnixMillis(0));
        let found = all.iter().find(|found| found.cause == status(500)).unwrap();
        assert_eq!((found.count, found.answered.len(), found.users_failed), (1, 0, 1));
    }

    #[test]
    fn every_slot_has_its_user() {
        let causes = CauseTable::default();
        let met = met(&causes, &status(500), None, 0);
        for bits in (0..Slot::COUNT).chain(0..Slot::COUNT) {
            causes.failed(Arm::Canary, &met, Some(Slot::of(u16::try_from(bits).unwrap())));
        }
        assert_eq!(causes.of(Arm::Canary, Millis(0), UnixMillis(0))[0].users_failed, Slot::COUNT as u64);
    }

    #[test]
    fn of_each_outcome_the_last_distinct_causes_are_kept() {
        let causes = CauseTable::default();
        note(&causes, (Outcome::Timeout, &Cause::Withdrawn), None, 0, &mut RequestCauses::default());
        for number in 0..1000 {
            met(&causes, &status(500 + number % 100), None, number.into());
        }
        let kept = causes.of(Arm::Canary, Millis(1000), UnixMillis(0));
        assert_eq!((kept.len(), kept[0].of), (MOST + 1, 1001));
        let mut statuses: Vec<_> =
            kept.iter().filter(|one| one.cause != Cause::Withdrawn).map(|one| &one.cause).collect();
        statuses.sort_by_key(|cause| format!("{cause:?}"));
        assert_eq!(statuses, [&status(596), &status(597), &status(598), &status(599)]);
    }
}
