//! A quantity over time: a traffic, or a rate of errors.
//!
//! Owns the moments of change and nothing else. A course is constant between two of them, so that a generator builds
//! its tables once for each piece; what drifts goes up in steps that are too small to be noticed. Times are seconds
//! from the start of the rollout. Invariant: the first piece begins at zero, and the pieces are in order.

/// Into so many steps a drift is cut.
const STEPS: u32 = 120;

/// A quantity over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    // From when on, and how much.
    pieces: Vec<(f64, f64)>,
}

impl Profile {
    /// Always the same.
    #[must_use]
    pub fn steady(value: f64) -> Profile {
        Profile { pieces: vec![(0.0, value)] }
    }

    /// As before until `from`, this value from then on.
    #[must_use]
    pub fn then(mut self, from: f64, value: f64) -> Profile {
        self.pieces.retain(|piece| piece.0 < from);
        self.pieces.push((from.max(0.0), value));
        self
    }

    /// This value for so many seconds, and afterwards what would have been then.
    #[must_use]
    pub fn spell(self, from: f64, seconds: f64, value: f64) -> Profile {
        let until = from + seconds;
        let after = self.at(until);
        let later: Vec<(f64, f64)> = self.pieces.iter().copied().filter(|piece| piece.0 > until).collect();
        let mut course = self.then(from, value).then(until, after);
        course.pieces.extend(later);
        course
    }

    /// From where it is to this value in so many seconds, and then there.
    #[must_use]
    pub fn drift(self, from: f64, seconds: f64, value: f64) -> Profile {
        let start = self.at(from);
        (1..=STEPS).map(|step| f64::from(step) / f64::from(STEPS)).fold(self, |course, part| {
            // A step covers the time before and after the moment when it is exact.
            course.then(from + seconds * (part - 0.5 / f64::from(STEPS)), start + (value - start) * part)
        })
    }

    /// Up and down by this part of the value, once in so many seconds, for a number of times; begins in the middle.
    #[must_use]
    pub fn waves(self, part: f64, seconds: f64, times: u32) -> Profile {
        let middle = self.at(0.0);
        (0..24 * times).map(|step| f64::from(step) / 24.0).fold(self, |course, turn| {
            let height = (std::f64::consts::TAU * (turn + 0.5 / 24.0)).sin();
            course.then(seconds * turn, middle * (1.0 + part * height))
        })
    }

    /// How much it is at this time.
    #[must_use]
    pub fn at(&self, seconds: f64) -> f64 {
        let begun = self.pieces.iter().take_while(|piece| piece.0 <= seconds);
        begun.last().or(self.pieces.first()).map_or(0.0, |piece| piece.1)
    }

    /// The next change after this time; infinity when there is none.
    #[must_use]
    pub fn change_after(&self, seconds: f64) -> f64 {
        self.pieces.iter().map(|piece| piece.0).find(|from| *from > seconds).unwrap_or(f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_ends_as_if_it_had_not_been() {
        let course = Profile::steady(1.0).then(50.0, 2.0).then(90.0, 3.0).spell(40.0, 20.0, 9.0);
        let at = [0.0, 39.0, 40.0, 59.0, 60.0, 89.0, 90.0, 1e9].map(|seconds| course.at(seconds));
        assert_eq!(at, [1.0, 1.0, 9.0, 9.0, 2.0, 2.0, 3.0, 3.0]);
        assert_eq!([0.0, 40.0, 60.0, 90.0].map(|s| course.change_after(s)), [40.0, 60.0, 90.0, f64::INFINITY]);
    }

    #[test]
    fn a_change_at_the_start_is_the_start() {
        assert_eq!(Profile::steady(1.0).then(0.0, 2.0), Profile::steady(2.0));
        assert_eq!(Profile::steady(1.0).spell(0.0, 5.0, 2.0).at(0.0).to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn a_drift_is_never_far_from_its_line() {
        let course = Profile::steady(0.004).drift(1000.0, 7200.0, 0.03);
        for second in 1000..8300 {
            let line = 0.004 + 0.026 * (f64::from(second - 1000) / 7200.0).min(1.0);
            assert!((course.at(f64::from(second)) - line).abs() <= 0.026 / f64::from(STEPS), "{second}");
        }
        assert!((course.at(1e6) - 0.03).abs() < 1e-12);
    }

    #[test]
    fn waves_come_back_to_where_they_began() {
        let day = Profile::steady(100.0).waves(0.5, 86_400.0, 2);
        assert!((day.at(86_400.0 / 4.0) - 150.0).abs() < 1.0);
        assert!((day.at(3.0 * 86_400.0 / 4.0) - 50.0).abs() < 1.0);
        assert!((day.at(10.0) - day.at(86_410.0)).abs() < 1e-9);
    }
}
