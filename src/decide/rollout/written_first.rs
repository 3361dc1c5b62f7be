//! Which steps must be on the disk before they are in force, and what becomes of one that has come there.
//!
//! Where by time or by a human's word more users follow, or what holds them is lifted, a restart must not take it back: it
//! is written first. What the file itself asks for is asked for again by the next start, and whatever takes users back
//! never waits. The disk is not looked at here; who keeps the order is [`control`](crate::control).

use super::ramp;
use super::state::{Phase, RolloutState};
use crate::decide::guard::judge::fraction;
use crate::decide::policy::Canary;

/// Whether this step leads towards the canary, or towards the end of the ramp.
pub(super) fn goes_on(before: &RolloutState, next: &RolloutState) -> bool {
    let taken_back = |state: &RolloutState| matches!(state.phase, Phase::RolledBack { .. });
    let lifted = (before.lock.is_some() && next.lock.is_none())
        // The guard's own pause ends with its rollback, which lets nobody go on.
        || (before.paused.is_some() && next.paused.is_none() && !taken_back(next))
        || (taken_back(before) && !taken_back(next));
    let moved = (&before.phase, before.percent) != (&next.phase, next.percent);
    lifted || (moved && (next.in_force > before.in_force || next.phase == Phase::Completed))
}

/// A step that was proposed, in place of what is in force until then: with what the guard has gathered meanwhile, where
/// both are of the same try.
#[must_use]
pub fn carried_over(canary: &Canary, before: &RolloutState, proposed: &RolloutState) -> RolloutState {
    let on_course = |state: &RolloutState| matches!(state.phase, Phase::Ramping | Phase::Completed);
    let judged_anew = before.tries() != proposed.tries()
        || before.attempt != proposed.attempt
        || before.paused.as_ref().is_some_and(|pause| pause.regression) && proposed.paused.is_none();
    let mut next = proposed.clone();
    if on_course(before) && on_course(proposed) && !judged_anew {
        next.judge = before.judge.clone();
        if next.in_force != before.in_force {
            next.judge.share_changed(fraction(next.in_force));
            next.judge.expect_change(&canary.guard.constants, &ramp::schedule(&canary.ramp));
        }
    }
    next
}
