//! What is ahead of a rollout, and what holds it: the one answer that both the ramp and the surfaces go by.
//!
//! A promotion is due when its step has had its time and nothing holds it; [`step`](super::step) promotes exactly then,
//! so what status says it waits for is what it waits for. The step's time is what the guard has watched of it: neither a
//! wall clock that jumps nor a machine that slept adds to it, and it stands still while stable is in an incident.

use super::in_force::in_force;
use super::ramp;
use super::state::{Phase, RolloutState};
use super::step::{Observation, View, pause_before_retry, waits_before_retry};
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::judge::{Judge, fraction};
use crate::decide::guard::measure::{self, Measure};
use crate::decide::guard::told;
use crate::decide::policy::{Guard, Intent, OnExcess};
use crate::decide::units::{Millis, Percent, UnixMillis};

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
        (Phase::RolledBack { .. }, _) => match pause_before_retry(view.canary, state) {
            Some(pause) if waits_before_retry(view.canary, state) => {
                let first = ramp::next_stage(&view.canary.ramp, Percent::ZERO);
                let mut holds: Vec<String> = view.unwritable.map(writable).into_iter().collect();
                if state.judge.history.in_incident(&view.canary.guard.constants) {
                    holds.push(INCIDENT.to_owned());
                }
                let left = pause.since(state.waited);
                Outlook { next: first.zip(Some(now.plus(left))), waiting_for: holds.join("; "), due: false }
            }
            _ => waits(format!("`serin resume {name}` or `attempt: {}`", state.attempt.saturating_add(1))),
        },
        (_, Intent::Pinned(_)) | (Phase::Completed, _) => Outlook::default(),
        (Phase::Probing, Intent::Auto) => ahead(view, state, seen, Millis(0), now, probe(seen)),
        (Phase::Confirming { .. }, Intent::Auto) => {
            let judge = &view.canary.guard;
            let left = judge.constants.confirm_seconds - state.judge.step.seconds;
            let mut holds = Vec::new();
            if left > 0.0 {
                holds.push(format!("the confirmation to end ({} left)", told::time(left)));
            }
            holds.extend(confirmation(judge, &state.judge, state.tries()));
            waits(holds.join("; "))
        }
        (Phase::Ramping, Intent::Auto) if view.by_clock => Outlook::default(),
        (Phase::Ramping, Intent::Auto) => {
            let last = ramp::next_stage(&view.canary.ramp, state.percent).is_none();
            let holds = if last { at_the_end(view, state, seen) } else { evidence(&view.canary.guard, state) };
            let mut ahead = ahead(view, state, seen, step_left(view, state), now, holds);
            if last && let Some(undecided) = undecided(view, state) {
                let and = if ahead.waiting_for.is_empty() { "" } else { "; " };
                ahead.waiting_for = format!("{}{and}{undecided}", ahead.waiting_for);
            }
            ahead
        }
    }
}

/// What is left of the present step's time.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
pub fn step_left(view: &View<'_>, state: &RolloutState) -> Millis {
    // A tick that ends within a microsecond of the step's end ends it.
    let had = Millis((state.judge.step.seconds * 1000.0 + 1e-3) as u64);
    ramp::hold(&view.canary.ramp, state.percent).since(had)
}

