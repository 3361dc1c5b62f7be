//! Verdicts of the application: on a part of each provider's answers, and so many of them bad.
//!
//! Marks the answers of ticks that another source gives, so that traffic is the same with and without verdicts. Where
//! users are told apart each verdict is one user's, drawn evenly from those on the arm, and the very rule of production
//! says whether it counts; one user may insist besides. Deterministic for a seed. Judges nothing.

use super::excess::some_of;
use super::pauses::{millis, slot};
use super::rule::{SimulatedArm, TickCounts, TickSource, VerdictMarks};
use super::traffic::seeded;
use crate::decide::guard::user_cap::UserCap;
use crate::decide::units::Arm;

/// How often users say what they think of an answer, and what.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Feedback {
    /// Which part of the answers gets a verdict, 0 to 1.
    pub share: f64,
    /// Which part of the verdicts on stable's is bad.
    pub stable: f64,
    /// Of those on the canary's, from `from` on; before it is as stable is.
    pub canary: f64,
    /// In seconds.
    pub from: f64,
    /// How many users are told apart; `None`: none, each verdict is another user's.
    pub users: Option<u32>,
    /// One more user gives verdicts all the time.
    pub insistent: Option<Insistent>,
}

/// A user who gives the same verdict again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Insistent {
    pub arm: Arm,
    pub good: bool,
    /// How many verdicts a second.
    pub per_second: f64,
}

/// Marks answers.
#[derive(Clone, Debug)]
pub struct FeedbackMarker {
    feedback: Feedback,
    rng: fastrand::Rng,
    at: f64,
    // On the canary while the share lies above it, by user.
    places: Vec<f64>,
    // By arm.
    pauses: [UserCap; 2],
    insisted: f64,
}

impl FeedbackMarker {
    /// The same for the same seed.
    #[must_use]
    pub fn new(feedback: Feedback, seed: u64) -> FeedbackMarker {
        let mut rng = seeded(seed.rotate_left(32) ^ 0xfeed_bacc);
        let places = (0..feedback.users.unwrap_or_default()).map(|_| rng.f64()).collect();
        FeedbackMarker { feedback, rng, at: 0.0, places, pauses: Default::default(), insisted: 0.0 }
    }

    /// Marks the next tick's.
    pub fn mark(&mut self, seen: &mut TickCounts) {
        let Feedback { share, stable, canary, from, insistent, .. } = self.feedback;
        let canary = if self.at >= from { canary } else { stable };
        for (arm, counts, bad) in [(Arm::Stable, &mut seen.stable, stable), (Arm::Canary, &mut seen.canary, canary)] {
            let all = some_of(&mut self.rng, counts.successes, share);
            counts.verdicts = VerdictMarks::default();
            for _ in 0..all {
                let good = self.rng.f64() >= bad;
                let giver = self.giver(arm, seen.share);
                self.verdict(counts, arm, giver, good);
            }
        }
        self.at += seen.seconds;
        if let Some(Insistent { arm, good, per_second }) = insistent {
            self.insisted += per_second * seen.seconds;
            let user = self.feedback.users.unwrap_or_default();
            while self.insisted >= 1.0 {
                self.insisted -= 1.0;
                let counts = if arm == Arm::Stable { &mut seen.stable } else { &mut seen.canary };
                self.verdict(counts, arm, Some(user), good);
            }
        }
    }

    /// A user on this arm; `None`: nobody is told apart, or hardly anybody is on it.
    fn giver(&mut self, arm: Arm, share: f64) -> Option<u32> {
        let users = u32::try_from(self.places.len()).ok().filter(|users| *users > 0)?;
        (0..1000).map(|_| self.rng.u32(0..users)).find(|user| {
            let on_canary = self.places[*user as usize] < share;
            on_canary == (arm == Arm::Canary)
        })
    }

    fn verdict(&mut self, counts: &mut SimulatedArm, arm: Arm, user: Option<u32>, good: bool) {
        let (pauses, now) = (&mut self.pauses[arm as usize], millis(self.at));
        let counted = user.is_none_or(|user| pauses.verdict(slot(user), good, now).is_some());
        if counted {
            counts.verdicts.all += 1;
            counts.verdicts.bad += u32::from(!good);
        }
    }
}

/// A source whose answers get verdicts.
#[derive(Clone, Debug)]
pub struct Judged<S> {
    source: S,
    marker: FeedbackMarker,
}

impl<S: TickSource> Judged<S> {
    pub fn new(source: S, feedback: Feedback, seed: u64) -> Judged<S> {
        Judged { source, marker: FeedbackMarker::new(feedback, seed) }
    }
}

impl<S: TickSource> TickSource for Judged<S> {
    fn tick(&mut self, share: f64) -> TickCounts {
        let mut seen = self.source.tick(share);
        self.marker.mark(&mut seen);
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::traffic::Traffic;

    fn sums(feedback: Feedback, ticks: u32) -> [VerdictMarks; 2] {
        let traffic = Traffic::steady(50.0, 0.0);
        let mut source = Judged::new(traffic.arrivals(3), feedback, 3);
        let mut sums = [VerdictMarks::default(); 2];
        for _ in 0..ticks {
            let seen = source.tick(0.5);
            for (sum, arm) in sums.iter_mut().zip([seen.stable, seen.canary]) {
                sum.all += arm.verdicts.all;
                sum.bad += arm.verdicts.bad;
            }
        }
        sums
    }

    #[test]
    fn each_arm_has_its_share_of_verdicts_and_bad_ones_from_when_it_is_stated() {
        let feedback = Feedback { share: 0.1, stable: 0.2, canary: 0.6, from: 2000.0, ..Feedback::default() };
        let [stable, canary] = sums(feedback, 4000);
        for (arm, bad) in [(stable, 0.2), (canary, 0.4)] {
            // Ten thousand verdicts.
            assert!((f64::from(arm.all) - 10_000.0).abs() < 400.0, "{arm:?}");
            assert!((f64::from(arm.bad) / f64::from(arm.all) - bad).abs() < 0.02, "{arm:?}");
        }
        assert_eq!(sums(feedback, 50), sums(feedback, 50), "the same seed");
    }

    #[test]
    fn who_insists_counts_as_one_user() {
        let quiet = Feedback { share: 0.0, users: Some(100), ..Feedback::default() };
        let insists = |good| {
            let insistent = Some(Insistent { arm: Arm::Canary, good, per_second: 100.0 });
            sums(Feedback { insistent, ..quiet }, 86_400)[1]
        };
        // A million verdicts each: good ones every ten minutes, bad ones after pauses that grow to a day.
        assert_eq!(insists(true), VerdictMarks { all: 144, bad: 0 });
        let bad = insists(false);
        assert!(bad.all == bad.bad && bad.all < 10, "{bad:?}");
    }
}
