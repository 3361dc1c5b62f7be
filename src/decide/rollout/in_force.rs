//! The share of users on the canary, from the file's intent and everything that lies over it.
//!
//! One formula, used by every surface and every decision: 0 if locked or blocked; else `rollback_to` if the guard
//! rolled this attempt back; else the pinned share; else half while the canary is confirmed; else the ramp's; never above
//! `ramp.max`. What takes users back never sends more of them there: a lock's `--to` and `rollback_to` only ever lower
//! what lies under them, so that `percent: 0` is 0 whatever happened before. [`in_force`] is asked with every tick and
//! allocates nothing; [`reason`] is for those who read.

use super::state::{Lock, Pause, Phase, RolloutState, Standing};
use super::step::{View, pause_before_retry};
use crate::decide::guard::told;
use crate::decide::policy::Intent;
use crate::decide::units::Percent;

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

/// Why it is what it is, in a sentence, with what mends it where it differs from the file.
#[must_use]
pub fn reason(view: &View<'_>, state: &RolloutState) -> String {
    let ruling = in_force(view, state);
    let under = match (&state.lock, view.blocked) {
        (Some(lock), None) => return locked(view, lock, ruling.percent),
        (Some(lock), Some(_)) => format!("{}; besides, ", locked(view, lock, Percent::ZERO)),
        (None, _) => String::new(),
    };
    under + &reason_under_locks(view, state)
}

fn locked(view: &View<'_>, lock: &Lock, percent: Percent) -> String {
    let why = if lock.reason.is_empty() { String::new() } else { format!(" ({})", lock.reason) };
    let name = view.name;
    let asked = asked(view, percent);
    format!("rolled back to {percent} by {}{why}{asked}; only `serin resume {name}` lifts it", lock.actor)
}

fn reason_under_locks(view: &View<'_>, state: &RolloutState) -> String {
    let Ruling { percent, .. } = under_locks(view, state);
    let (canary, name) = (view.canary, view.name);
    if let Some(why) = view.blocked {
        return format!("blocked at 0%{}: {why}", asked(view, Percent::ZERO));
    }
    if let Phase::RolledBack { cause, .. } = &state.phase {
        let asked = asked(view, percent);
        let next = state.attempt.saturating_add(1);
        let later = match canary.try_again_after {
            Some(_) if state.retries >= canary.guard.constants.most_retries => {
                format!(" (it was tried again {} times)", state.retries)
            }
            Some(_) => pause_before_retry(canary, state).map_or_else(String::new, |pause| {
                let left = pause.since(state.waited).duration().as_secs_f64();
                format!(", or by itself in {}", told::time(left))
            }),
            None => String::new(),
        };
        return format!(
            "the guard rolled it back to {percent}{asked}: {cause}; it goes on by `serin resume {name}` or \
             `attempt: {next}`{later}"
        );
    }
    match canary.percent {
        Intent::Pinned(asked) => {
            let capped = if asked > percent { format!(", and ramp.max allows {percent}") } else { String::new() };
            let found = state.paused.as_ref().filter(|pause| pause.regression);
            let found =
                found.map_or_else(String::new, |pause| format!("; the guard moves nobody, but: {}", pause.reason));
            format!("the file pins {asked}{capped}{found}")
        }
        Intent::Auto => on_ramp(view, state, percent),
    }
}

fn on_ramp(view: &View<'_>, state: &RolloutState, percent: Percent) -> String {
    match (&state.phase, &state.paused) {
        (Phase::Confirming { .. }, _) => format!(
            "the canary looks bad at {}, where stable has too little traffic to be compared with: half of the users are \
             with each for a while",
            state.percent
        ),
        (Phase::Probing, Some(pause)) => format!("{}, before the ramp's start", paused(view, pause)),
        (_, Some(pause)) => paused(view, pause),
        (Phase::Probing, None) => "the ramp begins when the canary has answered a probe".to_owned(),
        (Phase::Completed, None) => "the ramp came to its end".to_owned(),
        _ if view.by_clock => "the ramp follows ramp.from and the clock, since state cannot be written".to_owned(),
        _ => format!("the ramp is at {percent}"),
    }
}

fn paused(view: &View<'_>, pause: &Pause) -> String {
    let Pause { actor, reason, .. } = pause;
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