fn ahead(
    view: &View<'_>,
    state: &RolloutState,
    seen: &Observation,
    left: Millis,
    now: UnixMillis,
    evidence: Option<String>,
) -> Outlook {
    let schedule = &view.canary.ramp;
    let earliest = now.plus(left);
    let stage = ramp::next_stage(schedule, if state.phase == Phase::Probing { Percent::ZERO } else { state.percent });
    // Completion moves nobody, so hours do not hold it.
    let opens = if stage.is_some() { ramp::opening(schedule.hours.as_ref(), earliest) } else { Some(earliest) };
    let mut holds = Vec::new();
    if state.paused.is_some() {
        holds.push(format!("`serin resume {}`", view.name));
    }
    if stage.is_none() && state.phase == Phase::Probing {
        holds.push("a stage: ramp.max lies below all of them".to_owned());
    }
    match opens {
        None => holds.push("a day on which ramp.hours allows promotions".to_owned()),
        Some(moment) if moment > now && left == Millis(0) => holds.push("the hours of ramp.hours".to_owned()),
        Some(_) => {}
    }
    if state.phase == Phase::Ramping && state.judge.history.in_incident(&view.canary.guard.constants) {
        holds.push(INCIDENT.to_owned());
    }
    if state.phase == Phase::Ramping && seen.stable_shut {
        holds.push(SHUT.to_owned());
        if seen.canary_dead {
            holds.push(DEAD.to_owned());
        }
    }
    let silence = state.judge.silence();
    if state.phase == Phase::Ramping && silence.shared {
        holds.push(told::shared_silence(silence));
    } else if state.phase == Phase::Ramping && silence.evidence >= view.canary.guard.constants.down_evidence / 2.0 {
        holds.push(format!("an answer of the canary: {} requests have had none", told::count(silence.unanswered)));
    }
    holds.extend(evidence);
    if let Some(why) = view.unwritable.filter(|_| !view.by_clock) {
        holds.push(writable(why));
    }
    let due = holds.is_empty() && opens.is_some_and(|moment| moment <= now);
    Outlook { next: stage.zip(opens), waiting_for: holds.join("; "), due }
}

const INCIDENT: &str = "stable to recover from its incident: the step's time stands still";
const SHUT: &str = "stable's breaker to let requests through: there is nothing to compare with, and the step's time \
                    stands still";

const DEAD: &str = "an answer of the canary, which answers nobody either";

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

/// Whether it matters now that stable answers a probe: nobody is moved to one that has not just done so, and where it
/// has no traffic at all its answers are what a canary that is down is held against.
#[must_use]
pub fn asks_stable(view: &View<'_>, state: &RolloutState) -> bool {
    let (guard, judge) = (&view.canary.guard, &state.judge);
    let share = in_force(view, state).percent;
    if share == Percent::ZERO || matches!(state.phase, Phase::RolledBack { .. }) {
        return false;
    }
    let fails = !may_confirm(view, state) && judge.canary_run().failures() > 0.0;
    let alone = share == Percent::ALL && (fails || judge.silence().unanswered > 0.0);
    let suspects = judge.suspicion() >= guard.constants.suspicion / 2.0;
    let last = state.phase == Phase::Ramping && ramp::next_stage(&view.canary.ramp, state.percent).is_none();
    let ends = last && step_left(view, state) == Millis(0) && {
        let Measure { rate, limit, .. } = measure::completion(guard, judge);
        rate >= limit && judge.rechecks < guard.constants.most_rechecks
    };
    alone || ((suspects || ends) && may_confirm(view, state))
}

// What is missing before more users may follow.
fn evidence(guard: &Guard, state: &RolloutState) -> Option<String> {
    let judge = &state.judge;
    if let Some(missing) = too_few(guard, judge).or_else(|| doubt(guard, judge, state.tries())) {
        return Some(missing);
    }
    let Measure { rate, limit, .. } = measure::promotion(guard, judge);
    (rate > limit).then(|| {
        format!(
            "the canary's failure rate to be surely below {} (it may be {})",
            told::percent(limit),
            told::percent(rate)
        )
    })
}

// What is missing before the ramp's last step is over, one way or the other.
fn at_the_end(view: &View<'_>, state: &RolloutState, seen: &Observation) -> Option<String> {
    let (guard, judge) = (&view.canary.guard, &state.judge);
    if let Some(missing) = too_few(guard, judge).or_else(|| doubt(guard, judge, state.tries())) {
        return Some(missing);
    }
    let Measure { rate, limit, .. } = measure::completion(guard, judge);
    let asks = rate >= limit && judge.rechecks < guard.constants.most_rechecks && may_confirm(view, state);
    (asks && seen.stable_answers != Some(true)).then(|| "stable's answer to a probe".to_owned())
}

