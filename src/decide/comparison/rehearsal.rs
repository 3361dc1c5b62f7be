//! A rehearsal: rounds of copies before the canary's first user, and what each round concludes.
//!
//! A round ends when so many pairs as `requests` asks for were compared. One without anything that blocks is passed,
//! and the ramp begins. After any other the next round begins by itself when a while has passed, or at once when the
//! file asks the canary in another way. What was passed stays passed for this attempt, unless the file asks in another
//! way before the ramp has begun. Invariant: a rehearsal never moves a user; it only holds the first step.

use serde::{Deserialize, Serialize};

use super::defect::Defect;
use super::funnel::Skip;
use super::tally::{Medians, Tally};
use crate::decide::units::{Millis, Percent, UnixMillis};

/// Between a round that failed and the next one.
pub const BETWEEN_ROUNDS: Millis = Millis(600_000);
/// After this time without a request it is traffic that is waited for.
pub const QUIET_AFTER: Millis = Millis(300_000);
/// So many times stable's median blocks.
pub const TOO_SLOW: u32 = 5;
/// A median that is not even this much longer is no matter, whatever the ratio.
const LEAST_DELAY: u32 = 250;

/// What blocks the first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "blocks", rename_all = "snake_case")]
pub enum Blocking {
    /// Copies failed where stable did not.
    Defect {
        #[serde(flatten)]
        defect: Defect,
        count: u64,
    },
    /// The canary is much slower than stable: medians in milliseconds, stable's first.
    Slow {
        /// Until the first output, or until the end.
        first_output: bool,
        medians: [u32; 2],
    },
}

/// What a round is compared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The try of the rollout.
    pub attempt: u32,
    /// How the file asks the canary.
    pub asked: u64,
}

/// A round, with its counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rehearsal {
    /// Counts the rounds.
    pub round: u64,
    pub subject: Option<Subject>,
    pub tally: Tally,
    /// How the round ended; `None`: it is under way.
    pub verdict: Option<RoundVerdict>,
    /// When requests were seen last that could be copied; `None`: not since the process began.
    #[serde(skip)]
    pub seen_at: Option<UnixMillis>,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundVerdict {
    pub at: UnixMillis,
    /// What blocks; empty: it was passed.
    pub blocking: Vec<Blocking>,
    pub compared: u64,
}

impl Rehearsal {
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.blocking.is_empty())
    }

    /// Whether copies are wanted.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.verdict.is_none()
    }

    /// Whether it is time for another round: there was none, the file asks otherwise, or the last one failed a while
    /// ago.
    #[must_use]
    pub fn is_due(&self, subject: Subject, now: UnixMillis) -> bool {
        // Of a round that ends in the future, the clock was ahead.
        let rested = self
            .verdict
            .as_ref()
            .is_some_and(|verdict| !verdict.blocking.is_empty() && now.0.abs_diff(verdict.at.0) >= BETWEEN_ROUNDS.0);
        self.subject != Some(subject) || rested
    }

    /// Begins another round if it is time. True: one began.
    pub fn begin_if_due(&mut self, subject: Subject, now: UnixMillis) -> bool {
        if !self.is_due(subject, now) {
            return false;
        }
        let (round, seen_at) = (self.round + 1, self.seen_at);
        *self = Rehearsal { round, subject: Some(subject), seen_at, ..Rehearsal::default() };
        true
    }

    /// Ends the round if enough pairs were compared. `tolerated`: failures that come by chance.
    pub fn conclude(&mut self, requests: u32, tolerated: Percent, now: UnixMillis) -> Option<&RoundVerdict> {
        let compared = self.tally.funnel.compared;
        if self.verdict.is_some() || compared < u64::from(requests) {
            return None;
        }
        let blocking = blocking(&self.tally, tolerated);
        Some(self.verdict.insert(RoundVerdict { at: now, blocking, compared }))
    }
}

/// What blocks, by these counts.
#[must_use]
pub fn blocking(tally: &Tally, tolerated: Percent) -> Vec<Blocking> {
    let compared = tally.funnel.compared;
    let by_chance: u64 = tally.defects.iter().filter(|(defect, _)| defect.is_by_chance()).map(|(_, count)| count).sum();
    // As shares of a hundredth of a percent, in whole numbers.
    let too_many = by_chance * 10_000 > compared * u64::from(tolerated.hundredths());
    let blocks = |defect: &Defect| too_many || !defect.is_by_chance();
    let defects = tally.defects.iter().filter(|(defect, _)| blocks(defect));
    let mut found: Vec<Blocking> =
        defects.map(|(defect, count)| Blocking::Defect { defect: defect.clone(), count: *count }).collect();
    if let Some(Medians { first_output, total, .. }) = tally.medians() {
        let is_slow = |[stable, canary]: [u32; 2]| {
            canary >= stable.saturating_mul(TOO_SLOW) && canary.saturating_sub(stable) >= LEAST_DELAY
        };
        for (of_first, medians) in [(true, first_output), (false, total)] {
            if is_slow(medians) {
                found.push(Blocking::Slow { first_output: of_first, medians });
            }
        }
    }
    found
}

/// What the first step waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct RehearsalWait {
    /// Pairs that were compared in this round.
    pub compared: u64,
    pub needed: u32,
    pub progress: RehearsalProgress,
    /// Why more requests were skipped than compared, and how many.
    pub skipped: Option<(Skip, u64)>,
}

/// How far a rehearsal is.
#[derive(Clone, Debug, PartialEq)]
pub enum RehearsalProgress {
    /// No request has come of late that could be copied.
    NoTraffic,
    /// Copies are sent; this blocks by now.
    UnderWay(Vec<Blocking>),
    /// The money of the day is used up.
    Cost,
    /// The round was not passed, and another one begins after this time.
    Failed(Vec<Blocking>, Millis),
}

/// What the first step waits for; `None`: the rehearsal was passed.
#[must_use]
pub fn waits_for(rehearsal: &Rehearsal, needed: u32, tolerated: Percent, now: UnixMillis) -> Option<RehearsalWait> {
    let (tally, compared) = (&rehearsal.tally, rehearsal.tally.funnel.compared);
    let skipped = |why| tally.funnel.skipped.get(&why).copied().unwrap_or_default();
    let is_quiet = rehearsal.seen_at.is_none_or(|seen| now.0.saturating_sub(seen.0) >= QUIET_AFTER.0);
    let progress = match &rehearsal.verdict {
        Some(verdict) if verdict.blocking.is_empty() => return None,
        Some(verdict) => {
            let left = BETWEEN_ROUNDS.0.saturating_sub(now.0.saturating_sub(verdict.at.0));
            RehearsalProgress::Failed(verdict.blocking.clone(), Millis(left))
        }
        None if is_quiet => RehearsalProgress::NoTraffic,
        None if skipped(Skip::Cost) > 0 && tally.funnel.sent == 0 => RehearsalProgress::Cost,
        None => RehearsalProgress::UnderWay(blocking(tally, tolerated)),
    };
    // Copies keep a distance by themselves.
    let reasons = tally.funnel.skipped.iter().filter(|(why, count)| **why != Skip::Rate && **count > compared);
    let skipped = reasons.max_by_key(|(_, count)| **count).map(|(why, count)| (*why, *count));
    Some(RehearsalWait { compared, needed, progress, skipped })
}

#[cfg(test)]
mod tests;
