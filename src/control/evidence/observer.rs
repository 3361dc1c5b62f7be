//! What is seen of one rollout: the cores' counters as differences, their samples one by one, and probes' answers.
//!
//! Begins anew with every epoch and never looks at an older one's counters or samples, so that an answer to a request
//! which was dispatched under another share judges nothing; users' pauses and the measure of slowness last over epochs.
//! Gives the guard a tick a second. A process that did not run for a while (a suspended machine, a stopped process) has
//! seen nothing in that time: what was under way then is thrown away. A tick in which stable's breaker kept requests from
//! it says so, since its counts are not those of its users. Invariant: counters only rise, so every answer is counted
//! once.

use std::collections::VecDeque;
use std::sync::Arc;

use super::answer_stats::{Answered, Totals};
use super::blocks::Blocks;
use super::traffic_rate::Traffic;
use super::user_pauses::Pauses;
use crate::decide::guard::Arms;
use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::ceiling::CeilingWindow;
use crate::decide::guard::silent::{Measure, Silent};
use crate::decide::guard::slow::{SlowThreshold, SlowThresholds};
use crate::decide::guard::sources::{Apart, GROUPS, Part, SourceGroup, Sources};
use crate::decide::guard::stand_in::StandIn;
use crate::decide::guard::tick::{ArmTick, Tick};
use crate::decide::guard::user_cap::KeptPause;
use crate::decide::guard::waiting::{Kind, Over, Waiting, second_of};
use crate::decide::policy::Guard;
use crate::decide::rollout::state::RolloutState;
use crate::decide::rollout::step::Rescue;
use crate::decide::rollout::view::Observation;
use crate::decide::units::{Arm, Millis, Slot};
use crate::decide::window::{Counts, Window};
use crate::state::evidence::{ArmTotals, Evidence};
use crate::state::samples::{Sample, What};
use crate::state::silence::Whose;
use crate::state::withdrawal::Withdrawal;

/// The guard's tick.
const TICK: Millis = Millis(1000);
/// Control looks ten times a second: after so long without a look the process did not run.
const SLEEP: Millis = Millis(5000);
/// After so long without one, who waits for how long is not known well enough.
const LATE: Millis = Millis(2000);
/// How long an answer to a probe says that a provider lives.
const ANSWER_LASTS: Millis = Millis(10_000);
/// Between two probes, at first; and always of a stable that answers, which is asked only while it matters.
const FIRST_PAUSE: Millis = Millis(1000);
/// Between two probes of a provider that does not answer, at most.
const LONGEST_PAUSE: Millis = Millis(10_000);
/// Outputs that follow each other faster came together, in milliseconds.
const LEAST_GAP: f64 = 1.0;
/// Of so many epochs before the present one it is known who waits.
const MOST_BEFORE: usize = 16;

/// What is seen of one rollout.
#[derive(Debug)]
pub(in crate::control) struct Observer {
    pauses: Pauses,
    threshold: SlowThresholds,
    pace: SlowThreshold,
    answered: Answered,
    silent: Silent,
    sources: Sources,
    // By source; `None`: there is one.
    measured: Option<Box<[Measured; GROUPS]>>,
    withdrawal: Arc<Withdrawal>,
    // Samples that were lost, when they were last looked at.
    lost: u64,
    traffic: Traffic,
    looked: Option<Millis>,
    // How many requests stable's breaker had kept from it at the last tick, and whether there were some since the one
    // before.
    stepped_back: u64,
    stable_shut: bool,
    // Whether the canary answers anybody, and whether it answers nobody while stable is shut.
    stand_in: StandIn,
    canary_dead: bool,
    // How long requests wait for a stable that answers nobody; `None`: it answers.
    stable_waits: Option<Millis>,
    epoch: Epoch,
    // The numbers of the blocks of evidence before: their requests may wait still.
    before: VecDeque<u64>,
}

/// What belongs to one epoch.
#[derive(Debug)]
struct Epoch {
    evidence: Arc<Evidence>,
    windows: [Window; 2],
    // Where there is a ceiling: what it is held against, now.
    ceiling: Option<(CeilingWindow, Counts)>,
    // At the guard's last tick, and since then.
    ticked: Option<Millis>,
    // By source, then by arm.
    counted: [[Counted; 2]; GROUPS],
    stable_probes: (u32, u32),
    failing: [Users; 2],
    canary_answers: Option<Result<(), String>>,
    stable_answer: Option<(Millis, bool)>,
    probes: [ProbeClock; 2],
}

/// What was counted of one source on one arm.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    totals: ArmTotals,
    events: [u32; ASPECTS],
    refused: u32,
}

