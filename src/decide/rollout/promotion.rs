//! The next promotion of a rollout, and what it waits for. The ramp and all surfaces use the same answer.
//!
//! A promotion is due when its step has had its time and no condition is open. [`step`](super::step) promotes exactly
//! then, so the status reports exactly what the ramp waits for. The step's time is the time that the guard has
//! observed: a wall clock that jumps and a suspended machine do not add to it, and it stands still while stable is in
//! an incident.

use std::sync::Arc;

use super::context::{Observation, RolloutContext};
use super::in_force::in_force;
use super::ramp;
use super::retry_after_rollback::{pause_before_retry, waits_before_retry};
use super::state::{Phase, RolloutState};
use crate::decide::comparison::rehearsal::RehearsalWait;
use crate::decide::guard::analysis::{Analysis, fraction};
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::first_output::MedianWait;
use crate::decide::guard::rate_check::{self, RateCheck};
use crate::decide::guard::silent::SilentRun;
use crate::decide::policy::{Guard, Intent, OnExcess};
use crate::decide::rollback_ready::{FREE_UP_TO, NotReady};
use crate::decide::units::{Millis, Percent, UnixMillis};

/// What is ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NextPromotion {
    /// The next stage and its earliest moment; `None`: none is ahead.
    pub next: Option<(Percent, UnixMillis)>,
    /// What holds a promotion or completion that is due otherwise; empty: nothing.
    pub waiting_for: Vec<PromotionCondition>,
    /// Whether the next stage (or, at the last one, completion) is due now.
    pub due: bool,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum PromotionCondition {
    /// A human's `resume`.
    Resume,
    /// The same, or this `attempt:`.
    ResumeOrAttempt(u32),
    /// The canary can be used.
    Blocked(String),
    /// State can be written.
    Writable(String),
    /// Stable recovers from its incident.
    Incident,
    /// Stable's breaker lets requests through.
    Shut,
    /// The canary answers requests; stable does not either.
    Dead,
    /// Stable answers again, since neither does.
    SharedSilence(SilentRun),
    /// The canary answers those who wait.
    Unanswered(f64),
    /// The canary answers a probe, as it did not for this reason.
    Probe(Option<String>),
    /// The rehearsal is passed.
    Rehearsal(Arc<RehearsalWait>),
    /// Stable answers a probe.
    StableProbe,
    /// A confirmation has had its time.
    ConfirmationEnds {
        /// What is left of it.
        seconds: f64,
    },
    /// `ramp.max` is above the next stage.
    Stage,
    /// A day on which `ramp.hours` allows promotions.
    Day,
    /// The hours of `ramp.hours`.
    Hours,
    /// More requests of stable.
    StableRequests {
        /// How many there were.
        got: f64,
        /// How many are needed.
        needed: u32,
    },
    /// More answered requests of the canary.
    Answers {
        /// How many there were.
        got: f64,
        /// How many are needed.
        needed: u32,
    },
    /// Evidence fades.
    Evidence {
        aspect: Aspect,
        /// How much there is, and at how much something is done; `None`: it is beyond that.
        now: Option<(f64, f64)>,
        /// Whether the ramp is paused then, and not the canary taken back.
        pauses: bool,
    },
    /// Stable could take everybody back.
    RollbackReady(Arc<[NotReady]>),
    /// The canary's median time to the first output comes down, or is known.
    FirstOutput(MedianWait),
    /// The canary's failure rate comes down.
    Rate {
        until: RateGoal,
        /// Below this.
        limit: f64,
        /// It is this, or may be.
        rate: f64,
    },
}

/// For what a failure rate has to come down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateGoal {
    /// It is surely low enough for a promotion.
    Sure,
    /// It is low enough for the end of a confirmation.
    Confirmed,
    /// It is low enough for the ramp's end, which a human may call as well.
    Done,
}

