//! The share that a rule's canary has: the same all the time, or more with every stage.
//!
//! Puts a [`Detector`] in charge of a rollout. Promotions come when a stage has had its time and the judge lets them; a
//! promotion that it refuses is asked for again at every tick. Knows nothing of the file's office hours, pauses and
//! pins: a simulated rollout has no people in it. Invariant: the share never falls; a rollback is a verdict, and
//! whoever plays the rollout ends it there.

use super::rule::{Detector, RolloutRule, TickCounts, Verdict};

/// A share that does not change.
#[derive(Clone, Debug)]
pub struct FixedShare<J> {
    detector: J,
    share: f64,
}

impl<J: Detector> FixedShare<J> {
    /// This judge with this share, 0 to 1.
    pub const fn new(detector: J, share: f64) -> FixedShare<J> {
        FixedShare { detector, share }
    }
}

impl<J: Detector> RolloutRule for FixedShare<J> {
    fn tick(&mut self, seen: &TickCounts) -> Verdict {
        if self.detector.is_bad(seen) { Verdict::Rollback } else { Verdict::Stay }
    }

    fn share(&self) -> f64 {
        self.share
    }
}

/// Which shares follow each other, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The shares, 0 to 1, rising.
    pub stages: Vec<f64>,
    /// How long the first is held, in seconds.
    pub first: f64,
    /// How long each other is held.
    pub every: f64,
}

impl Schedule {
    /// From a share up to everybody, so much more every so many seconds.
    #[must_use]
    pub fn even(from: f64, step: f64, seconds: f64) -> Schedule {
        // Shares are whole hundredths of a percent, so that repeated steps stay exact.
        let share = |steps: u32| ((from + step * f64::from(steps)) * 1e4).round() / 1e4;
        let mut stages: Vec<f64> = (0..10_000).map(share).take_while(|share| *share < 1.0).collect();
        stages.push(1.0);
        Schedule { stages, first: seconds, every: seconds }
    }
}

/// A share that rises.
#[derive(Clone, Debug)]
pub struct ScheduledShare<J> {
    detector: J,
    schedule: Schedule,
    stage: usize,
    seconds: f64,
}

impl<J: Detector> ScheduledShare<J> {
    /// This judge from the first stage on.
    pub const fn new(detector: J, schedule: Schedule) -> ScheduledShare<J> {
        ScheduledShare { detector, schedule, stage: 0, seconds: 0.0 }
    }
}

impl<J: Detector> RolloutRule for ScheduledShare<J> {
    fn tick(&mut self, seen: &TickCounts) -> Verdict {
        if self.detector.is_bad(seen) {
            return Verdict::Rollback;
        }
        self.seconds += seen.seconds;
        let hold = if self.stage == 0 { self.schedule.first } else { self.schedule.every };
        // A hair less, for ticks that do not add up exactly.
        if self.seconds < hold - 1e-6 || !self.detector.may_promote() {
            return Verdict::Stay;
        }
        self.seconds = 0.0;
        if self.stage + 1 >= self.schedule.stages.len() {
            return Verdict::Complete;
        }
        self.stage += 1;
        Verdict::Promote
    }

    fn share(&self) -> f64 {
        self.schedule.stages.get(self.stage).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets promotions happen while it is true.
    struct Gate(bool);

    impl Detector for Gate {
        fn is_bad(&mut self, seen: &TickCounts) -> bool {
            seen.canary.errors > 0
        }

        fn may_promote(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn even_steps_end_with_everybody() {
        assert_eq!(Schedule::even(0.1, 0.15, 60.0).stages, [0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0]);
        assert_eq!(Schedule::even(0.5, 0.3, 60.0).stages, [0.5, 0.8, 1.0]);
        assert_eq!(Schedule::even(1.0, 0.3, 60.0).stages, [1.0]);
    }

    #[test]
    fn stages_follow_when_their_time_is_over_and_the_judge_lets_them() {
        let mut rule = ScheduledShare::new(Gate(true), Schedule { stages: vec![0.1, 1.0], first: 3.0, every: 2.0 });
        let seen = TickCounts { seconds: 1.0, ..TickCounts::default() };
        let mut verdicts = Vec::new();
        for _ in 0..5 {
            verdicts.push((rule.tick(&seen), rule.share()));
        }
        let (stay, low, all) = (Verdict::Stay, 0.1, 1.0);
        assert_eq!(
            verdicts,
            [(stay, low), (stay, low), (Verdict::Promote, all), (stay, all), (Verdict::Complete, all)]
        );
    }

    #[test]
    fn a_promotion_that_is_refused_is_asked_for_again() {
        let mut rule = ScheduledShare::new(Gate(false), Schedule::even(0.5, 0.5, 2.0));
        let seen = TickCounts { seconds: 1.0, ..TickCounts::default() };
        assert!((0..9).all(|_| rule.tick(&seen) == Verdict::Stay));
        rule.detector.0 = true;
        assert_eq!(rule.tick(&seen), Verdict::Promote);
    }

    #[test]
    fn a_bad_canary_goes_back_at_once() {
        let bad = TickCounts {
            seconds: 1.0,
            canary: crate::simulate::rule::SimulatedArm::counted(0, 1),
            ..TickCounts::default()
        };
        assert_eq!(ScheduledShare::new(Gate(true), Schedule::even(0.5, 0.5, 1.0)).tick(&bad), Verdict::Rollback);
        assert_eq!(FixedShare::new(Gate(true), 0.5).tick(&bad), Verdict::Rollback);
    }
}