/// What is measured of each source by itself, where there are several: one that stalls or is slow stands for no other.
#[derive(Clone, Debug)]
struct Measured {
    silent: Silent,
    threshold: SlowThresholds,
    pace: SlowThreshold,
}

#[derive(Clone, Copy, Debug, Default)]
struct ProbeClock {
    next: Millis,
    pause: Millis,
    asked: bool,
}

/// Which users were met, a bit for each slot.
#[derive(Debug, Default)]
struct Users {
    bits: Vec<u64>,
    count: u32,
}

impl Users {
    fn meet(&mut self, user: Option<Slot>) {
        // Whoever is nobody is somebody else each time.
        let Some(user) = user else { return self.count += 1 };
        self.bits.resize(Slot::COUNT / 64, 0);
        let (word, bit) = (&mut self.bits[user.index() / 64], 1 << (user.index() % 64));
        if *word & bit == 0 {
            *word |= bit;
            self.count += 1;
        }
    }
}

impl Epoch {
    fn new(evidence: Arc<Evidence>, guard: &Guard) -> Epoch {
        Epoch {
            evidence,
            windows: [Window::new(guard.window), Window::new(guard.window)],
            ceiling: None,
            ticked: None,
            counted: Default::default(),
            stable_probes: (0, 0),
            failing: [Users::default(), Users::default()],
            canary_answers: None,
            stable_answer: None,
            probes: [ProbeClock::default(); 2],
        }
    }

    fn hold_to_ceiling(&mut self, guard: &Guard, tick: &Tick, apart: Option<&Apart>, now: Millis) {
        if guard.ceiling.is_some() {
            let new = || (CeilingWindow::new(guard.window), Counts::default());
            let (window, counts) = self.ceiling.get_or_insert_with(new);
            *counts = window.tick(&guard.constants, tick, apart, now);
        }
    }
}

impl Observer {
    /// Goes on with what was kept of it.
    pub(in crate::control) fn new(state: &RolloutState, blocks: &Blocks, guard: &Guard, now: Millis) -> Observer {
        let (pauses, threshold) = (Pauses::restored(&state.pauses, now), state.judge.slow_threshold);
        let withdrawal = Arc::default();
        let epoch = Epoch::new(blocks.make(state.epoch, guard, &pauses, &withdrawal), guard);
        let traffic = Traffic::default();
        let (silent, lost) = (Silent::default(), blocks.samples.lost());
        Observer {
            pauses,
            threshold,
            pace: state.judge.pace_threshold,
            answered: Answered::default(),
            silent,
            sources: Sources::default(),
            measured: None,
            withdrawal,
            lost,
            traffic,
            looked: None,
            stepped_back: 0,
            stable_shut: false,
            stand_in: StandIn::default(),
            canary_dead: false,
            stable_waits: None,
            epoch,
            before: VecDeque::new(),
        }
    }

    /// Who fails again and again.
    pub(in crate::control) fn pauses(&self, now: Millis) -> Arc<[KeptPause]> {
        self.pauses.kept(now)
    }

    /// Another epoch begins.
    pub(in crate::control) fn begin(&mut self, epoch: u64, blocks: &Blocks, guard: &Guard) {
        self.before.push_front(self.epoch.evidence.id);
        self.before.truncate(MOST_BEFORE);
        self.pauses.carry_over(self.looked.unwrap_or_default());
        self.epoch = Epoch::new(blocks.make(epoch, guard, &self.pauses, &self.withdrawal), guard);
        // The first tick of an epoch is as long as any other.
        self.epoch.ticked = self.looked;
        let now = self.looked.unwrap_or_default();
        self.each_silent(|silent| silent.begin(now));
    }

