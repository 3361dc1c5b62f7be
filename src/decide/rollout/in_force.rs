//! The share of users on the canary, from the file's intent and everything that overrides it.
//!
//! One formula for every surface and every decision: 0 if locked or blocked; else `rollback_to` if the guard rolled
//! this attempt back; else the pinned share; else half while the canary is confirmed; else the ramp's; never above
//! `ramp.max`. A rollback never raises the share: a lock's `--to` and `rollback_to` only lower what lies under them, so
//! `percent: 0` is 0 in every case. [`in_force`] runs with every tick and allocates nothing; [`why`] gives the reason,
//! for display.

use serde::{Deserialize, Serialize};

use super::context::View;
use super::retry_after_rollback::pause_before_retry;
use super::state::{Lock, Pause, Phase, RolloutState, Standing};
use crate::decide::event::decision::Regression;
use crate::decide::policy::Intent;
use crate::decide::units::{Millis, Percent};

/// What is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The share of users on the canary.
    pub percent: Percent,
    /// The one word for it.
    pub standing: Standing,
    /// Whether nothing but the bucket may choose the canary: taken back, blocked, or `percent: 0`.
    pub closed: bool,
}

/// Rules on a rollout.
#[must_use]
pub fn in_force(view: &View<'_>, state: &RolloutState) -> Ruling {
    let under = under_locks(view, state);
    match &state.lock {
        None => under,
        Some(lock) => Ruling { percent: lock.to.min(under.percent), standing: Standing::Locked, closed: true },
    }
}

fn under_locks(view: &View<'_>, state: &RolloutState) -> Ruling {
    let canary = view.canary;
    if view.blocked.is_some() {
        return Ruling { percent: Percent::ZERO, standing: Standing::Blocked, closed: true };
    }
    let intended = intended(view, state);
    if let Phase::RolledBack { emptied, .. } = state.phase {
        let stays = if emptied { Percent::ZERO } else { canary.rollback_to };
        let percent = stays.min(intended);
        return Ruling { percent, standing: Standing::RolledBack, closed: true };
    }
    if let Intent::Pinned(_) = canary.percent {
        return Ruling { percent: intended, standing: Standing::Pinned, closed: intended == Percent::ZERO };
    }
    let standing = match (&state.phase, &state.paused) {
        (Phase::Confirming { .. }, _) => Standing::Confirming,
        (_, Some(_)) => Standing::Paused,
        (Phase::Probing, None) => Standing::Probing,
        (Phase::Completed, None) => Standing::Completed,
        _ => Standing::Ramping,
    };
    Ruling { percent: intended, standing, closed: false }
}

// What would be in force if the canary had not been taken back.
fn intended(view: &View<'_>, state: &RolloutState) -> Percent {
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
pub fn confirming(view: &View<'_>, state: &RolloutState) -> Percent {
    let half = view.canary.guard.constants.confirm_share;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of 1")]
    let hundredths = (half.clamp(0.0, 1.0) * 10_000.0).round() as u16;
    Percent::from_hundredths(hundredths).unwrap_or(Percent::ALL).min(state.percent)
}

/// By what it is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Why {
    /// A human rolled it back.
    Locked {
        /// The share in force.
        percent: Percent,
        /// What the file asks for.
        asked: Intent,
        /// The rollback.
        lock: Lock,
        /// What would be in force without it, where that is worth a word.
        besides: Option<Box<Why>>,
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
        /// For what.
        cause: Regression,
        /// The `attempt:` that begins a new try.
        next_attempt: u32,
        /// Whether it is tried again by itself.
        again: Again,
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
    /// The ramp.
    Ramp {
        /// The share in force.
        percent: Percent,
    },
}

/// Whether a rollback of the guard ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// The file does not ask for it.
    Never,
    /// It was tried again this many times.
    Spent(u32),
    /// After this time.
    After(Millis),
}

/// By what it is what it is, for those who tell it.
#[must_use]
pub fn why(view: &View<'_>, state: &RolloutState) -> Why {
    let asked = view.canary.percent;
    match &state.lock {
        None => why_under_locks(view, state),
        Some(lock) => {
            let besides = view.blocked.map(|_| Box::new(why_under_locks(view, state)));
            Why::Locked { percent: in_force(view, state).percent, asked, lock: lock.clone(), besides }
        }
    }
}

fn why_under_locks(view: &View<'_>, state: &RolloutState) -> Why {
    let Ruling { percent, .. } = under_locks(view, state);
    let asked = view.canary.percent;
    if let Some(fault) = view.blocked {
        return Why::Blocked { asked, fault: fault.to_owned() };
    }
    if let Phase::RolledBack { cause, .. } = &state.phase {
        let again = match pause_before_retry(view.canary, state) {
            Some(_) if state.retries >= view.canary.guard.constants.most_retries => Again::Spent(state.retries),
            Some(pause) => Again::After(pause.since(state.waited)),
            None => Again::Never,
        };
        let next_attempt = state.attempt.saturating_add(1);
        return Why::RolledBack { percent, asked, cause: cause.clone(), next_attempt, again };
    }
    match (asked, &state.phase, &state.paused) {
        (Intent::Pinned(asked), _, paused) => {
            Why::Pinned { percent, asked, found: paused.clone().filter(|pause| pause.regression) }
        }
        (Intent::Auto, Phase::Confirming { .. }, _) => Why::Confirming { ramp: state.percent },
        (Intent::Auto, phase, Some(pause)) => Why::Paused { pause: pause.clone(), probing: *phase == Phase::Probing },
        (Intent::Auto, Phase::Probing, None) => Why::Probing,
        (Intent::Auto, Phase::Completed, None) => Why::Completed,
        _ if view.by_clock => Why::Clock,
        _ => Why::Ramp { percent },
    }
}
