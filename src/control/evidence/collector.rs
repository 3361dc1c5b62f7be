//! What is observed of one rollout: the cores' counters, their samples, and the results of probes.
//!
//! Gives the guard one tick a second. Starts over with every epoch: counters and samples of an earlier epoch are
//! ignored, so a request that was dispatched at another share judges nothing. User pauses and the slowness thresholds
//! outlive an epoch. If the process did not run for a while (a suspended machine, a stopped process), everything from
//! that time is discarded. A tick in which stable's breaker diverted requests is marked, because its counts are not
//! those of stable's users. Invariant: counters only rise, so each answer is counted once.

mod samples;
mod verdicts;

use std::collections::VecDeque;
use std::sync::Arc;

use super::answer_stats::{AnswerStats, Totals};
use super::blocks::EvidenceBlocks;
use super::epoch::Epoch;
use super::traffic_rate::TrafficRate;
use super::user_pauses::UserPauses;
use crate::decide::guard::Arms;
use crate::decide::guard::canary_down::CanaryDownDetector;
use crate::decide::guard::silent::{SilentDetector, SilentInputs};
use crate::decide::guard::slow::{SlowThreshold, SlowThresholds};
use crate::decide::guard::sources::{GROUPS, SourceGroup, SourceTick, SourceWeights, TickBySource};
use crate::decide::guard::tick::Tick;
use crate::decide::guard::user_cap::SavedPause;
use crate::decide::guard::waiting::{ResponseKind, WaitingRequests, second_of};
use crate::decide::policy::Guard;
use crate::decide::rollout::context::Observation;
use crate::decide::rollout::state::RolloutState;
use crate::decide::rollout::step::WithdrawWaiting;
use crate::decide::units::{Arm, Millis};
use crate::decide::window::Counts;
use crate::state::evidence::Evidence;
use crate::state::withdrawal::Withdrawal;

/// The interval of the guard's ticks.
const TICK: Millis = Millis(1000);
/// The collector is polled ten times a second. After a longer gap than this the process did not run.
const SUSPENDED: Millis = Millis(5000);
/// After a longer gap than this it is not known well enough how long each request has been waiting.
const LATE: Millis = Millis(2000);
/// Requests of this many earlier epochs may still be waiting.
const MAX_EARLIER_BLOCKS: usize = 16;

#[derive(Debug)]
pub(in crate::control) struct EvidenceCollector {
    pauses: UserPauses,
    measures: Measures,
    sources: SourceWeights,
    // Where there are several sources. One that stalls or is slow must not stand for the others.
    measures_by_source: Option<Box<[Measures; GROUPS]>>,
    answer_stats: AnswerStats,
    traffic_rate: TrafficRate,
    withdrawal: Arc<Withdrawal>,
    // The count of lost samples at the last check.
    samples_dropped: u64,
    polled: Option<Millis>,
    // How many requests stable's breaker had diverted at the last tick, and whether it diverted any since the tick
    // before.
    bypassed: u64,
    stable_shut: bool,
    // Whether the canary answers, and whether it answers no request while stable is shut.
    stand_in: CanaryDownDetector,
    canary_dead: bool,
    // How long requests wait for a stable that answers none of them. `None`: it answers.
    stable_waits: Option<Millis>,
    epoch: Epoch,
    // The numbers of earlier evidence blocks, whose requests may still be waiting.
    earlier_blocks: VecDeque<u64>,
}

/// In which epoch a request was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum RequestEpoch {
    Present,
    Earlier,
}

/// Who waits, and how slow is too slow.
#[derive(Clone, Debug)]
struct Measures {
    silent: SilentDetector,
    slow: SlowThresholds,
    pace: SlowThreshold,
}

impl EvidenceCollector {
    /// Continues from the kept state.
    pub(in crate::control) fn new(
        state: &RolloutState,
        blocks: &EvidenceBlocks,
        guard: &Guard,
        now: Millis,
    ) -> EvidenceCollector {
        let pauses = UserPauses::restore(&state.pauses, now);
        let withdrawal = Arc::default();
        let epoch = Epoch::new(blocks.create(state.epoch, guard, &pauses, &withdrawal), guard);
        let (slow, pace) = (state.analysis.slow_threshold, state.analysis.pace_threshold);
        EvidenceCollector {
            pauses,
            measures: Measures { silent: SilentDetector::default(), slow, pace },
            sources: SourceWeights::default(),
            measures_by_source: None,
            answer_stats: AnswerStats::default(),
            traffic_rate: TrafficRate::default(),
            withdrawal,
            samples_dropped: blocks.samples.dropped(),
            polled: None,
            bypassed: 0,
            stable_shut: false,
            stand_in: CanaryDownDetector::default(),
            canary_dead: false,
            stable_waits: None,
            epoch,
            earlier_blocks: VecDeque::new(),
        }
    }

