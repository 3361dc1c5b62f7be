//! What one run of unanswered requests is made of.
//!
//! Owns the counts of both arms and how many of them belong to each user, so that one user weighs little. Judges nothing.
//! Invariant: every counted request belongs to one of the distinguished users or to the others.

use crate::decide::guard::waiting::{Cohort, ResponseKind};
use crate::decide::units::{Arm, Slot};

/// What one run is made of: requests of the arm in question, and those of the other that are compared with them.
#[derive(Debug, Default)]
pub(super) struct RunCounts {
    pub(super) unanswered: u32,
    pub(super) other_answered: u32,
    pub(super) other_unanswered: u32,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) users: Vec<(Option<Slot>, u32)>,
    // Of further users.
    pub(super) others: u32,
}

/// How many users are distinguished in a run.
const MOST_USERS: usize = 32;

impl RunCounts {
    pub(super) fn add(&mut self, cohort: &Cohort, kind: ResponseKind, arm: Arm) {
        let (own, other) = (cohort.group(kind, arm), cohort.group(kind, arm.other()));
        // A stable that fails is not silent, and who left it was not.
        let (unanswered, named_most) = match arm {
            Arm::Canary => (own.unanswered(), usize::MAX),
            Arm::Stable => (own.waiting(), own.waiting_users().count()),
        };
        if unanswered == 0 {
            return;
        }
        if self.unanswered == 0 {
            self.first = cohort.second;
        }
        self.last = cohort.second;
        self.unanswered += unanswered;
        self.other_answered += other.answered;
        self.other_unanswered += other.unanswered();
        let mut named = 0;
        // Those who wait come first.
        for user in own.users().take(named_most) {
            named += 1;
            let known = user.and_then(|user| self.users.iter().position(|(other, _)| *other == Some(user)));
            match known {
                Some(place) => self.users[place].1 += 1,
                None if self.users.len() < MOST_USERS => self.users.push((user, 1)),
                None => self.others += 1,
            }
        }
        self.others += unanswered.saturating_sub(named);
    }

    pub(super) fn weighed(&self, most: f64) -> f64 {
        self.users.iter().map(|(_, count)| f64::from(*count).min(most)).sum::<f64>() + f64::from(self.others)
    }
}
