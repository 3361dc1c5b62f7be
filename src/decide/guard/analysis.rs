//! Everything that the guard knows of a rollout, and the result of evaluating it.
//!
//! Owns the detectors of one try, stable's history, and the clock of the present step, which stands still while stable
//! is in an incident. [`Analysis::tick`] takes one tick in and [`Analysis::result`] evaluates all ticks so far;
//! [`step`](crate::decide::rollout::step) decides what follows. All numbers are finite and are written to the disk as
//! they are, so a restart continues the same try. Invariants: evidence is gathered only while users are on the canary;
//! the masses of one try sum to at most 1, whatever changes of the share humans make.

mod by_source;
mod result;
mod stored;
mod tolerance;

use serde::{Deserialize, Serialize};

use super::aspect::{ASPECTS, Aspect};
use super::baseline::StableBaseline;
use super::constants::Constants;
use super::cusum::Cusum;
use super::down::{DownDetector, DownTick};
use super::relative::{Comparison, Elapsed, RelativeDetector};
use super::silent::SilentRun;
use super::slow::{SlowThreshold, SlowThresholds};
use super::source_sets::PerSourceSet;
use super::sources::TickBySource;
use super::tick::{EventSums, Tick};
use crate::decide::policy::Guard;
pub use result::{AnalysisResult, AspectResult};
use stored::{VERSION, this_version, with_defaults_for_new_aspects};
use tolerance::tolerance_in;
pub use tolerance::{bound, fraction};

/// Everything the guard knows of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    #[serde(deserialize_with = "this_version")]
    version: u32,
    #[serde(deserialize_with = "with_defaults_for_new_aspects")]
    detectors: [RelativeDetector; ASPECTS],
    #[serde(deserialize_with = "with_defaults_for_new_aspects")]
    floors: [Cusum; ASPECTS],
    // Since an aspect last looked well: the counts that an alarm reports.
    #[serde(deserialize_with = "with_defaults_for_new_aspects")]
    doubts: [EventSums; ASPECTS],
    canary_down: DownDetector,
    stable_down: DownDetector,
    suspicion: Cusum,
    confirm_mass: f64,
    step_mass: f64,
    /// How often the canary was confirmed at the ramp's end.
    pub rechecks: u32,
    /// For how long no confirmation begins, in seconds.
    pub confirm_rest: f64,
    /// Failures since the present share came into force, incidents of stable left out: also the step's clock.
    pub step: EventSums,
    /// Canary requests that were sent and answered in that time.
    pub answered: f64,
    /// How stable usually is.
    #[serde(rename = "history")]
    pub baseline: StableBaseline,
    /// What a slow answer is.
    pub slow_threshold: SlowThresholds,
    /// What a slow pace between the outputs of a stream is.
    #[serde(default = "SlowThreshold::unknown")]
    pub pace_threshold: SlowThreshold,
    // Of the last tick: after a restart no request waits.
    #[serde(skip)]
    silent_run: SilentRun,
    // The same of some of the sources each, while there are several. A restart goes on with what was decided by.
    #[serde(skip)]
    views: Option<Box<PerSourceSet<Analysis>>>,
}

/// How many promotions a rollout has, and how long it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RampLength {
    /// At least one.
    pub promotions: f64,
    /// From the first stage's beginning to the last one's end, in seconds.
    pub horizon: f64,
}

/// Under which circumstances a tick passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TickContext {
    /// The share of users on the canary, 0 to 1.
    pub share: f64,
    /// What the ramp looks like.
    pub schedule: RampLength,
    /// Whether the canary is being confirmed.
    pub confirming: bool,
    /// Whether all users are on the canary and none can be moved back for a comparison (a pinned share): then stable's
    /// answers to probes replace its traffic.
    pub alone: bool,
}

impl Analysis {
    /// Nothing is known.
    #[must_use]
    pub fn new(constants: &Constants) -> Analysis {
        Analysis {
            version: VERSION,
            detectors: [RelativeDetector::new(constants); ASPECTS],
            floors: [Cusum::default(); ASPECTS],
            doubts: [EventSums::default(); ASPECTS],
            canary_down: DownDetector::default(),
            stable_down: DownDetector::default(),
            suspicion: Cusum::default(),
            confirm_mass: constants.mass_confirm,
            step_mass: constants.mass_steps,
            rechecks: 0,
            confirm_rest: 0.0,
            step: EventSums::default(),
            answered: 0.0,
            baseline: StableBaseline::default(),
            slow_threshold: SlowThresholds::default(),
            pace_threshold: SlowThreshold::unknown(),
            silent_run: SilentRun::default(),
            views: None,
        }
    }