/// Looks ahead.
#[must_use]
pub fn next_promotion(
    view: &RolloutContext<'_>,
    state: &RolloutState,
    seen: &Observation,
    now: UnixMillis,
) -> NextPromotion {
    let waits = |waiting_for: Vec<PromotionCondition>| NextPromotion { waiting_for, ..NextPromotion::default() };
    if state.lock.is_some() {
        return waits(vec![PromotionCondition::Resume]);
    }
    if let Some(why) = view.blocked {
        return waits(vec![PromotionCondition::Blocked(why.to_owned())]);
    }
    match (&state.phase, view.canary.percent) {
        (Phase::RolledBack { .. }, _) => match pause_before_retry(view.canary, state) {
            Some(pause) if waits_before_retry(view.canary, state) => {
                let first = ramp::next_stage(&view.canary.ramp, Percent::ZERO);
                let mut holds: Vec<PromotionCondition> = view.unwritable.map(writable).into_iter().collect();
                if state.analysis.baseline.in_incident(&view.canary.guard.constants) {
                    holds.push(PromotionCondition::Incident);
                }
                let left = pause.since(state.waited);
                NextPromotion { next: first.zip(Some(now.plus(left))), waiting_for: holds, due: false }
            }
            _ => waits(vec![PromotionCondition::ResumeOrAttempt(state.attempt.saturating_add(1))]),
        },
        (_, Intent::Pinned(_)) | (Phase::Completed, _) => NextPromotion::default(),
        (Phase::Probing, Intent::Auto) => ahead(view, state, seen, Millis(0), now, probe(seen)),
        (Phase::Confirming { .. }, Intent::Auto) => {
            let analysis = &view.canary.guard;
            let left = analysis.constants.confirm_seconds - state.analysis.step.seconds;
            let mut holds = Vec::new();
            if left > 0.0 {
                holds.push(PromotionCondition::ConfirmationEnds { seconds: left });
            }
            holds.extend(confirmation_condition(analysis, &state.analysis, state.tries()));
            waits(holds)
        }
        (Phase::Ramping, Intent::Auto) if view.by_clock => NextPromotion::default(),
        (Phase::Ramping, Intent::Auto) => {
            let last = ramp::next_stage(&view.canary.ramp, state.percent).is_none();
            let holds = if last { at_the_end(view, state, seen) } else { evidence(&view.canary.guard, state, seen) };
            let mut ahead = ahead(view, state, seen, step_left(view, state), now, holds);
            if last {
                ahead.waiting_for.extend(undecided(view, state));
            }
            ahead
        }
    }
}

/// What is left of the present step's time.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
pub fn step_left(view: &RolloutContext<'_>, state: &RolloutState) -> Millis {
    // A tick that ends within a microsecond of the step's end ends it.
    let had = Millis((state.analysis.step.seconds * 1000.0 + 1e-3) as u64);
    ramp::hold_time(&view.canary.ramp, state.percent).since(had)
}

