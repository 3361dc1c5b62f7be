//! The share of users on the canary, from the file's intent and everything that lies over it.
//!
//! One formula, used by every surface and every decision: 0 if locked or blocked; else `rollback_to` if the guard
//! rolled this attempt back; else the pinned share; else the ramp's; never above `ramp.max`. What takes users back
//! never sends more of them there: a lock's `--to` and `rollback_to` only ever lower what lies under them, so that
//! `percent: 0` is 0 whatever happened before.

use super::state::{Lock, Phase, RolloutState, Standing};
use super::step::View;
use crate::decide::policy::Intent;
use crate::decide::units::Percent;

/// What is in force, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The share of users on the canary.
    pub percent: Percent,
    /// The one word for it.
    pub standing: Standing,
    /// Why it is what it is, in a sentence, with what mends it where it differs from the file.
    pub reason: String,
    /// Whether nothing but the bucket may choose the canary: taken back, blocked, or `percent: 0`.
    pub closed: bool,
}

/// Rules on a rollout.
#[must_use]
pub fn in_force(view: &View<'_>, state: &RolloutState) -> Ruling {
    let under = under_locks(view, state);
    let Some(lock) = &state.lock else { return under };
    if under.standing == Standing::Blocked {
        let reason = format!("{}; besides, {}", locked(view, lock, Percent::ZERO), under.reason);
        return Ruling { standing: Standing::Locked, reason, ..under };
    }
    let percent = lock.to.min(under.percent);
    Ruling { percent, standing: Standing::Locked, reason: locked(view, lock, percent), closed: true }
}

fn locked(view: &View<'_>, lock: &Lock, percent: Percent) -> String {
    let why = if lock.reason.is_empty() { String::new() } else { format!(" ({})", lock.reason) };
    let name = view.name;
    let asked = asked(view, percent);
    format!("rolled back to {percent} by {}{why}{asked}; only `serin resume {name}` lifts it", lock.actor)
}

fn under_locks(view: &View<'_>, state: &RolloutState) -> Ruling {
    let canary = view.canary;
    if let Some(why) = view.blocked {
        let reason = format!("blocked at 0%{}: {why}", asked(view, Percent::ZERO));
        return Ruling { percent: Percent::ZERO, standing: Standing::Blocked, reason, closed: true };
    }
    let intended = match canary.percent {
        Intent::Auto => state.percent,
        Intent::Pinned(percent) => percent,
    }
    .min(canary.ramp.max);
    if let Phase::RolledBack { cause, .. } = &state.phase {
        let percent = canary.rollback_to.min(intended);
        let (name, asked) = (view.name, asked(view, percent));
        let next = state.attempt.saturating_add(1);
        let later = canary.try_again_after.map_or_else(String::new, |after| format!(", or by itself after {after}"));
        let reason = format!(
            "the guard rolled it back to {percent}{asked}: {cause}; it goes on by `serin resume {name}` or \
             `attempt: {next}`{later}"
        );
        return Ruling { percent, standing: Standing::RolledBack, reason, closed: true };
    }
    match canary.percent {
        Intent::Pinned(percent) => {
            let capped = if percent > intended { format!(", and ramp.max allows {intended}") } else { String::new() };
            let reason = format!("the file pins {percent}{capped}");
            Ruling { percent: intended, standing: Standing::Pinned, reason, closed: intended == Percent::ZERO }
        }
        Intent::Auto => on_ramp(view, state, intended),
    }
}

fn on_ramp(view: &View<'_>, state: &RolloutState, percent: Percent) -> Ruling {
    if let Phase::Probing = state.phase {
        let percent = Percent::ZERO;
        let standing = if state.paused.is_some() { Standing::Paused } else { Standing::Probing };
        let reason = match &state.paused {
            None => "the ramp begins when the canary has answered a probe".to_owned(),
            Some(pause) => format!("{}, before the ramp's start", paused(view, &pause.actor, &pause.reason)),
        };
        return Ruling { percent, standing, reason, closed: false };
    }
    let (standing, reason) = match (&state.paused, &state.phase) {
        (Some(pause), _) => (Standing::Paused, paused(view, &pause.actor, &pause.reason)),
        (None, Phase::Completed) => (Standing::Completed, "the ramp came to its end".to_owned()),
        (None, _) if view.by_clock => {
            (Standing::Ramping, "the ramp follows ramp.from and the clock, since state cannot be written".to_owned())
        }
        (None, _) => (Standing::Ramping, format!("the ramp is at {percent}")),
    };
    Ruling { percent, standing, reason, closed: false }
}

fn paused(view: &View<'_>, actor: &str, reason: &str) -> String {
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    format!("{actor} paused the ramp{why}; `serin resume {}` lets it go on", view.name)
}

// What the file asks for, where that is something else.
fn asked(view: &View<'_>, percent: Percent) -> String {
    match view.canary.percent {
        Intent::Pinned(asked) if asked != percent => format!(", although the file asks for {asked}"),
        Intent::Pinned(_) => String::new(),
        Intent::Auto => ", although the file says auto".to_owned(),
    }
}