    /// Another try begins: nothing is known of the canary, stable is who it was.
    pub fn begin_try(&mut self, constants: &Constants) {
        let (history, slow_threshold, pace_threshold) = (self.baseline, self.slow_threshold, self.pace_threshold);
        *self = Analysis { baseline: history, slow_threshold, pace_threshold, ..Analysis::new(constants) };
    }

    /// A tick while no user is on the canary. `by_source`: the same by source, where there are several.
    pub fn tick_without_users(&mut self, guard: &Guard, tick: &Tick, by_source: Option<&TickBySource>) {
        match by_source {
            Some(by_source) => {
                self.tick_by_source(guard, tick, by_source, 0.0, |analysis, tick| analysis.pass(&guard.constants, tick))
            }
            None => {
                self.views = None;
                self.pass(&guard.constants, tick);
            }
        }
    }

    fn pass(&mut self, constants: &Constants, tick: &Tick) {
        self.silent_run = SilentRun::default();
        self.baseline.update(constants, tick.seconds, tick.stable.exposed(), tick.stable.failures());
    }

    /// A tick during which users were on the canary. `by_source`: the same by source, where there are several.
    pub fn tick(&mut self, guard: &Guard, now: &TickContext, tick: &Tick, by_source: Option<&TickBySource>) {
        match by_source {
            Some(by_source) => self
                .tick_by_source(guard, tick, by_source, tick.seconds, |analysis, tick| analysis.see(guard, now, tick)),
            None => {
                self.views = None;
                self.see(guard, now, tick);
            }
        }
    }

    fn see(&mut self, guard: &Guard, now: &TickContext, tick: &Tick) {
        let (constants, seconds) = (&guard.constants, tick.seconds);
        self.pass(constants, tick);
        self.confirm_rest = (self.confirm_rest - seconds).max(0.0);
        let passed = Elapsed::new(constants, seconds);
        for aspect in Aspect::ALL {
            let Some(tolerance) = tolerance_in(guard, aspect) else { continue };
            let (index, labels) = (aspect as usize, tick.event_counts(aspect));
            let comparison = Comparison {
                tolerated_ratio: tolerance.tolerated_ratio,
                patience: guard.patience,
                horizon: now.schedule.horizon,
            };
            let evidence = self.detectors[index].update(constants, &comparison, &passed, now.share, &labels);
            let (requests, events) = (labels.canary, labels.canary_events);
            self.floors[index].update(constants, constants.floor_cap, tolerance.floor, requests, events);
            if evidence <= 1.0 {
                self.doubts[index] = EventSums::default();
            }
            self.doubts[index].add(seconds, &labels);
        }
        self.watch_for_down(constants, now, tick);
        self.silent_run = tick.silence;
        if !now.confirming && now.share > constants.confirm_share + 1e-9 {
            let (requests, failures) = (tick.canary.exposed(), tick.canary.failures());
            self.suspicion.update(constants, constants.suspicion_cap, self.reference(guard), requests, failures);
        }
        if !self.baseline.in_incident(constants) {
            self.step.add(seconds, &tick.event_counts(Aspect::Failing));
            self.answered += tick.canary.answered;
        }
    }

    fn watch_for_down(&mut self, constants: &Constants, now: &TickContext, tick: &Tick) {
        let probes = if now.alone { tick.stable_probes } else { (0.0, 0.0) };
        let (stable, canary) = (&tick.stable, &tick.canary);
        let of_canary = DownTick {
            sent: canary.exposed(),
            successes: canary.successes,
            failures: canary.failures(),
            connections_refused: canary.connections_refused,
            other_successes: stable.successes + probes.0,
            other_failures: stable.failures() + probes.1,
        };
        let of_stable = DownTick {
            sent: stable.exposed(),
            successes: stable.successes,
            failures: stable.failures(),
            connections_refused: stable.connections_refused,
            other_successes: canary.successes,
            other_failures: canary.failures(),
        };
        self.canary_down.update(constants, tick.seconds, &of_canary);
        self.stable_down.update(constants, tick.seconds, &of_stable);
        if stable.exposed() == 0.0 && tick.stable_probes.0 > 0.0 {
            self.stable_down = DownDetector::default();
        }
    }

    /// What the numbers say. `tries`: how many tries of this attempt there were before.
    #[must_use]
    pub fn result(&self, guard: &Guard, tries: u32) -> AnalysisResult {
        let constants = &guard.constants;
        let bound = bound(guard, tries);
        let finding = |aspect: Aspect| {
            let index = aspect as usize;
            let floor = self.floors[index].largest();
            AspectResult {
                evidence: self.detectors[index].evidence(),
                // The aspects of answers share a budget as large as one of the others.
                bound: if aspect.is_of_answers() { bound * real(Aspect::OF_ANSWERS.len()) } else { bound },
                floor,
                above_floor: floor >= constants.floor_evidence,
            }
        };
        let suspicion = self.suspicion();
        AnalysisResult {
            aspects: Aspect::ALL.map(finding),
            down: self.canary_down.is_down(constants),
            silent: self.silent_run.down,
            stable_down: self.stable_down.is_down(constants),
            incident: self.baseline.in_incident(constants),
            suspicion,
            suspicious: suspicion >= constants.suspicion,
        }
    }