fn ahead(
    view: &RolloutContext<'_>,
    state: &RolloutState,
    seen: &Observation,
    left: Millis,
    now: UnixMillis,
    evidence: Option<PromotionCondition>,
) -> NextPromotion {
    let schedule = &view.canary.ramp;
    let earliest = now.plus(left);
    let stage = ramp::next_stage(schedule, if state.phase == Phase::Probing { Percent::ZERO } else { state.percent });
    // Completion moves no users, so hours do not delay it.
    let opens = if stage.is_some() { ramp::opening(schedule.hours.as_ref(), earliest) } else { Some(earliest) };
    let mut holds = Vec::new();
    if state.paused.is_some() {
        holds.push(PromotionCondition::Resume);
    }
    if stage.is_none() && state.phase == Phase::Probing {
        holds.push(PromotionCondition::Stage);
    }
    match opens {
        None => holds.push(PromotionCondition::Day),
        Some(moment) if moment > now && left == Millis(0) => holds.push(PromotionCondition::Hours),
        Some(_) => {}
    }
    if state.phase == Phase::Ramping && state.analysis.baseline.in_incident(&view.canary.guard.constants) {
        holds.push(PromotionCondition::Incident);
    }
    if state.phase == Phase::Ramping && seen.stable_breaker_open {
        holds.push(PromotionCondition::Shut);
        if seen.canary_dead {
            holds.push(PromotionCondition::Dead);
        }
    }
    let silence = state.analysis.silence();
    if state.phase == Phase::Ramping && silence.shared {
        holds.push(PromotionCondition::SharedSilence(*silence));
    } else if state.phase == Phase::Ramping && silence.evidence >= view.canary.guard.constants.down_evidence / 2.0 {
        holds.push(PromotionCondition::Unanswered(silence.unanswered));
    }
    holds.extend(evidence);
    if state.phase == Phase::Probing
        && let Some(rehearsal) = &seen.rehearsal
    {
        holds.push(PromotionCondition::Rehearsal(Arc::clone(rehearsal)));
    }
    if view.canary.guard.rollback_ready && stage.is_some_and(|stage| stage > FREE_UP_TO) && !seen.not_ready.is_empty() {
        holds.push(PromotionCondition::RollbackReady(Arc::clone(&seen.not_ready)));
    }
    if let Some(why) = view.unwritable.filter(|_| !view.by_clock) {
        holds.push(writable(why));
    }
    let due = holds.is_empty() && opens.is_some_and(|moment| moment <= now);
    NextPromotion { next: stage.zip(opens), waiting_for: holds, due }
}

fn writable(why: &str) -> PromotionCondition {
    PromotionCondition::Writable(why.to_owned())
}

fn probe(seen: &Observation) -> Option<PromotionCondition> {
    match &seen.canary_answers {
        None => Some(PromotionCondition::Probe(None)),
        Some(Err(why)) => Some(PromotionCondition::Probe(Some(why.clone()))),
        Some(Ok(())) => None,
    }
}

/// Whether stable has to be probed now: users are only moved to a stable that has just answered a probe, and where
/// stable has no traffic at all, a canary that is down is compared with its answers to probes.
#[must_use]
pub fn needs_stable_probe(view: &RolloutContext<'_>, state: &RolloutState) -> bool {
    let (guard, analysis) = (&view.canary.guard, &state.analysis);
    let share = in_force(view, state).percent;
    if share == Percent::ZERO || matches!(state.phase, Phase::RolledBack { .. }) {
        return false;
    }
    let fails = !may_confirm(view, state) && analysis.canary_run().failures() > 0.0;
    let alone = share == Percent::ALL && (fails || analysis.silence().unanswered > 0.0);
    let suspects = analysis.suspicion() >= guard.constants.suspicion / 2.0;
    let last = state.phase == Phase::Ramping && ramp::next_stage(&view.canary.ramp, state.percent).is_none();
    let ends = last && step_left(view, state) == Millis(0) && {
        let RateCheck { rate, limit, .. } = rate_check::completion_check(guard, analysis);
        rate >= limit && analysis.rechecks < guard.constants.most_rechecks
    };
    alone || ((suspects || ends) && may_confirm(view, state))
}

// What is missing before more users may follow.
fn evidence(guard: &Guard, state: &RolloutState, seen: &Observation) -> Option<PromotionCondition> {
    let analysis = &state.analysis;
    if let Some(missing) = too_few(guard, analysis).or_else(|| excess_evidence(guard, analysis, state.tries())) {
        return Some(missing);
    }
    let RateCheck { rate, limit, .. } = rate_check::promotion_check(guard, analysis);
    if rate > limit {
        return Some(PromotionCondition::Rate { until: RateGoal::Sure, limit, rate });
    }
    seen.first_outputs.against(guard).map(PromotionCondition::FirstOutput)
}

