//! What is ahead of a rollout, and what holds it: the one answer that both the ramp and the surfaces go by.
//!
//! A promotion is due when its time has come and nothing holds it; [`step`](super::step) promotes exactly then, so
//! what status says it waits for is what it waits for.

use super::ramp;
use super::state::{Phase, RolloutState};
use super::step::{Observation, View};
use crate::decide::guard::{self, Verdict};
use crate::decide::policy::{Canary, Intent};
use crate::decide::units::{Percent, UnixMillis};

/// What is ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The next stage and its earliest moment; `None`: none is ahead.
    pub next: Option<(Percent, UnixMillis)>,
    /// What holds a promotion or completion that is due otherwise; empty: nothing.
    pub waiting_for: String,
    /// Whether the next stage (or, at the last one, completion) is due now.
    pub due: bool,
}

/// Looks ahead.
#[must_use]
pub fn outlook(view: &View<'_>, state: &RolloutState, seen: &Observation, now: UnixMillis) -> Outlook {
    let name = view.name;
    let waits = |waiting_for: String| Outlook { waiting_for, ..Outlook::default() };
    if state.lock.is_some() {
        return waits(format!("`serin resume {name}`"));
    }
    if let Some(why) = view.blocked {
        return waits(why.to_owned());
    }
    match (&state.phase, view.canary.percent) {
        (Phase::RolledBack { at, .. }, _) => match view.canary.try_again_after {
            Some(after) => {
                let first = ramp::next_stage(&view.canary.ramp, Percent::ZERO);
                let waiting_for = view.unwritable.map(writable).unwrap_or_default();
                Outlook { next: first.zip(Some(at.plus(after))), waiting_for, due: false }
            }
            None => waits(format!("`serin resume {name}` or `attempt: {}`", state.attempt.saturating_add(1))),
        },
        (_, Intent::Pinned(_)) | (Phase::Completed, _) => Outlook::default(),
        (Phase::Probing, Intent::Auto) => ahead(view, state, now, now, probe(seen)),
        (Phase::Ramping, Intent::Auto) if view.by_clock => Outlook::default(),
        (Phase::Ramping, Intent::Auto) => {
            let earliest = state.since.plus(ramp::hold(&view.canary.ramp, state.percent));
            ahead(view, state, earliest, now, evidence(view.canary, seen))
        }
    }
}

fn ahead(
    view: &View<'_>,
    state: &RolloutState,
    earliest: UnixMillis,
    now: UnixMillis,
    evidence: Option<String>,
) -> Outlook {
    let schedule = &view.canary.ramp;
    let stage = ramp::next_stage(schedule, if state.phase == Phase::Probing { Percent::ZERO } else { state.percent });
    // Completion moves nobody, so hours do not hold it.
    let opens =
        if stage.is_some() { ramp::opening(schedule.hours.as_ref(), earliest.max(now)) } else { Some(earliest) };
    let mut holds = Vec::new();
    if state.paused.is_some() {
        holds.push(format!("`serin resume {}`", view.name));
    }
    if stage.is_none() && state.phase == Phase::Probing {
        holds.push("a stage: ramp.max lies below all of them".to_owned());
    }
    match opens {
        None => holds.push("a day on which ramp.hours allows promotions".to_owned()),
        Some(moment) if moment > now && earliest <= now => holds.push("the hours of ramp.hours".to_owned()),
        Some(_) => {}
    }
    holds.extend(evidence);
    if let Some(why) = view.unwritable.filter(|_| !view.by_clock) {
        holds.push(writable(why));
    }
    let due = holds.is_empty() && opens.is_some_and(|moment| moment <= now);
    let not_before = if earliest > now { ramp::opening(schedule.hours.as_ref(), earliest) } else { opens };
    Outlook { next: stage.zip(not_before), waiting_for: holds.join("; "), due }
}

fn writable(why: &str) -> String {
    format!("state that can be written ({why})")
}

fn probe(seen: &Observation) -> Option<String> {
    match &seen.canary_answers {
        None => Some("the canary's answer to a probe".to_owned()),
        Some(Err(why)) => Some(format!("the canary's answer to a probe ({why})")),
        Some(Ok(())) => None,
    }
}

// What is missing before more users may follow.
fn evidence(canary: &Canary, seen: &Observation) -> Option<String> {
    let judge = &canary.guard;
    let (needed, got) = (u64::from(judge.min_requests), seen.epoch.canary.requests);
    if got < needed {
        return Some(format!("{} more answered canary requests ({got} of {needed})", needed - got));
    }
    let falls = |rate| format!("the canary's failure rate to fall ({rate}, at most {})", judge.max_error_rate);
    match guard::judge(judge, &seen.window, seen.stable_answers) {
        Verdict::Pass => None,
        // Little traffic: the window alone says too little, so the whole period must be good as well.
        Verdict::TooFew => [seen.window.canary, seen.epoch.canary]
            .into_iter()
            .find(|counts| guard::exceeds(*counts, judge.max_error_rate))
            .map(|counts| falls(guard::rate(counts))),
        Verdict::BothBad => Some("stable and canary to recover: both fail".to_owned()),
        Verdict::AskStable | Verdict::Fail(_) => Some(falls(guard::rate(seen.window.canary))),
    }
}