    /// Another share is in force, 0 to 1.
    pub fn share_changed(&mut self, share: f64) {
        self.each_view(|analysis| analysis.share_changed(share));
        self.detectors.iter_mut().for_each(RelativeDetector::forget_share);
        self.silent_run = SilentRun::default();
        // With other users, or none, a canary may do better; one that does not is detected within seconds.
        self.stable_down = DownDetector::default();
        if share >= 1.0 - 1e-9 {
            self.baseline.stop_observing();
        }
        self.suspicion = Cusum::default();
        self.step = EventSums::default();
        self.answered = 0.0;
    }

    /// More users follow: a change is likelier now. As much mass as a promotion has, as long as there is some.
    pub fn expect_change(&mut self, constants: &Constants, schedule: &RampLength) {
        self.each_view(|analysis| analysis.expect_change(constants, schedule));
        let mass = (constants.mass_steps / schedule.promotions).min(self.step_mass);
        self.step_mass -= mass;
        self.add_mass(mass);
    }

    /// The canary is confirmed, since something is the matter with it: a change is likelier now.
    pub fn expect_confirmation(&mut self) {
        self.each_view(Analysis::expect_confirmation);
        self.confirm_mass *= 0.5;
        self.add_mass(self.confirm_mass);
    }

    fn add_mass(&mut self, mass: f64) {
        self.detectors.iter_mut().for_each(|detector| detector.add_mass(mass));
    }

    /// The canary and stable came out alike in a confirmation: that is how stable is nowadays.
    pub fn confirmed(&mut self) {
        self.each_view(Analysis::confirmed);
        self.baseline.reset_to(self.step.stable, self.step.stable_events);
    }

    /// The step begins anew at the same share.
    pub fn repeat_step(&mut self) {
        self.each_view(Analysis::repeat_step);
        self.step = EventSums::default();
        self.answered = 0.0;
    }

    /// A while is left out of the judgement: runs of failures that span it say nothing.
    pub fn skip_gap(&mut self) {
        self.each_view(Analysis::skip_gap);
        self.silent_run = SilentRun::default();
        (self.canary_down, self.stable_down) = (DownDetector::default(), DownDetector::default());
    }

    /// A tick that is no comparison is left out of the judgement; a success in it ends a run all the same. `by_source`:
    /// the same by source, where there are several.
    pub fn skip_tick(&mut self, guard: &Guard, tick: &Tick, by_source: Option<&TickBySource>) {
        match by_source {
            Some(by_source) => self.tick_by_source(guard, tick, by_source, 0.0, Analysis::end_runs),
            None => {
                self.views = None;
                self.end_runs(tick);
            }
        }
    }

    fn end_runs(&mut self, tick: &Tick) {
        if tick.canary.successes > 0.0 {
            self.canary_down = DownDetector::default();
        }
        if tick.stable.successes > 0.0 {
            self.stable_down = DownDetector::default();
        }
    }

    fn each_view(&mut self, happens: impl FnMut(&mut Analysis)) {
        if let Some(views) = &mut self.views {
            views.each(happens);
        }
    }

    /// Above this rate a canary with most of the traffic is suspicious.
    #[must_use]
    pub fn reference(&self, guard: &Guard) -> f64 {
        let constants = &guard.constants;
        let usual = constants.reference_ratio * self.baseline.rate().min(1.0);
        fraction(guard.done_below).max(usual).min(constants.most_reference)
    }

    /// Evidence that the canary's rate is above stable's usual rate, in nats.
    #[must_use]
    pub fn suspicion(&self) -> f64 {
        self.suspicion.largest()
    }

    /// What was seen since this aspect last looked well.
    #[must_use]
    pub const fn suspect_sums(&self, aspect: Aspect) -> &EventSums {
        &self.doubts[aspect as usize]
    }

    /// The canary's failures in a row.
    #[must_use]
    pub const fn canary_run(&self) -> &DownDetector {
        &self.canary_down
    }

    /// The canary's requests without output.
    #[must_use]
    pub const fn silence(&self) -> &SilentRun {
        &self.silent_run
    }

    /// An aspect's detector.
    #[must_use]
    pub const fn detector(&self, aspect: Aspect) -> &RelativeDetector {
        &self.detectors[aspect as usize]
    }
}

#[expect(clippy::cast_precision_loss, reason = "four")]
const fn real(count: usize) -> f64 {
    count as f64
}