// What is missing before the ramp's last step is over, one way or the other.
fn at_the_end(view: &RolloutContext<'_>, state: &RolloutState, seen: &Observation) -> Option<PromotionCondition> {
    let (guard, analysis) = (&view.canary.guard, &state.analysis);
    if let Some(missing) = too_few(guard, analysis).or_else(|| excess_evidence(guard, analysis, state.tries())) {
        return Some(missing);
    }
    let RateCheck { rate, limit, .. } = rate_check::completion_check(guard, analysis);
    let asks = rate >= limit && analysis.rechecks < guard.constants.most_rechecks && may_confirm(view, state);
    (asks && seen.stable_answers != Some(true)).then_some(PromotionCondition::StableProbe)
}

// After its rechecks a canary that misses the measure is watched on, and a human may decide.
fn undecided(view: &RolloutContext<'_>, state: &RolloutState) -> Option<PromotionCondition> {
    let (guard, analysis) = (&view.canary.guard, &state.analysis);
    let RateCheck { rate, limit, .. } = rate_check::completion_check(guard, analysis);
    // With as much traffic on stable there is nothing to confirm.
    let few = fraction(in_force(view, state).percent) <= guard.constants.confirm_share;
    let spent = few || analysis.rechecks >= guard.constants.most_rechecks;
    (spent && analysis.step.canary > 0.0 && rate >= limit).then_some(PromotionCondition::Rate {
        until: RateGoal::Done,
        limit,
        rate,
    })
}

/// Whether users may be given back to stable for a comparison: the share is the machine's to choose.
#[must_use]
pub fn is_confirmable(view: &RolloutContext<'_>) -> bool {
    view.canary.percent == Intent::Auto && !view.by_clock
}

/// Whether stable has too little traffic at this share to be compared with, so that it takes half of it to judge.
#[must_use]
pub fn may_confirm(view: &RolloutContext<'_>, state: &RolloutState) -> bool {
    let share = in_force(view, state).percent;
    let apt = matches!(state.phase, Phase::Ramping | Phase::Completed);
    apt && is_confirmable(view)
        && state.lock.is_none()
        && view.blocked.is_none()
        && fraction(share) > view.canary.guard.constants.confirm_share + 1e-9
        && state.analysis.confirm_rest <= 0.0
}

/// What keeps a confirmation that has had its time from ending well.
#[must_use]
pub fn confirmation_condition(guard: &Guard, analysis: &Analysis, tries: u32) -> Option<PromotionCondition> {
    let needed = f64::from(guard.min_requests);
    if analysis.step.stable < needed {
        return Some(PromotionCondition::StableRequests { got: analysis.step.stable, needed: guard.min_requests });
    }
    too_few(guard, analysis).or_else(|| excess_evidence(guard, analysis, tries)).or_else(|| {
        let RateCheck { rate, limit, .. } = rate_check::confirmation_check(guard, analysis);
        (rate > limit).then_some(PromotionCondition::Rate { until: RateGoal::Confirmed, limit, rate })
    })
}

fn too_few(guard: &Guard, analysis: &Analysis) -> Option<PromotionCondition> {
    let (needed, got) = (guard.min_requests, analysis.step.canary.min(analysis.answered));
    (got < f64::from(needed)).then_some(PromotionCondition::Answers { got, needed })
}

fn excess_evidence(guard: &Guard, analysis: &Analysis, tries: u32) -> Option<PromotionCondition> {
    let result = analysis.result(guard, tries);
    let looked_at = [Aspect::Failing, Aspect::Slow].into_iter().chain(Aspect::OF_ANSWERS).chain([Aspect::Feedback]);
    looked_at.filter(|aspect| *aspect != Aspect::Slow || guard.slow.is_some()).find_map(|aspect| {
        let (finding, follows) = (result.of(aspect), guard.follows(aspect));
        let pauses = follows == OnExcess::Hold;
        let now = (!finding.is_alarm()).then_some((finding.evidence, finding.bound));
        let doubts = follows != OnExcess::Ignore && (finding.is_alarm() || finding.is_suspect());
        doubts.then_some(PromotionCondition::Evidence { aspect, now, pauses })
    })
}
