//! An analysis of several sources: each view sees its part of a tick, and the analysis takes over what the views decide.
//!
//! Owns which view decides each part of what is known. The views themselves are [`PerSourceSet`]'s. Invariant: with one
//! source left, its view is the whole analysis; what was done to the rollout is kept, whichever sources decided it.

use super::Analysis;
use crate::decide::guard::aspect::ASPECTS;
use crate::decide::guard::rate_check::{self, RateCheck};
use crate::decide::guard::source_sets::PerSourceSet;
use crate::decide::guard::sources::TickBySource;
use crate::decide::guard::tick::{EventSums, Tick};
use crate::decide::policy::Guard;

impl Analysis {
    /// Shows a tick to the views, each its part of it, and goes on with what they decide. `seconds`: what it adds to
    /// the step.
    pub(super) fn tick_by_source(
        &mut self,
        guard: &Guard,
        tick: &Tick,
        by_source: &TickBySource,
        seconds: f64,
        see: impl Fn(&mut Analysis, &Tick),
    ) {
        let mut views =
            self.views.take().unwrap_or_else(|| Box::new(PerSourceSet::of(&guard.constants, self, by_source.before)));
        views.tick(&guard.constants, tick, by_source, see);
        match by_source.alone {
            Some(one) => {
                // The action is the rollout's, whichever sources decided it.
                let (rechecks, rest) = (self.rechecks, self.confirm_rest);
                *self = views.at(one.bit()).clone();
                (self.rechecks, self.confirm_rest) = (rechecks, (rest - seconds).max(0.0));
            }
            None => {
                self.confirm_rest = (self.confirm_rest - seconds).max(0.0);
                self.decide_by(guard, &views, by_source, seconds);
                self.views = Some(views);
            }
        }
    }

    /// Takes each part of what is known from the view that decides it.
    fn decide_by(&mut self, guard: &Guard, views: &PerSourceSet<Analysis>, by_source: &TickBySource, seconds: f64) {
        let constants = &guard.constants;
        let of_canary =
            |key: &dyn Fn(&Analysis) -> f64| views.deciding(&by_source.quorum, by_source.quorum.on_canary, key);
        let of_stable =
            |key: &dyn Fn(&Analysis) -> f64| views.deciding(&by_source.quorum, by_source.quorum.groups, key);
        for index in 0..ASPECTS {
            let weight = |analysis: &Analysis| {
                let evidence = analysis.detectors[index].evidence();
                let open = analysis.floors[index].largest() >= constants.floor_evidence;
                // Below the floor there is no suspicion, whatever the evidence.
                if open { 1.0 + evidence } else { evidence / (1.0 + evidence) }
            };
            let analysis = of_canary(&weight);
            self.detectors[index] = analysis.detectors[index];
            self.floors[index] = analysis.floors[index];
            self.doubts[index] = analysis.doubts[index];
        }
        self.canary_down = of_canary(&|analysis| analysis.canary_down.weight(constants)).canary_down;
        self.stable_down = of_stable(&|analysis| analysis.stable_down.weight(constants)).stable_down;
        self.silent_run = of_canary(&|analysis| analysis.silent_run.weight()).silent_run;
        self.suspicion = of_canary(&|analysis| analysis.suspicion.largest()).suspicion;
        self.baseline = of_stable(&|analysis| analysis.baseline.incident_evidence()).baseline;
        // The step's time is everybody's; of few requests no rate is known.
        let passed = if self.baseline.in_incident(constants) { 0.0 } else { seconds };
        let seconds = self.step.seconds + passed;
        let (all, least) = (views.at(by_source.quorum.groups), f64::from(guard.min_requests));
        let knows = |analysis: &Analysis| analysis.step.canary.min(analysis.answered) >= least;
        let step = of_canary(&|analysis| {
            let RateCheck { rate, limit, .. } = rate_check::promotion_check(guard, analysis);
            if knows(analysis) { rate / limit.max(f64::MIN_POSITIVE) } else { 0.0 }
        });
        let step = if knows(step) { step } else { all };
        self.step = EventSums { seconds, ..step.step };
        self.answered = step.answered;
    }
}
