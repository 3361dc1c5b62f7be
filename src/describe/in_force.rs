//! Sentences for the reason of a rollout's share, with a remedy where the share differs from the file.
//!
//! Status, the history and the reply to a command without effect use the same sentence. Which reason applies is decided
//! elsewhere.

use super::decision::{pause as held_for, regression};
use super::format::time;
use crate::decide::policy::Intent;
use crate::decide::rollout::context::Blocked;
use crate::decide::rollout::in_force::{RetryPlan, ShareReason};
use crate::decide::rollout::state::{Lock, Pause};
use crate::decide::units::Percent;

/// The sentence for the rollout with this name.
#[must_use]
pub fn reason(name: &str, why: &ShareReason) -> String {
    match why {
        ShareReason::Locked { percent, asked, lock, besides } => {
            let besides = besides.as_ref().map_or_else(String::new, |why| format!("; also, {}", reason(name, why)));
            locked(name, lock, *percent, *asked) + &besides
        }
        ShareReason::Blocked { asked, fault } => format!("blocked at 0%{}: {fault}", instead_of(*asked, Percent::ZERO)),
        ShareReason::RolledBack { percent, asked, cause, next_attempt, again } => {
            let later = match again {
                RetryPlan::Never => String::new(),
                RetryPlan::Spent(retries) => format!(" (it was retried {retries} times)"),
                RetryPlan::After(left) => format!(", or automatically in {}", time(left.duration().as_secs_f64())),
            };
            format!(
                "the guard rolled it back to {percent}{}: {}; it continues with `serin resume {name}` or `attempt: \
                 {next_attempt}`{later}",
                instead_of(*asked, *percent),
                regression(cause)
            )
        }
        ShareReason::Pinned { percent, asked, found } => {
            let capped = if asked > percent { format!(", and ramp.max allows {percent}") } else { String::new() };
            let found = found
                .as_ref()
                .map_or_else(String::new, |pause| format!("; the guard moves no user, but: {}", held_for(pause)));
            format!("the file pins {asked}{capped}{found}")
        }
        ShareReason::Confirming { ramp } => format!(
            "the canary looks bad at {ramp}, where stable has too little traffic for a comparison: half of the users \
             are on each provider for a while"
        ),
        ShareReason::Paused { pause, probing: true } => format!("{}, before the ramp's start", paused(name, pause)),
        ShareReason::Paused { pause, probing: false } => paused(name, pause),
        ShareReason::Probing => "the ramp starts once the canary has answered a probe".to_owned(),
        ShareReason::Completed => "the ramp is completed".to_owned(),
        ShareReason::Clock => "the ramp follows ramp.from and the clock, since state cannot be written".to_owned(),
        ShareReason::Ramp { percent } => format!("the ramp is at {percent}"),
    }
}

/// Why no request may go to the canary.
#[must_use]
pub fn blocked(blocked: Blocked<'_>) -> String {
    match blocked {
        Blocked::Unusable { provider, why } => format!("{provider} cannot be used: {why}"),
        Blocked::LocksUnread { dir, error } => format!(
            "the locks in {dir}/locks cannot be read ({error}), so it is not known whether it was rolled back: fix this"
        ),
        Blocked::Forgotten(why) => format!(
            "state cannot be written ({why}), so the ramp would be lost at a restart: fix this, set ramp.from, or pin \
             percent"
        ),
    }
}

/// The sentence for a plain route.
#[must_use]
pub fn plain_route() -> String {
    "a plain route: everything goes to stable".to_owned()
}

/// The reason of the pause after unreadable state.
#[must_use]
pub fn forgotten() -> String {
    "the earlier state could not be read, so it is not known whether this canary was rolled back".to_owned()
}

fn locked(name: &str, lock: &Lock, percent: Percent, asked: Intent) -> String {
    let why = in_brackets(&lock.reason);
    let asked = instead_of(asked, percent);
    format!("rolled back to {percent} by {}{why}{asked}; only `serin resume {name}` lifts it", lock.actor)
}

fn paused(name: &str, pause: &Pause) -> String {
    let why = in_brackets(&held_for(pause));
    format!("{} paused the ramp{why}; `serin resume {name}` continues it", pause.actor)
}

fn in_brackets(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

// The percent in the file, where it differs.
fn instead_of(asked: Intent, percent: Percent) -> String {
    match asked {
        Intent::Pinned(asked) if asked != percent => format!(", although the file has percent: {asked}"),
        Intent::Pinned(_) => String::new(),
        Intent::Auto => ", although the file has percent: auto".to_owned(),
    }
}
