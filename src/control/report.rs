//! What is told of the process: the parts of the one [`Status`] that every surface reads.
//!
//! Decides nothing: shares and reasons come from the same ruling that was published, and what a ramp waits for from the
//! outlook that it goes by, so that no surface says anything but what is in force.

use super::now::Now;
use super::series::Registry;
use crate::control::engine::context::Context;
use crate::control::engine::entry::Tracked;
use crate::control::engine::rollout::Rollout;
use crate::control::evidence::recent_traffic::Counts as Recently;
use crate::control::persist::outbox::Proposal;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::forecast::FAULTS;
use crate::decide::guard::judge::Finding;
use crate::decide::guard::waiting::{AGES, Kind};
use crate::decide::policy::{self, Intent, OnExcess, Policy, SlowRule};
use crate::decide::rollout::in_force::why;
use crate::decide::rollout::outlook::{outlook, step_left};
use crate::decide::rollout::state::{Phase, RolloutState, Standing};
use crate::decide::rollout::view::{Observation, View};
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};
use crate::decide::warning::Warning;
use crate::decide::window::Counts;
use crate::describe::anonymous::no_user_id;
use crate::describe::in_force::{plain_route, reason};
use crate::describe::notice::sentence;
use crate::describe::outlook::{waiting_for, written};
use crate::describe::warning;
use crate::state::status::{
    ArmRecent, ArmWindow, AspectStatus, FallbackStatus, FlagsStatus, ForecastStatus, GuardStatus, NextStage,
    RecentStatus, RolloutStatus, Status, StoreStatus,
};

/// From so many requests on, and above so many percent of them, it is told what to do about those without a user id.
const ENOUGH: u64 = 20;
const MANY: u64 = 20;

/// What is told before anything is known.
pub(super) fn nothing() -> Status {
    Status {
        flags: FlagsStatus::default(),
        store: StoreStatus::default(),
        rollouts: Vec::new(),
        providers: Vec::new(),
        series: Vec::new(),
        samples_lost: 0,
        access_log: (0, [0; 3]),
        draining: false,
    }
}

/// What is known of the process besides its rollouts.
#[derive(Debug)]
pub(super) struct Process {
    /// What was found unusual at the start.
    pub(super) notes: Vec<String>,
    /// How many client connections it can hold.
    pub(super) most_connections: u32,
    /// Whether it is stopping.
    pub(super) draining: bool,
}

/// What is told of flags.yaml, with all that is unusual.
pub(super) fn flags(policy: &Policy, context: &Context, process: &Process) -> FlagsStatus {
    let Context { flags, disk, locks, .. } = context;
    let mut flags = flags.clone();
    flags.warnings.extend(locks.notice(&disk.dir).as_ref().map(sentence));
    flags.warnings.extend(process.notes.iter().cloned());
    let stray = locks.names().filter(|name| policy.rollout(name).is_none());
    let stray = stray.map(|name| Warning::StrayLock { rollout: name.to_owned() });
    let (asked, most) = (policy.limits.connections, process.most_connections);
    let fewer = (asked > most).then_some(Warning::FewerConnections { asked, most });
    flags.warnings.extend(stray.chain(fewer).map(|warning| warning::sentence(&warning)));
    flags
}

/// What is told of the state directory.
pub(super) fn store(Context { disk, locks, .. }: &Context) -> StoreStatus {
    StoreStatus {
        dir: disk.dir.clone(),
        error: disk.error().map(str::to_owned),
        locks_unread: locks.unread().map(str::to_owned),
        ephemeral: disk.ephemeral(),
    }
}

/// What is told of one rollout or plain route.
pub(super) fn rollout(tracked: &mut Tracked, series: &Registry, context: &Context, now: Now) -> RolloutStatus {
    tracked.named.recent.see(&tracked.rollout.name, series, now.mono);
    let seen = tracked.moving.as_mut().map(|moving| moving.seen(now));
    let plain = plain(tracked, series);
    match (&tracked.moving, seen) {
        (Some(rollout), Some(seen)) => moving(tracked, rollout, &seen, plain, context, now),
        _ => plain,
    }
}

