//! A verdict: what the application says of an answer, and what becomes of it.
//!
//! Values only. A verdict counts by its weight, which is at most 1, so that none counts for more than one user: with
//! weights of at most 1 the guard's bound on false alarms holds as it does for whole events. What a verdict is charged
//! to is [`control`](crate::control)'s to find out. Invariant: a weight lies between 0 and 1, in hundredths.

use super::units::Arm;

/// The most verdicts that are taken at once.
pub const MOST: usize = 1000;

/// How much a verdict counts, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u8);

impl Weight {
    pub const ONE: Weight = Weight(100);

    /// `None`: it is not between 0 and 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
    pub fn of(weight: f64) -> Option<Weight> {
        (0.0..=1.0).contains(&weight).then(|| Weight((weight * 100.0).round() as u8))
    }

    #[must_use]
    pub const fn hundredths(self) -> u8 {
        self.0
    }
}

/// What a verdict is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// One request, by its id.
    Request(String),
    /// Whatever this user was answered on the arm that the user is on now.
    User(String),
}

/// What the application says of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub on: Judged,
    /// Which rollout it is for; `None`: the request's own, or the only one.
    pub rollout: Option<String>,
    pub good: bool,
    pub weight: Weight,
}

/// What became of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerdictResult {
    /// It was counted in the metrics; and in the guard's evidence, or why not.
    Accepted { rollout: String, arm: Arm, evidence: Result<(), NoEvidence> },
    /// Its request was sent at an earlier share: counted in the metrics only.
    Late { rollout: String, arm: Arm },
    /// There was one on this request before.
    Duplicate,
    /// It cannot be charged to anything.
    Unknown(NotCharged),
}

/// Why a verdict is no evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEvidence {
    /// The rollout has no `guard.feedback`.
    NotCompared,
    /// No bucket chose the arm.
    NoBucket,
    /// No user is on the canary.
    CanaryOff,
    /// Its weight is 0.
    NoWeight,
    /// The user has just given another one.
    Paused,
    /// Requests come from several sources, and a user does not say from which.
    SeveralSources,
}

/// Why a verdict cannot be charged to anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotCharged {
    /// This is no id of a request.
    Malformed,
    /// An id without a sealed half.
    Unsealed,
    /// No rollout has `guard.feedback`, so ids have no sealed half.
    Off,
    /// This process did not make the id.
    Foreign,
    /// Its rollout has ended, or had many changes of its share since.
    Gone,
    /// The request belongs to this rollout, and not to the one that was named.
    OtherRollout { is: String },
    /// There is no rollout of this name with a canary.
    NoRollout { name: String, known: Vec<String> },
    /// There are several rollouts with a canary, and none was named.
    WhichRollout { known: Vec<String> },
    /// The user id is empty, or a stand-in such as "anonymous".
    NoUser,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_lies_between_nothing_and_one_user() {
        let hundredths = |weight: f64| Weight::of(weight).map(Weight::hundredths);
        assert_eq!([0.0, 0.014, 0.5, 1.0].map(hundredths), [Some(0), Some(1), Some(50), Some(100)]);
        assert_eq!([-0.01, 1.01, 10.0, f64::NAN, f64::INFINITY].map(hundredths), [None; 5]);
    }
}
