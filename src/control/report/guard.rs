//! The status of a rollout's guard.
//!
//! Shows what the guard has counted, how close it is to a rollback, and what is left of the step. Computes nothing that
//! the guard does not compute itself.

use crate::control::engine::rollout::Rollout;
use crate::decide::guard::analysis::AspectResult;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::forecast::FAULTS;
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::policy::{Intent, OnExcess, SlowRule};
use crate::decide::rollout::context::RolloutContext;
use crate::decide::rollout::promotion::step_left;
use crate::decide::rollout::state::{Phase, RolloutState};
use crate::decide::units::{Arm, Millis, Percent};
use crate::state::status::{AspectStatus, ForecastStatus, GuardStatus};

/// `verdicts`: of the application since the start, by arm.
pub(super) fn guard_status(
    rollout: &Rollout,
    view: &RolloutContext<'_>,
    users: [u32; 2],
    verdicts: [[u64; 2]; 2],
) -> GuardStatus {
    let (guard, state) = (&view.canary.guard, rollout.state());
    let (judge, reading) = (&state.analysis, state.analysis.result(guard, state.tries()));
    // Then nothing is compared. The guard keeps its evidence for a resume of the same attempt, but it is not shown.
    let is_empty = state.in_force == Percent::ZERO;
    let aspect = |aspect: Aspect| {
        let finding = reading.of(aspect);
        let watched = match aspect {
            Aspect::Failing => true,
            Aspect::Slow => guard.slow.is_some(),
            _ => guard.follows(aspect) != OnExcess::Ignore,
        };
        let status = AspectStatus { watched, bound: finding.bound, ..AspectStatus::default() };
        if is_empty {
            return status;
        }
        let AspectResult { evidence, above_floor, .. } = *finding;
        AspectStatus { evidence, above_floor, doubt: *judge.suspect_sums(aspect), ..status }
    };
    let (forecast, traffic) = (rollout.forecast(), rollout.collector().traffic_rate());
    let learned = |rule: &SlowRule| {
        let limit = |kind| judge.slow_threshold.limit(rule, kind);
        limit(ResponseKind::Streamed).max(limit(ResponseKind::Whole))
    };
    GuardStatus {
        aspects: Aspect::ALL.map(aspect),
        bound: reading.of(Aspect::Failing).bound,
        retries: state.tries(),
        incident: reading.incident,
        verdicts,
        failures_in_a_row: if is_empty { 0.0 } else { judge.canary_run().failures() },
        users,
        step: judge.step,
        watched: Millis(whole(judge.step.seconds * 1000.0)),
        left: time_left(view, state),
        per_second: traffic.per_second,
        stable_rate: traffic.stable_rate,
        max_error_rate: guard.max_error_rate,
        slow_above: guard.slow.as_ref().and_then(learned),
        answers: [Arm::Stable, Arm::Canary].map(|arm| rollout.collector().answer_stats().status(arm)),
        pace_above: (judge.pace_threshold.seen() > 0).then(|| judge.pace_threshold.limit(&guard.pace_rule())),
        forecast: FAULTS
            .iter()
            .zip(forecast.faults)
            .map(|(fault, after)| ForecastStatus { rate: fault.rate, after })
            .collect(),
        silence: *judge.silence(),
        silent_after: forecast.silent,
    }
}

/// Until the step or the confirmation may end. `None`: there is no end by time.
fn time_left(view: &RolloutContext<'_>, state: &RolloutState) -> Option<Millis> {
    match (&state.phase, view.canary.percent) {
        _ if view.by_clock || view.blocked.is_some() || state.lock.is_some() => None,
        (Phase::Ramping, Intent::Auto) => Some(step_left(view, state)),
        (Phase::Confirming { .. }, Intent::Auto) => {
            let all = view.canary.guard.constants.confirm_seconds;
            Some(Millis(whole((all - state.analysis.step.seconds).max(0.0) * 1000.0)))
        }
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn whole(number: f64) -> u64 {
    number as u64
}
