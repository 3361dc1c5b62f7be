//! The share of users on the canary, from the file's intent and everything that overrides it.
//!
//! One formula for every surface and every decision: 0 if locked or blocked; else `rollback_to` if the guard rolled
//! this attempt back; else the pinned share; else half while the canary is confirmed; else the ramp's; never above
//! `ramp.max`. A rollback never raises the share: a lock's `--to` and `rollback_to` only lower what lies under them, so
//! `percent: 0` is 0 in every case. [`in_force`] runs with every tick and allocates nothing; [`share_reason`] gives the
//! reason, for display.

use serde::{Deserialize, Serialize};

use super::context::RolloutContext;
use super::retry_after_rollback::pause_before_retry;
use super::state::{Lock, OverallPhase, Pause, Phase, RolloutState};
use crate::decide::event::decision::Regression;
use crate::decide::policy::Intent;
use crate::decide::units::{Millis, Percent};

/// What is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectiveShare {
    /// The share of users on the canary.
    pub percent: Percent,
    /// The one word for it.
    pub phase: OverallPhase,
    /// Whether nothing but the bucket may choose the canary: taken back, blocked, or `percent: 0`.
    pub buckets_only: bool,
}

/// Rules on a rollout.
#[must_use]
pub fn in_force(view: &RolloutContext<'_>, state: &RolloutState) -> EffectiveShare {
    let under = under_locks(view, state);
    match &state.lock {
        None => under,
        Some(lock) => {
            EffectiveShare { percent: lock.to.min(under.percent), phase: OverallPhase::Locked, buckets_only: true }
        }
    }
}

fn under_locks(view: &RolloutContext<'_>, state: &RolloutState) -> EffectiveShare {
    let canary = view.canary;
    if view.blocked.is_some() {
        return EffectiveShare { percent: Percent::ZERO, phase: OverallPhase::Blocked, buckets_only: true };
    }
    let intended = intended(view, state);
    if let Phase::RolledBack { emptied, .. } = state.phase {
        let stays = if emptied { Percent::ZERO } else { canary.rollback_to };
        let percent = stays.min(intended);
        return EffectiveShare { percent, phase: OverallPhase::RolledBack, buckets_only: true };
    }
    if let Intent::Pinned(_) = canary.percent {
        return EffectiveShare {
            percent: intended,
            phase: OverallPhase::Pinned,
            buckets_only: intended == Percent::ZERO,
        };
    }
    let phase = match (&state.phase, &state.paused) {
        (Phase::Confirming { .. }, _) => OverallPhase::Confirming,
        (_, Some(_)) => OverallPhase::Paused,
        (Phase::Probing, None) => OverallPhase::Probing,
        (Phase::Completed, None) => OverallPhase::Completed,
        _ => OverallPhase::Ramping,
    };
    EffectiveShare { percent: intended, phase, buckets_only: false }
}

// What would be in force if the canary had not been taken back.
fn intended(view: &RolloutContext<'_>, state: &RolloutState) -> Percent {
    let canary = view.canary;
    let percent = match (canary.percent, &state.phase) {
        (Intent::Pinned(percent), _) => percent,
        (Intent::Auto, Phase::Probing) => Percent::ZERO,
        (Intent::Auto, Phase::Confirming { .. }) => confirming(view, state),
        (Intent::Auto, _) => state.percent,
    };
    percent.min(canary.ramp.max)
}

/// The share while the canary is confirmed: half, and never more than the ramp's.
#[must_use]
pub fn confirming(view: &RolloutContext<'_>, state: &RolloutState) -> Percent {
    let half = view.canary.guard.constants.confirm_share;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of 1")]
    let hundredths = (half.clamp(0.0, 1.0) * 10_000.0).round() as u16;
    Percent::from_hundredths(hundredths).unwrap_or(Percent::ALL).min(state.percent)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum ShareReason {
    /// A human rolled it back.
    Locked {
        /// The share in force.
        percent: Percent,
        /// What the file asks for.
        asked: Intent,
        /// The rollback.
        lock: Lock,
        /// What would be in force without it, where that is worth a word.
        besides: Option<Box<ShareReason>>,
    },
    /// The canary cannot be used.
    Blocked {
        /// What the file asks for.
        asked: Intent,
        /// What is the matter.
        fault: String,
    },
    /// The guard rolled it back.
    RolledBack {
        /// The share in force.
        percent: Percent,
        /// What the file asks for.
        asked: Intent,
        cause: Regression,
        /// The `attempt:` that begins a new try.
        next_attempt: u32,
        /// Whether it is tried again by itself.
        again: RetryPlan,
    },
    /// The file pins its share.
    Pinned {
        /// The share in force.
        percent: Percent,
        /// The one that the file pins.
        asked: Percent,
        /// What the guard found, although it moves no users.
        found: Option<Pause>,
    },
    /// Half of the users with each.
    Confirming {
        /// The ramp's share.
        ramp: Percent,
    },
    /// The canary has not answered a probe yet.
    Probing,
    /// The ramp is held.
    Paused {
        /// By whom, and for what.
        pause: Pause,
        /// Whether it has not begun yet.
        probing: bool,
    },
    /// The ramp came to its end.
    Completed,
    /// State cannot be written.
    Clock,
    Ramp {
        /// The share in force.
        percent: Percent,
    },
}

/// Whether a rollback of the guard ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryPlan {
    /// The file does not ask for it.
    Never,
    /// It was tried again this many times.
    Spent(u32),
    /// After this time.
    After(Millis),
}

/// By what it is what it is, for those who tell it.
#[must_use]
pub fn share_reason(view: &RolloutContext<'_>, state: &RolloutState) -> ShareReason {
    let asked = view.canary.percent;
    match &state.lock {
        None => why_under_locks(view, state),
        Some(lock) => {
            let besides = view.blocked.map(|_| Box::new(why_under_locks(view, state)));
            ShareReason::Locked { percent: in_force(view, state).percent, asked, lock: lock.clone(), besides }
        }
    }
}

fn why_under_locks(view: &RolloutContext<'_>, state: &RolloutState) -> ShareReason {
    let EffectiveShare { percent, .. } = under_locks(view, state);
    let asked = view.canary.percent;
    if let Some(fault) = view.blocked {
        return ShareReason::Blocked { asked, fault: fault.to_owned() };
    }
    if let Phase::RolledBack { cause, .. } = &state.phase {
        let again = match pause_before_retry(view.canary, state) {
            Some(_) if state.retries >= view.canary.guard.constants.most_retries => RetryPlan::Spent(state.retries),
            Some(pause) => RetryPlan::After(pause.since(state.waited)),
            None => RetryPlan::Never,
        };
        let next_attempt = state.attempt.saturating_add(1);
        return ShareReason::RolledBack { percent, asked, cause: cause.clone(), next_attempt, again };
    }
    match (asked, &state.phase, &state.paused) {
        (Intent::Pinned(asked), _, paused) => {
            ShareReason::Pinned { percent, asked, found: paused.clone().filter(|pause| pause.regression) }
        }
        (Intent::Auto, Phase::Confirming { .. }, _) => ShareReason::Confirming { ramp: state.percent },
        (Intent::Auto, phase, Some(pause)) => {
            ShareReason::Paused { pause: pause.clone(), probing: *phase == Phase::Probing }
        }
        (Intent::Auto, Phase::Probing, None) => ShareReason::Probing,
        (Intent::Auto, Phase::Completed, None) => ShareReason::Completed,
        _ if view.by_clock => ShareReason::Clock,
        _ => ShareReason::Ramp { percent },
    }
}
