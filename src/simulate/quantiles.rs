//! How something spreads over many runs.
//!
//! Owns the values, sorted. A quantile is one of them, the smallest that so many of all do not exceed (nearest rank):
//! nothing is interpolated, so what a report says did happen in a run. Without values there are none.

/// Values of many runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution(Vec<f64>);

impl Distribution {
    /// Of the values, in seconds or whatever they are.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Distribution {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Distribution(values)
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// This part of the values, 0 to 1, does not exceed it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is then held inside")]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = (part * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied()
    }

    /// How many values do not exceed this one.
    #[must_use]
    pub fn up_to(&self, value: f64) -> usize {
        self.0.partition_point(|one| *one <= value)
    }

    /// Half of the values do not exceed it.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// 95% of the values do not exceed it.
    #[must_use]
    pub fn most(&self) -> Option<f64> {
        self.quantile(0.95)
    }

    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.iter().sum::<f64>() / self.0.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let spread = Distribution::of((1..=100).rev().map(f64::from));
        assert_eq!([spread.median(), spread.most(), spread.mean()], [Some(50.0), Some(95.0), Some(50.5)]);
        assert_eq!(
            [spread.quantile(0.0), spread.quantile(1.0), spread.quantile(2.0)].map(Option::unwrap),
            [1.0, 100.0, 100.0]
        );
        assert_eq!(Distribution::of([7.0]).most(), Some(7.0));
        assert_eq!([0.5, 1.0, 42.5, 100.0].map(|value| spread.up_to(value)), [0, 1, 42, 100]);
    }

    #[test]
    fn nothing_has_no_quantile() {
        let none = Distribution::of([]);
        assert_eq!([none.median(), none.most(), none.mean()], [None; 3]);
        assert_eq!(none.count(), 0);
    }
}