fn moving(
    tracked: &Tracked,
    moving: &Rollout,
    seen: &Observation,
    plain: RolloutStatus,
    context: &Context,
    now: Now,
) -> RolloutStatus {
    let (state, canary, name) = (moving.state(), &moving.asked().canary, &tracked.rollout.name);
    let (view, ruling) = (moving.view(context), moving.ruling(context));
    let ahead = outlook(&view, state, seen, now.unix);
    let waits_for = match moving.proposed() {
        Some(proposal) => to_be_written(proposal, &context.disk.dir),
        None => waiting_for(name, &ahead.waiting_for),
    };
    let window = |counts: Counts| ArmWindow { requests: counts.requests, failures: counts.failures };
    RolloutStatus {
        canary: Some(moving.asked().provider.name.clone()),
        standing: ruling.standing,
        percent: ruling.percent,
        intent: match canary.percent {
            Intent::Auto => None,
            Intent::Pinned(percent) => Some(percent),
        },
        reason: reason(name, &why(&view, state)),
        since: state.since,
        next: ahead.next.map(|(percent, not_before)| NextStage { percent, not_before }),
        waiting_for: waits_for,
        attempt: state.attempt,
        lock: state.lock.clone(),
        paused: state.paused.is_some(),
        window: [window(seen.window.stable), window(seen.window.canary)],
        window_length: canary.guard.window,
        window_since: moving.counted_since().max(UnixMillis(now.unix.0.saturating_sub(canary.guard.window.0))),
        in_flight: [tracked.rollout.stable, canary.provider].map(|provider| tracked.series.in_flight_at(provider)),
        waiting: waiting(moving, now),
        epoch: state.epoch,
        answered: whole(state.judge.answered),
        needed: u64::from(canary.guard.min_requests),
        guard: Some(judged(moving, &view, seen.users)),
        findings: moving.findings(),
        causes: moving.causes(now),
        stable_fault: tracked.stable_fault(ruling.percent),
        ..plain
    }
}

fn judged(moving: &Rollout, view: &View<'_>, users: [u32; 2]) -> GuardStatus {
    let (guard, state) = (&view.canary.guard, moving.state());
    let (judge, reading) = (&state.judge, state.judge.reading(guard, state.tries()));
    // Nothing is compared then. What the guard keeps, for the case that the same try goes on, would stand there for ever.
    let nobody = state.in_force == Percent::ZERO;
    let aspect = |aspect: Aspect| {
        let finding = reading.of(aspect);
        let watched = match aspect {
            Aspect::Failing => true,
            Aspect::Slow => guard.slow.is_some(),
            _ => guard.follows(aspect) != OnExcess::Ignore,
        };
        let status = AspectStatus { watched, bound: finding.bound, ..AspectStatus::default() };
        if nobody {
            return status;
        }
        let Finding { evidence, above_floor, .. } = *finding;
        AspectStatus { evidence, above_floor, doubt: *judge.doubt(aspect), ..status }
    };
    let traffic = moving.observer().traffic();
    let learnt = |rule: &SlowRule| {
        let limit = |kind| judge.slow_threshold.limit(rule, kind);
        limit(Kind::Streamed).max(limit(Kind::Whole))
    };
    GuardStatus {
        aspects: Aspect::ALL.map(aspect),
        bound: reading.of(Aspect::Failing).bound,
        retries: state.tries(),
        incident: reading.incident,
        failures_in_a_row: if nobody { 0.0 } else { judge.canary_run().failures() },
        users,
        step: judge.step,
        watched: Millis(whole(judge.step.seconds * 1000.0)),
        left: time_left(view, state),
        per_second: traffic.per_second,
        stable_rate: traffic.stable_rate,
        slow_above: guard.slow.as_ref().and_then(learnt),
        answers: [Arm::Stable, Arm::Canary].map(|arm| moving.observer().answered().report(arm)),
        pace_above: (judge.pace_threshold.seen() > 0).then(|| judge.pace_threshold.limit(&guard.pace_rule())),
        forecast: FAULTS
            .iter()
            .zip(moving.foresight().faults)
            .map(|(fault, after)| ForecastStatus { rate: fault.rate, after })
            .collect(),
        silence: *judge.silence(),
        silent_after: moving.foresight().silent,
    }
}

