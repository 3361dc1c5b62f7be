//! The status, which the admin API, the dashboard and the metrics read.
//!
//! Decides nothing: percents and reasons come from the published effective share, and what a ramp waits for comes from
//! the outlook that it follows. Invariant: no status shows anything but what is in force.

mod guard;

use std::sync::Arc;

use super::now::Now;
use super::series::SeriesRegistry;
use crate::control::engine::context::ProcessContext;
use crate::control::engine::entry::Entry;
use crate::control::engine::rollout::Rollout;
use crate::control::evidence::recent_traffic::TrafficCounts;
use crate::control::persist::outbox::Proposal;
use crate::decide::certificate::{self, CertificateFault, CertificateWarning};
use crate::decide::guard::waiting::AGES;
use crate::decide::policy::{self, Intent, Policy};
use crate::decide::retirement::Retirement;
use crate::decide::rollout::context::Observation;
use crate::decide::rollout::in_force::share_reason;
use crate::decide::rollout::promotion::next_promotion;
use crate::decide::rollout::state::OverallPhase;
use crate::decide::tls_failure::TlsFailure;
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};
use crate::decide::warning::Warning;
use crate::decide::window::Counts;
use crate::describe::alert::sentence;
use crate::describe::anonymous::no_user_id;
use crate::describe::in_force::{self, reason};
use crate::describe::promotion::{waiting_for, written};
use crate::describe::{self, retirement, warning};
use crate::state::status::{
    ArmRecent, ArmWindow, FallbackStatus, FlagsStatus, NextStage, RecentStatus, RolloutStatus, Status, StoreStatus,
    TlsStatus,
};

/// With at least this many requests, and more than this percent of them without a user id, the status has advice.
const MIN_REQUESTS: u64 = 20;
const MAX_ANONYMOUS_PERCENT: u64 = 20;

/// The status before the first report.
pub(super) fn empty() -> Status {
    Status {
        flags: FlagsStatus::default(),
        store: StoreStatus::default(),
        rollouts: Vec::new(),
        providers: Vec::new(),
        series: Vec::new(),
        samples_lost: 0,
        access_log: (0, [0; 3]),
        notify: Vec::new(),
        spans: [0; 4],
        client_limits: Vec::new(),
        kept_state: Vec::new(),
        state_ids_lost: [0; 2],
        ambiguous_closes: [0; 4],
        tls: None,
        draining: false,
    }
}

/// Facts of the process that belong to no rollout.
#[derive(Debug)]
pub(super) struct Process {
    /// Warnings found at the start.
    pub(super) notes: Vec<String>,
    /// The number of client connections that the process can hold.
    pub(super) most_connections: u32,
    pub(super) draining: bool,
}

/// The status of flags.yaml, with all warnings.
pub(super) fn flags(
    policy: &Policy,
    context: &ProcessContext,
    process: &Process,
    retirements: &[Retirement],
) -> FlagsStatus {
    let ProcessContext { flags, disk, locks, .. } = context;
    let mut flags = flags.clone();
    flags.warnings.extend(locks.alert(&disk.dir).as_ref().map(sentence));
    flags.warnings.extend(process.notes.iter().cloned());
    flags.warnings.extend(retirements.iter().map(retirement::sentence));
    let stray = locks.names().filter(|name| policy.rollout(name).is_none());
    let stray = stray.map(|name| Warning::StrayLock { rollout: name.to_owned() });
    let (asked, most) = (policy.limits.connections, process.most_connections);
    let fewer = (asked > most).then_some(Warning::FewerConnections { asked, most });
    flags.warnings.extend(stray.chain(fewer).map(|warning| warning::sentence(&warning)));
    flags
}

/// What is to be said of the certificate of the proxy port over TLS.
pub(super) fn certificate(policy: &Policy, now: Now) -> Option<CertificateWarning> {
    policy.fixed.listen_tls?;
    certificate::warning(policy.listen_tls.as_ref()?, now.unix)
}

/// The proxy port over TLS.
pub(super) fn tls(policy: &Policy, failures: [u64; TlsFailure::ALL.len()], now: Now) -> Option<TlsStatus> {
    policy.fixed.listen_tls?;
    let tls = policy.listen_tls.as_ref()?;
    let shown = tls.shown(now.unix)?;
    let earlier = certificate(policy, now).filter(|warning| {
        // The others are of the certificate that is shown.
        matches!(warning.fault, CertificateFault::EarlierShown { .. })
    });
    let problem = tls.problem.clone().or_else(|| earlier.as_ref().map(describe::certificate::sentence));
    Some(TlsStatus { not_before: shown.not_before, expires_at: shown.not_after, problem, failures })
}

pub(super) fn store(ProcessContext { disk, locks, .. }: &ProcessContext) -> StoreStatus {
    StoreStatus {
        dir: disk.dir.clone(),
        error: disk.error().map(str::to_owned),
        locks_unread: locks.read_error().map(str::to_owned),
        ephemeral: disk.ephemeral(),
    }
}

pub(super) fn rollout(entry: &mut Entry, series: &SeriesRegistry, context: &ProcessContext, now: Now) -> RolloutStatus {
    entry.by_name.recent.update(&entry.spec.name, series, now.mono);
    let observation = entry.rollout.as_mut().map(|rollout| rollout.observation(context, now));
    let plain = plain_route(entry, series);
    match (&entry.rollout, observation) {
        (Some(rollout), Some(observation)) => with_canary(entry, rollout, &observation, plain, context, now),
        _ => plain,
    }
}