    /// The numbers of the blocks of evidence whose samples it takes, the present one's first.
    pub(in crate::control) fn blocks(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.epoch.evidence.id).chain(self.before.iter().copied())
    }

    /// What the cores count.
    pub(in crate::control) fn evidence(&self) -> &Arc<Evidence> {
        &self.epoch.evidence
    }

    /// How both arms' answers ended lately.
    pub(in crate::control) const fn answered(&self) -> &Answered {
        &self.answered
    }

    /// So many of stable's and of the canary's answers ended so since the process began.
    pub(in crate::control) fn count_answers(&mut self, seconds: f64, totals: [Totals; 2]) {
        self.answered.tick(seconds, totals);
    }

    /// Requests a second and stable's failure rate, of the last minutes.
    pub(in crate::control) const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn each_silent(&mut self, mut happens: impl FnMut(&mut Silent)) {
        happens(&mut self.silent);
        self.measured.iter_mut().flat_map(|measured| measured.iter_mut()).for_each(|one| happens(&mut one.silent));
    }

    /// Something happened to a request.
    pub(in crate::control) fn sample(&mut self, sample: &Sample, guard: &Guard, now: Millis) {
        let Sample { whose, what, wait, .. } = *sample;
        let Whose { arm, source, slot } = whose;
        let mut late = false;
        if let Some(wait) = wait {
            let of_source = self.measured.as_mut().map(|measured| &mut measured[source.index()].silent);
            // By whichever such requests are told as slow.
            late = of_source.as_deref().unwrap_or(&self.silent).was_late(wait);
            for silent in of_source.into_iter().chain([&mut self.silent]) {
                match what {
                    What::Sent => silent.sent(wait, arm, slot, &guard.constants),
                    What::Over(how) => silent.over(wait, arm, slot, how, now),
                    What::LeftWaiting { .. } => silent.over(wait, arm, slot, Over::Left, now),
                    What::Output { .. } => silent.over(wait, arm, slot, Over::Answered, now),
                    What::Failed { .. } | What::Refused | What::Answered { .. } | What::Paced { .. } => {}
                }
            }
        }
        // An answer to what was sent at another share says nothing else of this one.
        if sample.evidence != self.epoch.evidence.id {
            return;
        }
        let measured = self.measured.as_mut().map(|measured| &mut measured[source.index()]);
        let aspect = match what {
            What::Sent => return self.pauses.request(whose, now),
            What::Over(_) => return,
            What::Failed { connect } => {
                self.epoch.counted[source.index()][arm as usize].refused += u32::from(connect);
                Aspect::Failing
            }
            What::Refused => Aspect::Refusing,
            What::Output { after } | What::LeftWaiting { after } => {
                let (rule, kind) = (guard.slow.unwrap_or_default(), wait.map_or(Kind::Whole, |wait| wait.kind));
                let of_source = measured.map(|measured| &mut measured.threshold);
                let usual = of_source.as_deref().unwrap_or(&self.threshold);
                let slow = usual.is_slow(&rule, kind, real(after.0));
                if arm == Arm::Stable && matches!(what, What::Output { .. }) {
                    let thresholds = of_source.into_iter().chain([&mut self.threshold]);
                    thresholds.for_each(|threshold| threshold.learn(&rule, kind, real(after.0)));
                }
                if !slow || late || guard.slow.is_none() {
                    return;
                }
                Aspect::Slow
            }
            What::Answered { finished } => {
                let Some(aspect) = finished.aspect() else { return };
                aspect
            }
            What::Paced { gap } => {
                let (rule, millis) = (guard.pace_rule(), real(gap) / 1000.0);
                self.answered.paced(arm, millis);
                // Such streams come at once, whatever time that takes: they have no pace.
                if millis < LEAST_GAP {
                    return;
                }
                let of_source = measured.map(|measured| &mut measured.pace);
                let slow = of_source.as_deref().unwrap_or(&self.pace).is_slow(&rule, millis);
                if arm == Arm::Stable {
                    of_source.into_iter().chain([&mut self.pace]).for_each(|pace| pace.learn(&rule, millis));
                }
                if !slow {
                    return;
                }
                Aspect::Pace
            }
        };
        self.event(aspect, whose, now);
    }

    fn event(&mut self, aspect: Aspect, whose: Whose, now: Millis) {
        if self.pauses.event(aspect, whose, now) {
            let Whose { arm, source, slot } = whose;
            self.epoch.counted[source.index()][arm as usize].events[aspect as usize] += 1;
            if aspect == Aspect::Failing {
                self.epoch.failing[arm as usize].meet(slot);
            }
        }
    }

    /// Whoever waits for longer than slow answers take is one, and not again when the output comes.
    fn late(&mut self, guard: &Guard, now: Millis) {
        let rule = guard.slow.unwrap_or_default();
        let mut late = Vec::new();
        let mut find = |silent: &mut Silent, threshold: &SlowThresholds, source: SourceGroup, counts: bool| {
            for kind in Kind::ALL {
                if let Some(limit) = threshold.limit(&rule, kind) {
                    silent.late(kind, limit, now, |arm, slot| {
                        if counts {
                            late.push(Whose { arm, source, slot });
                        }
                    });
                }
            }
        };
        // While there is one source, all are its requests.
        let one = self.sources.alone().unwrap_or_default();
        find(&mut self.silent, &self.threshold, one, self.measured.is_none());
        for (source, one) in
            SourceGroup::ALL.into_iter().zip(self.measured.iter_mut().flat_map(|measured| measured.iter_mut()))
        {
            find(&mut one.silent, &one.threshold, source, true);
        }
        if guard.slow.is_some() {
            late.into_iter().for_each(|whose| self.event(Aspect::Slow, whose, now));
        }
    }

    /// What was not told of who waits cannot be made up for.
    pub(in crate::control) fn lost(&mut self, lost: u64, now: Millis) {
        if std::mem::replace(&mut self.lost, lost) != lost {
            self.each_silent(|silent| silent.forget(now));
        }
    }

    /// Those who wait for the canary, or have waited for so long, ask somebody else.
    pub(in crate::control) fn withdraw(&self, rescue: Rescue, now: Millis) {
        self.withdrawal.raise(match rescue {
            Rescue::Everybody => second_of(now).saturating_add(1),
            Rescue::Longer(waited) => second_of(Millis(now.0.saturating_sub(waited.0))),
        });
    }

    /// How long requests wait for a stable that answers nobody while the canary answers; `None`: it does answer.
    pub(in crate::control) const fn stable_waits(&self) -> Option<Millis> {
        self.stable_waits
    }

    /// All that wait.
    pub(in crate::control) const fn waiting(&self) -> &Waiting {
        self.silent.waiting()
    }

    /// Looks, with a tick for the guard if its time has come. `stepped_back`: requests that stable's breaker ever kept from it,
    /// and whether it would keep one from it now. With little traffic a breaker may be open and meet nobody.
    pub(in crate::control) fn look(
        &mut self,
        guard: &Guard,
        alone: bool,
        stepped_back: (u64, bool),
        now: Millis,
    ) -> Observation {
        self.pauses.end(now);
        let pause = self.looked.replace(now).map_or(Millis(0), |before| now.since(before));
        let slept = pause > SLEEP;
        if pause > LATE {
            // Seconds were longer than they look.
            self.each_silent(|silent| silent.forget(now));
        }
        let began = *self.epoch.ticked.get_or_insert(now);
        let passed = now.since(began);
        if slept {
            self.forget(now);
        }
        let (tick, apart) = (!slept && passed >= TICK).then(|| self.tick(guard, alone, passed, now)).unzip();
        let apart = apart.flatten();
        if slept || tick.is_some() {
            let (stepped_back, shut) = stepped_back;
            self.stable_shut = std::mem::replace(&mut self.stepped_back, stepped_back) != stepped_back || shut;
        }
        if let Some(tick) = &tick {
            let is_dead = self.stand_in.tick(&guard.constants, tick, apart.as_deref());
            self.canary_dead = self.stable_shut && is_dead;
            self.epoch.hold_to_ceiling(guard, tick, apart.as_deref(), now);
        }
        let (slow_threshold, pace_threshold) = (Some(self.threshold), Some(self.pace));
        Observation { tick, apart, slept, slow_threshold, pace_threshold, ..self.seen(now) }
    }

    // What has come since the last tick is thrown away.
    fn forget(&mut self, now: Millis) {
        let epoch = &mut self.epoch;
        epoch.ticked = Some(now);
        for (source, arms) in SourceGroup::ALL.into_iter().zip(&mut epoch.counted) {
            for (arm, counted) in [Arm::Stable, Arm::Canary].into_iter().zip(arms) {
                *counted = Counted { totals: epoch.evidence.totals_of(arm, source), ..Counted::default() };
            }
        }
        epoch.stable_probes = (0, 0);
    }

    fn tick(&mut self, guard: &Guard, alone: bool, passed: Millis, now: Millis) -> (Tick, Option<Box<Apart>>) {
        self.late(guard, now);
        let seconds = real(passed.0) / 1000.0;
        let constants = &guard.constants;
        let probes = std::mem::take(&mut self.epoch.stable_probes);
        self.epoch.ticked = Some(now);
        let rule = guard.slow.unwrap_or_default();
        let look = |silent: &mut Silent, threshold: &SlowThresholds| {
            let limits = Kind::ALL.map(|kind| threshold.limit(&rule, kind));
            silent.look(constants, &Measure { limits, alone, probes }, now)
        };
        let mut parts = SourceGroup::ALL.map(|source| {
            let arms = &mut self.epoch.counted[source.index()];
            let mut arm = |arm: Arm| arms[arm as usize].tick(self.epoch.evidence.totals_of(arm, source));
            Part { stable: arm(Arm::Stable), canary: arm(Arm::Canary), ..Part::default() }
        });
        let silence = look(&mut self.silent, &self.threshold);
        let waits = self.silent.stable_waits(constants, now);
        self.withdrawal.set_stable_waits(waits);
        self.stable_waits = waits.into_iter().flatten().max();
        for (part, one) in parts.iter_mut().zip(self.measured.iter_mut().flat_map(|measured| measured.iter_mut())) {
            part.silence = look(&mut one.silent, &one.threshold);
        }
        if let (None, Some(one)) = (&self.measured, self.sources.alone()) {
            parts[one.index()].silence = silence;
        }
        let (Part { stable, canary, .. }, apart) = self.sources.tick(constants, seconds, parts);
        self.measure_apart(self.sources.alone().is_none() && apart.is_some(), now);
        for (window, arm) in self.epoch.windows.iter_mut().zip([&stable, &canary]) {
            window.add(now, Counts { requests: whole(arm.exposed()), failures: whole(arm.failures()) });
        }
        let stable_probes = (f64::from(probes.0), f64::from(probes.1));
        let tick = Tick { seconds, stable, canary, stable_probes, silence };
        self.traffic.add(&tick);
        (tick, apart)
    }

    /// From now on each source is measured by itself, beginning with what was learnt of all; or no more.
    fn measure_apart(&mut self, several: bool, now: Millis) {
        if several && self.measured.is_none() {
            let mut silent = Silent::default();
            silent.forget(now);
            let one = Measured { silent, threshold: self.threshold, pace: self.pace };
            self.measured = Some(Box::new([(); GROUPS].map(|()| one.clone())));
        } else if !several {
            self.measured = None;
        }
    }

    /// Whether requests come from several sources that are heard.
    pub(in crate::control) const fn has_several_sources(&self) -> bool {
        self.measured.is_some()
    }

    /// What there is to see without a tick.
    pub(in crate::control) fn seen(&mut self, now: Millis) -> Observation {
        let epoch = &mut self.epoch;
        let fresh = epoch.stable_answer.filter(|(at, _)| now.since(*at) < ANSWER_LASTS);
        let [stable, canary] = &mut epoch.windows;
        Observation {
            window: Arms { stable: stable.counts(now), canary: canary.counts(now) },
            under_ceiling: epoch.ceiling.as_ref().map(|(_, counts)| *counts).unwrap_or_default(),
            canary_answers: epoch.canary_answers.clone(),
            stable_shut: self.stable_shut,
            canary_dead: self.canary_dead,
            stable_answers: fresh.map(|(_, answers)| answers),
            users: [0, 1].map(|arm: usize| epoch.failing[arm].count),
            ..Observation::default()
        }
    }

    /// Whether a probe of this arm should begin now; then it counts as begun.
    pub(in crate::control) fn begin_probe(&mut self, arm: Arm, now: Millis) -> bool {
        let clock = &mut self.epoch.probes[arm as usize];
        let due = !clock.asked && clock.next <= now;
        clock.asked |= due;
        due
    }

    /// What a probe said.
    pub(in crate::control) fn probed(&mut self, arm: Arm, result: Result<(), String>, now: Millis) {
        let epoch = &mut self.epoch;
        let clock = &mut epoch.probes[arm as usize];
        clock.pause = match (&result, arm) {
            // It holds until then; a ramp that something else holds up need not ask every second.
            (Ok(()), Arm::Canary) => ANSWER_LASTS,
            (Ok(()), Arm::Stable) => FIRST_PAUSE,
            (Err(_), _) => Millis((clock.pause.0 * 2).clamp(FIRST_PAUSE.0, LONGEST_PAUSE.0)),
        };
        clock.next = Millis(now.0 + clock.pause.0);
        clock.asked = false;
        match arm {
            Arm::Canary => epoch.canary_answers = Some(result),
            Arm::Stable => {
                let answers = result.is_ok();
                epoch.stable_answer = Some((now, answers));
                epoch.stable_probes.0 += u32::from(answers);
                epoch.stable_probes.1 += u32::from(!answers);
            }
        }
    }
}

impl Counted {
    /// What has come since the last time.
    fn tick(&mut self, totals: ArmTotals) -> ArmTick {
        let Counted { totals: before, events, refused } =
            std::mem::replace(self, Counted { totals, ..Counted::default() });
        let exposed = Aspect::ALL.map(|aspect| totals.exposed[aspect as usize] - before.exposed[aspect as usize]);
        let succeeded = totals.succeeded - before.succeeded;
        ArmTick {
            requests: exposed.map(real),
            events: events.map(f64::from),
            successes: real(succeeded),
            refused: f64::from(refused),
            answered: real(succeeded + totals.failed - before.failed),
        }
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