/// Who has had no output yet, by arm and age.
fn waiting(moving: &Rollout, now: Now) -> [[u32; AGES.len() + 1]; 2] {
    [Arm::Stable, Arm::Canary].map(|arm| {
        let (counts, longer) = moving.observer().waiting().by_age(arm, &AGES.map(|(age, _)| age), now.mono);
        let mut all = [longer; AGES.len() + 1];
        all[..AGES.len()].copy_from_slice(&counts);
        all
    })
}

/// Until the step may end, or the confirmation; `None`: what is now goes on until something happens.
fn time_left(view: &View<'_>, state: &RolloutState) -> Option<Millis> {
    match (&state.phase, view.canary.percent) {
        _ if view.by_clock || view.blocked.is_some() || state.lock.is_some() => None,
        (Phase::Ramping, Intent::Auto) => Some(step_left(view, state)),
        (Phase::Confirming { .. }, Intent::Auto) => {
            let all = view.canary.guard.constants.confirm_seconds;
            Some(Millis(whole((all - state.judge.step.seconds).max(0.0) * 1000.0)))
        }
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn to_be_written(Proposal { state, events }: &Proposal, dir: &str) -> String {
    written(events.last().map(|event| &event.action), state.in_force, dir)
}

fn plain(tracked: &Tracked, series: &Registry) -> RolloutStatus {
    let recent = recent(tracked, series);
    RolloutStatus {
        name: tracked.rollout.name.clone(),
        stable: tracked.stable.name.clone(),
        canary: None,
        standing: Standing::Pinned,
        percent: Percent::ZERO,
        intent: None,
        reason: plain_route(),
        since: UnixMillis(0),
        next: None,
        waiting_for: String::new(),
        attempt: 0,
        lock: None,
        paused: false,
        window: [ArmWindow::default(); 2],
        window_length: Millis(0),
        window_since: UnixMillis(0),
        recent,
        in_flight: [0; 2],
        waiting: [[0; AGES.len() + 1]; 2],
        epoch: 0,
        needed: 0,
        guard: None,
        answered: 0,
        findings: Vec::new(),
        causes: [Vec::new(), Vec::new()],
        fallbacks: fallbacks(tracked),
        stable_fault: tracked.stable_fault(Percent::ZERO),
        anonymous_ratio: anonymous_ratio(tracked),
        anonymous_advice: anonymous_advice(&tracked.rollout, &recent),
    }
}

fn recent(tracked: &Tracked, series: &Registry) -> RecentStatus {
    let (rollout, (length, counted)) = (&tracked.rollout, tracked.named.recent.over());
    let counting = rollout.canary.as_ref().map_or_else(Default::default, |canary| canary.guard.counting);
    let arms = [Arm::Stable, Arm::Canary].map(|arm| {
        let counts = &counted[arm as usize];
        ArmRecent {
            requests: counts.requests,
            failed: counts.failed(counting),
            refused: counts.refused,
            elsewhere: counts.elsewhere,
            in_flight: series.of_arm(&rollout.name, arm.as_str()).map(|series| series.in_flight()).sum(),
        }
    });
    let sum = |count: fn(&Recently) -> u64| counted.iter().map(count).sum();
    RecentStatus { length, arms, sent: sum(|arm| arm.dispatched), anonymous: sum(|arm| arm.anonymous) }
}

fn anonymous_advice(rollout: &policy::Rollout, recent: &RecentStatus) -> Option<String> {
    let RecentStatus { sent, anonymous, .. } = *recent;
    let many = sent >= ENOUGH && anonymous * 100 > sent * MANY;
    many.then(|| no_user_id(&rollout.name, &rollout.user, rollout.anonymous))
}

fn fallbacks(tracked: &Tracked) -> Vec<FallbackStatus> {
    let told =
        |(arm, provider, requests): (Arm, &str, u64)| FallbackStatus { arm, provider: provider.to_owned(), requests };
    tracked.series.fallbacks().map(told).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn anonymous_ratio(tracked: &Tracked) -> Option<f64> {
    // A request is dispatched at its arm's own provider, whoever answers it.
    let arms: &[Arm] = if tracked.moving.is_some() { &[Arm::Stable, Arm::Canary] } else { &[Arm::Stable] };
    let dispatched = arms.iter().map(|arm| tracked.series.own(*arm).dispatched());
    let (all, anonymous) = dispatched.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    (all > 0).then(|| anonymous as f64 / all as f64)
}