    /// The pauses of users who keep failing.
    pub(in crate::control) fn pauses_to_keep(&self, now: Millis) -> Arc<[SavedPause]> {
        self.pauses.to_keep(now)
    }

    pub(in crate::control) fn start_epoch(&mut self, epoch: u64, blocks: &EvidenceBlocks, guard: &Guard) {
        self.earlier_blocks.push_front(self.epoch.evidence.id);
        self.earlier_blocks.truncate(MAX_EARLIER_BLOCKS);
        let now = self.polled.unwrap_or_default();
        self.pauses.carry_over(now);
        self.epoch = Epoch::new(blocks.create(epoch, guard, &self.pauses, &self.withdrawal), guard);
        // The first tick of an epoch is as long as any other.
        self.epoch.ticked = self.polled;
        self.each_silent(|silent| silent.begin(now));
    }

    /// The numbers of the evidence blocks whose samples it takes, the current one first.
    pub(in crate::control) fn block_ids(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.epoch.evidence.id).chain(self.earlier_blocks.iter().copied())
    }

    /// The block that the cores count in.
    pub(in crate::control) fn evidence(&self) -> &Arc<Evidence> {
        &self.epoch.evidence
    }

    pub(in crate::control) const fn answer_stats(&self) -> &AnswerStats {
        &self.answer_stats
    }

    /// `totals`: the answers of stable and of the canary since the start.
    pub(in crate::control) fn count_answers(&mut self, seconds: f64, totals: [Totals; 2]) {
        self.answer_stats.tick(seconds, totals);
    }

    pub(in crate::control) const fn traffic_rate(&self) -> &TrafficRate {
        &self.traffic_rate
    }

    fn each_silent(&mut self, mut change: impl FnMut(&mut SilentDetector)) {
        change(&mut self.measures.silent);
        self.measures_by_source
            .iter_mut()
            .flat_map(|sources| sources.iter_mut())
            .for_each(|one| change(&mut one.silent));
    }

    /// `lost`: samples that were lost since the start. Who waits is not known any more if there are new ones.
    pub(in crate::control) fn samples_dropped(&mut self, lost: u64, now: Millis) {
        if std::mem::replace(&mut self.samples_dropped, lost) != lost {
            self.each_silent(|silent| silent.forget(now));
        }
    }

    /// Makes requests that wait for the canary try another provider: all of them, or those that have waited this long.
    pub(in crate::control) fn withdraw_waiting(&self, rescue: WithdrawWaiting, now: Millis) {
        self.withdrawal.raise(match rescue {
            WithdrawWaiting::All => second_of(now).saturating_add(1),
            WithdrawWaiting::LongerThan(waited) => second_of(Millis(now.0.saturating_sub(waited.0))),
        });
    }

    /// How long requests wait for a stable that answers none of them while the canary answers. `None`: stable answers.
    pub(in crate::control) const fn stable_waits(&self) -> Option<Millis> {
        self.stable_waits
    }

    pub(in crate::control) const fn waiting(&self) -> &WaitingRequests {
        self.measures.silent.waiting()
    }

    /// Whether requests come from several sources that carry weight.
    pub(in crate::control) const fn has_several_sources(&self) -> bool {
        self.measures_by_source.is_some()
    }

    /// Observes, with a tick for the guard if one is due. `bypassed`: how many requests stable's breaker has
    /// diverted since the start, and whether it would divert one now. With little traffic an open breaker may meet no
    /// request.
    pub(in crate::control) fn poll(
        &mut self,
        guard: &Guard,
        alone: bool,
        bypassed: (u64, bool),
        now: Millis,
    ) -> Observation {
        self.pauses.end_expired(now);
        let gap = self.polled.replace(now).map_or(Millis(0), |before| now.since(before));
        let slept = gap > SUSPENDED;
        if gap > LATE {
            self.each_silent(|silent| silent.forget(now));
        }
        let began = *self.epoch.ticked.get_or_insert(now);
        let passed = now.since(began);
        if slept {
            self.epoch.discard(now);
        }
        let (tick, apart) = (!slept && passed >= TICK).then(|| self.tick(guard, alone, passed, now)).unzip();
        let apart = apart.flatten();
        if slept || tick.is_some() {
            let (bypassed, shut) = bypassed;
            self.stable_shut = std::mem::replace(&mut self.bypassed, bypassed) != bypassed || shut;
        }
        if let Some(tick) = &tick {
            let is_dead = self.stand_in.tick(&guard.constants, tick, apart.as_deref());
            self.canary_dead = self.stable_shut && is_dead;
            self.epoch.update_ceiling(guard, tick, apart.as_deref(), now);
        }
        let (slow_threshold, pace_threshold) = (Some(self.measures.slow), Some(self.measures.pace));
        Observation {
            tick,
            by_source: apart,
            was_suspended: slept,
            slow_threshold,
            pace_threshold,
            ..self.observation(now)
        }
    }

    fn tick(&mut self, guard: &Guard, alone: bool, passed: Millis, now: Millis) -> (Tick, Option<Box<TickBySource>>) {
        self.count_late(guard, now);
        let seconds = real(passed.0) / 1000.0;
        let constants = &guard.constants;
        let probes = self.epoch.probes.take_stable_results();
        self.epoch.ticked = Some(now);
        let rule = guard.slow.unwrap_or_default();
        let look = |Measures { silent, slow, .. }: &mut Measures| {
            let limits = ResponseKind::ALL.map(|kind| slow.limit(&rule, kind));
            silent.evaluate(constants, &SilentInputs { limits, alone, probes }, now)
        };
        let mut parts = SourceGroup::ALL.map(|source| {
            let mut arm = |arm: Arm| self.epoch.take_arm_tick(arm, source);
            SourceTick { stable: arm(Arm::Stable), canary: arm(Arm::Canary), ..SourceTick::default() }
        });
        let silence = look(&mut self.measures);
        let waits = self.measures.silent.stable_waits(constants, now);
        self.withdrawal.set_stable_waits(waits);
        self.stable_waits = waits.into_iter().flatten().max();
        for (part, one) in
            parts.iter_mut().zip(self.measures_by_source.iter_mut().flat_map(|sources| sources.iter_mut()))
        {
            part.silence = look(one);
        }
        if let (None, Some(one)) = (&self.measures_by_source, self.sources.alone()) {
            parts[one.index()].silence = silence;
        }
        let (SourceTick { stable, canary, .. }, apart) = self.sources.tick(constants, seconds, parts);
        self.measure_by_source(self.sources.alone().is_none() && apart.is_some(), now);
        for (window, arm) in self.epoch.windows.iter_mut().zip([&stable, &canary]) {
            window.add(now, Counts { requests: whole(arm.exposed()), failures: whole(arm.failures()) });
        }
        let stable_probes = (f64::from(probes.0), f64::from(probes.1));
        let tick = Tick { seconds, stable, canary, stable_probes, silence };
        self.traffic_rate.add(&tick);
        (tick, apart)
    }

    /// Measures each source by itself, starting from what was learned of all of them; or stops doing so.
    fn measure_by_source(&mut self, several: bool, now: Millis) {
        if several && self.measures_by_source.is_none() {
            let mut silent = SilentDetector::default();
            silent.forget(now);
            let one = Measures { silent, slow: self.measures.slow, pace: self.measures.pace };
            self.measures_by_source = Some(Box::new([(); GROUPS].map(|()| one.clone())));
        } else if !several {
            self.measures_by_source = None;
        }
    }

    /// What is observed up to now, without a tick.
    pub(in crate::control) fn observation(&mut self, now: Millis) -> Observation {
        let epoch = &mut self.epoch;
        let [stable, canary] = &mut epoch.windows;
        Observation {
            window: Arms { stable: stable.counts(now), canary: canary.counts(now) },
            ceiling_counts: epoch.ceiling.as_ref().map(|(_, counts)| *counts).unwrap_or_default(),
            canary_answers: epoch.probes.canary(),
            stable_breaker_open: self.stable_shut,
            canary_dead: self.canary_dead,
            stable_answers: epoch.probes.stable(now),
            first_outputs: epoch.first_outputs,
            users: [0, 1].map(|arm: usize| epoch.failing[arm].count),
            ..Observation::default()
        }
    }

    /// Whether a probe of this arm is due. Then it counts as started.
    pub(in crate::control) fn start_probe(&mut self, arm: Arm, now: Millis) -> bool {
        self.epoch.probes.start(arm, now)
    }

    pub(in crate::control) fn probe_finished(&mut self, arm: Arm, result: Result<(), String>, now: Millis) {
        self.epoch.probes.finish(arm, result, now);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and times far below the precision")]
const fn real(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, as it was")]
const fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests;