// After its rechecks a canary that misses the measure is watched on, and a human may decide.
fn undecided(view: &View<'_>, state: &RolloutState) -> Option<String> {
    let (guard, judge) = (&view.canary.guard, &state.judge);
    let Measure { rate, limit, .. } = measure::completion(guard, judge);
    // With as much traffic on stable there is nothing to confirm.
    let few = fraction(in_force(view, state).percent) <= guard.constants.confirm_share;
    let spent = few || judge.rechecks >= guard.constants.most_rechecks;
    (spent && judge.step.canary > 0.0 && rate >= limit).then(|| {
        format!(
            "the canary's failure rate to fall below {} ({}), or for a human to call it done by pinning the percent",
            told::percent(limit),
            told::percent(rate)
        )
    })
}

/// Whether users may be given back to stable for a comparison: the share is the machine's to choose.
#[must_use]
pub fn is_confirmable(view: &View<'_>) -> bool {
    view.canary.percent == Intent::Auto && !view.by_clock
}

/// Whether stable has too little traffic at this share to be compared with, so that it takes half of it to judge.
#[must_use]
pub fn may_confirm(view: &View<'_>, state: &RolloutState) -> bool {
    let share = in_force(view, state).percent;
    let apt = matches!(state.phase, Phase::Ramping | Phase::Completed);
    apt && is_confirmable(view)
        && state.lock.is_none()
        && view.blocked.is_none()
        && fraction(share) > view.canary.guard.constants.confirm_share + 1e-9
        && state.judge.confirm_rest <= 0.0
}

/// What keeps a confirmation that has had its time from ending well.
#[must_use]
pub fn confirmation(guard: &Guard, judge: &Judge, tries: u32) -> Option<String> {
    let needed = f64::from(guard.min_requests);
    if judge.step.stable < needed {
        return Some(format!("more requests of stable ({} of {})", told::count(judge.step.stable), guard.min_requests));
    }
    too_few(guard, judge).or_else(|| doubt(guard, judge, tries)).or_else(|| {
        let Measure { rate, limit, .. } = measure::confirmation(guard, judge);
        (rate > limit).then(|| {
            format!("the canary's failure rate to fall below {} ({})", told::percent(limit), told::percent(rate))
        })
    })
}

fn too_few(guard: &Guard, judge: &Judge) -> Option<String> {
    let (needed, got) = (f64::from(guard.min_requests), judge.step.canary.min(judge.answered));
    (got < needed).then(|| {
        let (more, got) = (told::count(needed - got.floor()), told::count(got.floor()));
        format!("{more} more answered canary requests ({got} of {})", guard.min_requests)
    })
}

fn doubt(guard: &Guard, judge: &Judge, tries: u32) -> Option<String> {
    let reading = judge.reading(guard, tries);
    for (aspect, what) in [
        (Aspect::Failing, "failures"),
        (Aspect::Slow, "slow answers"),
        (Aspect::Empty, "empty answers"),
        (Aspect::Length, "answers cut at a length limit"),
        (Aspect::Filtered, "filtered answers"),
        (Aspect::Pace, "slow streams"),
    ] {
        let finding = reading.of(aspect);
        if guard.follows(aspect) == OnExcess::Ignore || (aspect == Aspect::Slow && guard.slow.is_none()) {
            continue;
        }
        if finding.is_alarm() {
            return Some(format!("the evidence of its {what} to fade (beyond its bound, and nobody is moved now)"));
        }
        if finding.is_doubt() {
            let (evidence, bound) = (told::number(finding.evidence), told::number(finding.bound));
            let holds = guard.follows(aspect) == OnExcess::Hold;
            let then = if holds { "pauses the ramp" } else { "takes it back" };
            return Some(format!("the evidence of its {what} to fade ({evidence}; 1 holds it, {bound} {then})"));
        }
    }
    None
}
