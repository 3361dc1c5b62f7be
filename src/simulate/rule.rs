//! What a rule sees and what it may say: the place where any rule for canaries can be plugged in.
//!
//! A [`Detector`] looks at one tick after another and says whether the canary must go back; it knows nothing of
//! schedules. A [`RolloutRule`] has a share of its own as well: a judge on a [`schedule`](super::schedule), or a guard
//! that moves users itself. Owns no rule. Invariant: a rule sees counts only, never the rates they were drawn with, and
//! never twice.

use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::silent::SilentRun;

/// What happened on one arm in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimulatedArm {
    /// Requests that were sent and count; those of silenced users do not.
    pub requests: u32,
    /// Failures that count.
    pub errors: u32,
    /// Answers, whoever they were for.
    pub successes: u32,
    /// Whether nothing at all is answered now, not even a probe.
    pub dead: bool,
    /// Answers that no status calls bad, and that are worse; none where a source does not tell them.
    pub marked: AnswerMarks,
    /// Verdicts of the application that count; none where a source does not tell them.
    pub verdicts: VerdictMarks,
}

/// Verdicts of the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictMarks {
    pub all: u32,
    pub bad: u32,
}

/// Kinds of answers that no status calls bad.
pub const ANSWER_ASPECTS: usize = Aspect::OF_ANSWERS.len();

/// Answers that no status calls bad, and that are worse, by [`Aspect::OF_ANSWERS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerMarks {
    /// Requests that were sent and count.
    pub requests: [u32; ANSWER_ASPECTS],
    /// Such answers that count.
    pub events: [u32; ANSWER_ASPECTS],
}

impl SimulatedArm {
    /// So many answers and so many failures, all of which count.
    #[must_use]
    pub const fn counted(successes: u32, errors: u32) -> SimulatedArm {
        let marked = AnswerMarks { requests: [0; ANSWER_ASPECTS], events: [0; ANSWER_ASPECTS] };
        SimulatedArm {
            requests: successes + errors,
            errors,
            successes,
            dead: false,
            marked,
            verdicts: VerdictMarks { all: 0, bad: 0 },
        }
    }
}

/// What happened in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TickCounts {
    /// How long it was.
    pub seconds: f64,
    /// The canary's share that was in force, 0 to 1.
    pub share: f64,
    /// The old provider's arm.
    pub stable: SimulatedArm,
    /// The new one's.
    pub canary: SimulatedArm,
    /// What came of waiting for output; nothing where a source does not tell it.
    pub waited: WaitEvidence,
}

/// What came of waiting for output in one tick, by arm, stable's first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WaitEvidence {
    /// Requests that were sent.
    pub requests: [u32; 2],
    /// Requests that have been waited for longer than slow answers take, each once.
    pub slow: [u32; 2],
    /// What the canary's requests without output come to.
    pub silence: SilentRun,
}

/// What follows from a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// More users go to the canary.
    Promote,
    /// Everybody goes back.
    Rollback,
    /// The canary has everybody, and is good.
    Complete,
}

/// Whether the canary must go back.
pub trait Detector {
    /// One more tick; true when it must.
    fn is_bad(&mut self, seen: &TickCounts) -> bool;

    /// Whether a promotion that is due may happen now.
    fn may_promote(&self) -> bool {
        true
    }
}

impl<J: Detector + ?Sized> Detector for Box<J> {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        (**self).is_bad(seen)
    }

    fn may_promote(&self) -> bool {
        (**self).may_promote()
    }
}

/// A judge that also says how many users the canary has.
pub trait RolloutRule {
    /// One more tick.
    fn tick(&mut self, seen: &TickCounts) -> Verdict;

    /// The share that holds from the next tick on, 0 to 1.
    fn share(&self) -> f64;
}

impl<R: RolloutRule + ?Sized> RolloutRule for Box<R> {
    fn tick(&mut self, seen: &TickCounts) -> Verdict {
        (**self).tick(seen)
    }

    fn share(&self) -> f64 {
        (**self).share()
    }
}

/// Where ticks come from.
pub trait TickSource {
    /// The next tick, with this share in force.
    fn tick(&mut self, share: f64) -> TickCounts;
}
