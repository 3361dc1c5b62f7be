//! Quantiles of paired differences, each with an interval that assumes nothing of their distribution.
//!
//! Pure. The interval is that of order statistics: the ranks between which the quantile lies with 95%. Where there are
//! too few pairs for a bound, there is none. Invariant: a quantile is a difference that was measured.

use serde::Serialize;

/// The two sides of 95%.
const Z: f64 = 1.96;

/// A quantile in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantile {
    pub micros: f64,
    /// From where it lies with 95%.
    pub low: Option<f64>,
    /// Up to where.
    pub high: Option<f64>,
}

/// What was added, over all pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Paired {
    pub pairs: usize,
    pub p50: Quantile,
    pub p99: Quantile,
    /// The median of the direct calls alone, in microseconds.
    pub direct_p50: f64,
}

impl Paired {
    /// Of pairs of (direct, through Serin), in nanoseconds; `None` where there are none.
    #[must_use]
    pub fn of(pairs: &[(u64, u64)]) -> Option<Paired> {
        let mut differences: Vec<f64> =
            pairs.iter().map(|(direct, through)| (*through as f64 - *direct as f64) / 1000.0).collect();
        let mut direct: Vec<f64> = pairs.iter().map(|(direct, _)| *direct as f64 / 1000.0).collect();
        differences.sort_by(f64::total_cmp);
        direct.sort_by(f64::total_cmp);
        Some(Paired {
            pairs: pairs.len(),
            p50: quantile(&differences, 50)?,
            p99: quantile(&differences, 99)?,
            direct_p50: quantile(&direct, 50)?.micros,
        })
    }
}

/// Of sorted values.
fn quantile(sorted: &[f64], percent: usize) -> Option<Quantile> {
    let all = sorted.len();
    let micros = *sorted.get((all * percent).div_ceil(100).checked_sub(1)?)?;
    let (place, part) = (all as f64 * percent as f64 / 100.0, percent as f64 / 100.0);
    let half = Z * (place * (1.0 - part)).sqrt();
    // Ranks begin at one.
    let rank = |rank: f64| (rank >= 1.0 && rank <= all as f64).then(|| sorted.get(rank_index(rank)).copied())?;
    Some(Quantile { micros, low: rank((place - half).floor()), high: rank((place + half).ceil()) })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the list")]
fn rank_index(rank: f64) -> usize {
    rank as usize - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_their_intervals_are_ranks() {
        let pairs: Vec<(u64, u64)> = (1..=1000).map(|n| (5000, 5000 + n * 1000)).collect();
        let paired = Paired::of(&pairs).unwrap();
        assert_eq!((paired.pairs, paired.direct_p50), (1000, 5.0));
        assert_eq!(paired.p50, Quantile { micros: 500.0, low: Some(469.0), high: Some(531.0) });
        assert_eq!(paired.p99, Quantile { micros: 990.0, low: Some(983.0), high: Some(997.0) });
    }

    #[test]
    fn few_pairs_have_no_bound_where_none_can_be_known() {
        assert_eq!(Paired::of(&[]), None);
        let few: Vec<(u64, u64)> = (1..=20).map(|n| (0, n * 1000)).collect();
        let p99 = Paired::of(&few).unwrap().p99;
        assert_eq!((p99.micros, p99.high), (20.0, None));
    }

    #[test]
    fn what_is_faster_through_serin_is_less_than_nothing() {
        assert_eq!(Paired::of(&[(3000, 1000)]).unwrap().p50.micros, -2.0);
    }

    /// The interval holds the true median about as often as it says.
    #[test]
    fn intervals_hold_the_truth() {
        let mut random = fastrand::Rng::with_seed(7);
        let held = (0..400).filter(|_| {
            let pairs: Vec<(u64, u64)> = (0..301).map(|_| (0, random.u64(0..2_000_000))).collect();
            let p50 = Paired::of(&pairs).unwrap().p50;
            p50.low.unwrap() <= 1000.0 && 1000.0 <= p50.high.unwrap()
        });
        let held = held.count();
        assert!((368..=396).contains(&held), "{held} of 400");
    }
}
