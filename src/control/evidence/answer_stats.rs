//! How both arms' answers ended lately, as the surfaces show it: shares by their end, and the mean pace of streams.
//!
//! Sums that fade, so that what is shown follows what happens and holds still while little does. Counts everybody whom an
//! arm's own provider answered. The guard judges by its samples and not by these. Invariant: shares sum to 1, or there
//! are none.

use crate::decide::finished::Finished;
use crate::decide::guard::numbers::fading;
use crate::decide::units::Arm;
use crate::state::counters::Series;
use crate::state::status::AnswersStatus;

/// Answers by their end, since the process began.
pub(in crate::control) type Totals = [u64; Finished::ALL.len()];

/// How fast it fades, in seconds.
const HALF_LIFE: f64 = 300.0;

/// How both arms' answers ended lately.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct Answered {
    totals: Option<[Totals; 2]>,
    counts: [[f64; Finished::ALL.len()]; 2],
    // Of streams: the sum of their mean times between two outputs, and how many they are.
    paces: [(f64, f64); 2],
}

/// What a series has counted.
pub(in crate::control) fn totals(series: &Series) -> Totals {
    Finished::ALL.map(|finished| series.answers(finished))
}

impl Answered {
    /// A stream had so many milliseconds between two outputs, in the mean.
    pub(in crate::control) fn paced(&mut self, arm: Arm, millis: f64) {
        let (sum, count) = &mut self.paces[arm as usize];
        (*sum, *count) = (*sum + millis, *count + 1.0);
    }

    /// So many seconds passed.
    pub(in crate::control) fn tick(&mut self, seconds: f64, totals: [Totals; 2]) {
        let before = self.totals.replace(totals).unwrap_or(totals);
        let fade = fading(seconds, HALF_LIFE);
        for arm in 0..2 {
            for (kind, count) in self.counts[arm].iter_mut().enumerate() {
                // Another series may have taken the place of the one before.
                *count = *count * fade + real(totals[arm][kind].saturating_sub(before[arm][kind]));
            }
            let (sum, count) = &mut self.paces[arm];
            (*sum, *count) = (*sum * fade, *count * fade);
        }
    }

    /// As it is shown.
    pub(in crate::control) fn report(&self, arm: Arm) -> AnswersStatus {
        let counts = &self.counts[arm as usize];
        let all: f64 = counts.iter().sum();
        let (sum, count) = self.paces[arm as usize];
        AnswersStatus {
            shares: (all > NONE).then(|| counts.map(|count| count / all)),
            gap_millis: (count > NONE).then(|| sum / count),
        }
    }
}

/// So few are none.
const NONE: f64 = 1e-3;

#[expect(clippy::cast_precision_loss, reason = "counts far below the precision")]
const fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_what_happens_and_hold_still_while_nothing_does() {
        let mut answered = Answered::default();
        assert_eq!(answered.report(Arm::Canary), AnswersStatus::default());
        let mut totals = [[7; 6]; 2];
        answered.tick(1.0, totals);
        assert_eq!(answered.report(Arm::Canary).shares, None, "what was before is nobody's");
        for _ in 0..600 {
            totals[1][Finished::Stop as usize] += 9;
            totals[1][Finished::Length as usize] += 1;
            answered.paced(Arm::Canary, 20.0);
            answered.tick(1.0, totals);
        }
        let share = |answered: &Answered, finished: Finished| {
            answered.report(Arm::Canary).shares.map_or(0.0, |shares| shares[finished as usize])
        };
        assert!((share(&answered, Finished::Length) - 0.1).abs() < 1e-9);
        (0..600).for_each(|_| answered.tick(1.0, totals));
        assert!((share(&answered, Finished::Length) - 0.1).abs() < 1e-9);
        assert!(answered.report(Arm::Canary).gap_millis.is_some_and(|gap| (gap - 20.0).abs() < 1e-9));
        assert_eq!(answered.report(Arm::Stable), AnswersStatus::default());
        for _ in 0..1800 {
            totals[1][Finished::Length as usize] += 10;
            answered.tick(1.0, totals);
        }
        assert!(share(&answered, Finished::Length) > 0.98);
    }
}
