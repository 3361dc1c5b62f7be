//! Which steps must be on the disk before they are in force, and how a step goes into force once it is written.
//!
//! A step that sends more users to the canary, or lifts what holds them, by time or by a command, must survive a
//! restart, so it is written first. A step that only follows the file needs no write, since the next start reads the
//! file again. A step that takes users back never waits. Does no I/O; [`control`](crate::control) keeps the order.

use super::ramp;
use super::state::{Phase, RolloutState};
use crate::decide::guard::analysis::fraction;
use crate::decide::policy::Canary;

/// Whether this step leads towards the canary, or towards the end of the ramp.
pub(super) fn needs_write_ahead(before: &RolloutState, next: &RolloutState) -> bool {
    let taken_back = |state: &RolloutState| matches!(state.phase, Phase::RolledBack { .. });
    let lifted = (before.lock.is_some() && next.lock.is_none())
        // The guard's own pause ends with its rollback, which sends no users to the canary.
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
        next.analysis = before.analysis.clone();
        if next.in_force != before.in_force {
            next.analysis.share_changed(fraction(next.in_force));
            next.analysis.expect_change(&canary.guard.constants, &ramp::ramp_length(&canary.ramp));
        }
    }
    next
}