fn with_canary(
    entry: &Entry,
    rollout: &Rollout,
    observation: &Observation,
    plain: RolloutStatus,
    context: &ProcessContext,
    now: Now,
) -> RolloutStatus {
    let (state, canary, name) = (rollout.state(), &rollout.config().canary, &entry.spec.name);
    let (view, effective) = (rollout.view(context), rollout.share_in_force(context));
    let outlook = next_promotion(&view, state, observation, now.unix);
    let waits_for = match rollout.proposed() {
        Some(proposal) => to_be_written(proposal, &context.disk.dir),
        None => waiting_for(name, &outlook.waiting_for),
    };
    let window = |counts: Counts| ArmWindow { requests: counts.requests, failures: counts.failures };
    RolloutStatus {
        canary: Some(rollout.config().provider.name.clone()),
        phase: effective.phase,
        percent: effective.percent,
        intent: match canary.percent {
            Intent::Auto => None,
            Intent::Pinned(percent) => Some(percent),
        },
        reason: reason(name, &share_reason(&view, state)),
        since: state.since,
        next: outlook.next.map(|(percent, not_before)| NextStage { percent, not_before }),
        waiting_for: waits_for,
        attempt: state.attempt,
        lock: state.lock.clone(),
        paused: state.paused.is_some(),
        window: [window(observation.window.stable), window(observation.window.canary)],
        window_length: canary.guard.window,
        window_since: rollout.evidence_since().max(UnixMillis(now.unix.0.saturating_sub(canary.guard.window.0))),
        in_flight: [entry.spec.stable, canary.provider].map(|provider| entry.series.in_flight_at(provider)),
        waiting: waiting(rollout, now),
        epoch: state.epoch,
        answered: whole(state.analysis.answered),
        needed: u64::from(canary.guard.min_requests),
        guard: Some(guard::guard_status(rollout, &view, observation.users, entry.by_name.verdicts)),
        findings: rollout.incompatibilities(),
        causes: rollout.causes(now),
        stable_fault: entry.stable_fault(effective.percent),
        not_ready: Arc::clone(rollout.not_ready()),
        comparison: rollout.comparison(),
        ..plain
    }
}

/// Requests without output, by arm and age.
fn waiting(rollout: &Rollout, now: Now) -> [[u32; AGES.len() + 1]; 2] {
    [Arm::Stable, Arm::Canary].map(|arm| {
        let (counts, longer) = rollout.collector().waiting().by_age(arm, &AGES.map(|(age, _)| age), now.mono);
        let mut all = [longer; AGES.len() + 1];
        all[..AGES.len()].copy_from_slice(&counts);
        all
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn to_be_written(Proposal { state, events }: &Proposal, dir: &str) -> String {
    written(events.last().map(|event| &event.action), state.in_force, dir)
}

fn plain_route(entry: &Entry, series: &SeriesRegistry) -> RolloutStatus {
    let recent = recent(entry, series);
    RolloutStatus {
        name: entry.spec.name.clone(),
        stable: entry.stable.name.clone(),
        canary: None,
        phase: OverallPhase::Pinned,
        percent: Percent::ZERO,
        intent: None,
        reason: in_force::plain_route(),
        since: UnixMillis(0),
        next: None,
        waiting_for: String::new(),
        attempt: 0,
        lock: None,
        incident: None,
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
        fallbacks: fallbacks(entry),
        stable_fault: entry.stable_fault(Percent::ZERO),
        not_ready: Arc::default(),
        anonymous_ratio: anonymous_ratio(entry),
        anonymous_advice: anonymous_advice(&entry.spec, &recent),
        last_resorts: entry.series.last_resorts(),
        require: entry.spec.require.iter().cloned().collect(),
        comparison: None,
    }
}

fn recent(entry: &Entry, series: &SeriesRegistry) -> RecentStatus {
    let (spec, (length, counted)) = (&entry.spec, entry.by_name.recent.counts());
    let counting = spec.canary.as_ref().map_or_else(Default::default, |canary| canary.guard.counting);
    let arms = [Arm::Stable, Arm::Canary].map(|arm| {
        let counts = &counted[arm as usize];
        ArmRecent {
            requests: counts.requests,
            failed: counts.failed(counting),
            refused: counts.refused,
            elsewhere: counts.elsewhere,
            in_flight: series.of_arm(&spec.name, arm.as_str()).map(|series| series.in_flight()).sum(),
        }
    });
    let sum = |count: fn(&TrafficCounts) -> u64| counted.iter().map(count).sum();
    RecentStatus { length, arms, sent: sum(|arm| arm.dispatched), anonymous: sum(|arm| arm.anonymous) }
}

fn anonymous_advice(spec: &policy::Rollout, recent: &RecentStatus) -> Option<String> {
    let RecentStatus { sent, anonymous, .. } = *recent;
    let has_many = sent >= MIN_REQUESTS && anonymous * 100 > sent * MAX_ANONYMOUS_PERCENT;
    has_many.then(|| no_user_id(&spec.name, &spec.user, spec.anonymous))
}

fn fallbacks(entry: &Entry) -> Vec<FallbackStatus> {
    let status =
        |(arm, provider, requests): (Arm, &str, u64)| FallbackStatus { arm, provider: provider.to_owned(), requests };
    entry.series.fallbacks().map(status).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn anonymous_ratio(entry: &Entry) -> Option<f64> {
    // A request counts as dispatched at the provider of its own arm, whichever provider answers it.
    let arms: &[Arm] = if entry.rollout.is_some() { &[Arm::Stable, Arm::Canary] } else { &[Arm::Stable] };
    let dispatched = arms.iter().map(|arm| entry.series.own(*arm).dispatched());
    let (all, anonymous) = dispatched.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    (all > 0).then(|| anonymous as f64 / all as f64)
}
