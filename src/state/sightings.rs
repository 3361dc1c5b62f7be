//! What was seen of the failures of one epoch, by arm and outcome: how often, and as what.
//!
//! A failure of which more can be told than its outcome is told here in a few words (a media type, what kind of body came,
//! where a redirect points to), never in words of a prompt or an answer. Failures are few next to what is well, and a
//! provider fails in few ways: the table is short, and whatever comes beyond it is only counted. Invariant: noting one
//! costs a short lock and no message, however many come.

use std::sync::{Mutex, PoisonError};

use crate::decide::outcome::Outcome;
use crate::decide::units::Arm;

/// How many ways of failing are told apart, an arm.
pub const MOST: usize = 16;
/// The longest words that are kept, in bytes.
pub const LONGEST: usize = 120;

/// One way of failing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What it was counted as.
    pub outcome: Outcome,
    /// What was seen, in a few words.
    pub what: String,
    /// How often.
    pub count: u64,
    /// How often there was this outcome, in whatever way.
    pub of: u64,
}

impl Sighting {
    /// In words, with its share.
    #[must_use]
    pub fn words(&self) -> String {
        let Sighting { outcome, what, count, of } = self;
        format!("{}, {count} of {of}: {what}", outcome.as_str())
    }
}

/// What was seen of both arms.
#[derive(Debug, Default)]
pub struct Sightings([Mutex<Vec<Sighting>>; 2]);

impl Sightings {
    /// A failure of this arm was seen as this.
    pub fn note(&self, arm: Arm, outcome: Outcome, what: &str) {
        let mut seen = self.0[arm as usize].lock().unwrap_or_else(PoisonError::into_inner);
        let what = &what[..what.floor_char_boundary(LONGEST)];
        let of = seen.iter().find(|one| one.outcome == outcome).map_or(0, |one| one.of) + 1;
        seen.iter_mut().filter(|one| one.outcome == outcome).for_each(|one| one.of = of);
        if let Some(known) = seen.iter_mut().find(|one| one.outcome == outcome && one.what == what) {
            known.count += 1;
        } else if seen.len() < MOST {
            seen.push(Sighting { outcome, what: what.to_owned(), count: 1, of });
        }
    }

    /// All that was seen of an arm, what was seen most often first.
    #[must_use]
    pub fn of(&self, arm: Arm) -> Vec<Sighting> {
        let mut seen = self.0[arm as usize].lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.what.cmp(&other.what)));
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_most_comes_first_with_its_share() {
        let seen = Sightings::default();
        for _ in 0..3 {
            seen.note(Arm::Canary, Outcome::Malformed, "text/html, `<!doctype html>`");
        }
        seen.note(Arm::Canary, Outcome::Malformed, "application/json, `null`");
        seen.note(Arm::Canary, Outcome::Timeout, "no head");
        seen.note(Arm::Stable, Outcome::Malformed, "application/json, `{}`");
        let told: Vec<_> = seen.of(Arm::Canary).into_iter().map(|one| (one.what, one.count, one.of)).collect();
        let expected = [("text/html, `<!doctype html>`", 3, 4), ("application/json, `null`", 1, 4), ("no head", 1, 1)];
        assert_eq!(told, expected.map(|(what, count, of)| (what.to_owned(), count, of)));
        assert_eq!(seen.of(Arm::Stable).len(), 1);
    }

    #[test]
    fn the_table_is_short_whatever_comes() {
        let seen = Sightings::default();
        for number in 0..1000 {
            seen.note(Arm::Canary, Outcome::Malformed, &format!("{number} {}", "ü".repeat(500)));
        }
        let kept = seen.of(Arm::Canary);
        assert_eq!((kept.len(), kept[0].of), (MOST, 1000));
        assert!(kept.iter().all(|one| one.what.len() <= LONGEST));
    }
}
