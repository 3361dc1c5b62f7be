//! How the answers of both arms ended in the last minutes, for the status: shares by end, and the mean pace of streams.
//!
//! Sums decay exponentially. They follow a change and stay steady while there is little traffic. Counts each request
//! that was answered by the provider of its own arm. Not used by the guard, which judges by samples. Invariant: the
//! shares sum to 1, or there are none.

use crate::decide::finish_kind::FinishKind;
use crate::decide::guard::numbers::fading;
use crate::decide::units::Arm;
use crate::state::counters::Series;
use crate::state::status::AnswersStatus;

/// Answers by their end, since the start.
pub(super) type Totals = [u64; FinishKind::ALL.len()];

/// The half-life of the sums, in seconds.
const HALF_LIFE: f64 = 300.0;

#[derive(Clone, Debug, Default)]
pub(in crate::control) struct AnswerStats {
    totals: Option<[Totals; 2]>,
    counts: [[f64; FinishKind::ALL.len()]; 2],
    // Of streams: the sum of their mean gaps between two outputs, and their number.
    paces: [(f64, f64); 2],
}

pub(in crate::control) fn totals(series: &Series) -> Totals {
    FinishKind::ALL.map(|finished| series.answers(finished))
}

impl AnswerStats {
    /// Adds a stream with this mean gap between two outputs.
    pub(super) fn add_pace(&mut self, arm: Arm, millis: f64) {
        let (sum, count) = &mut self.paces[arm as usize];
        (*sum, *count) = (*sum + millis, *count + 1.0);
    }

    pub(in crate::control) fn tick(&mut self, seconds: f64, totals: [Totals; 2]) {
        let before = self.totals.replace(totals).unwrap_or(totals);
        let fade = fading(seconds, HALF_LIFE);
        for arm in 0..2 {
            for (kind, count) in self.counts[arm].iter_mut().enumerate() {
                // Another series may have replaced the previous one, so a total can fall.
                *count = *count * fade + real(totals[arm][kind].saturating_sub(before[arm][kind]));
            }
            let (sum, count) = &mut self.paces[arm];
            (*sum, *count) = (*sum * fade, *count * fade);
        }
    }

    pub(in crate::control) fn status(&self, arm: Arm) -> AnswersStatus {
        let counts = &self.counts[arm as usize];
        let all: f64 = counts.iter().sum();
        let (sum, count) = self.paces[arm as usize];
        AnswersStatus {
            shares: (all > NEGLIGIBLE).then(|| counts.map(|count| count / all)),
            gap_millis: (count > NEGLIGIBLE).then(|| sum / count),
        }
    }
}

/// A sum below this counts as none.
const NEGLIGIBLE: f64 = 1e-3;

#[expect(clippy::cast_precision_loss, reason = "counts far below the precision")]
const fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_traffic_and_stay_steady_without_it() {
        let mut stats = AnswerStats::default();
        assert_eq!(stats.status(Arm::Canary), AnswersStatus::default());
        let mut totals = [[7; 6]; 2];
        stats.tick(1.0, totals);
        assert_eq!(stats.status(Arm::Canary).shares, None, "earlier answers do not count");
        for _ in 0..600 {
            totals[1][FinishKind::Stop as usize] += 9;
            totals[1][FinishKind::Length as usize] += 1;
            stats.add_pace(Arm::Canary, 20.0);
            stats.tick(1.0, totals);
        }
        let share = |stats: &AnswerStats, finished: FinishKind| {
            stats.status(Arm::Canary).shares.map_or(0.0, |shares| shares[finished as usize])
        };
        assert!((share(&stats, FinishKind::Length) - 0.1).abs() < 1e-9);
        (0..600).for_each(|_| stats.tick(1.0, totals));
        assert!((share(&stats, FinishKind::Length) - 0.1).abs() < 1e-9);
        assert!(stats.status(Arm::Canary).gap_millis.is_some_and(|gap| (gap - 20.0).abs() < 1e-9));
        assert_eq!(stats.status(Arm::Stable), AnswersStatus::default());
        for _ in 0..1800 {
            totals[1][FinishKind::Length as usize] += 10;
            stats.tick(1.0, totals);
        }
        assert!(share(&stats, FinishKind::Length) > 0.98);
    }
}
