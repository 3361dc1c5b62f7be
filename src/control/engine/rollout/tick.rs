//! What a rollout does as time passes: it polls its collector, runs the guard's tick, and requests probes.
//!
//! A tick gathers the observation, runs it through the state machine, and adds the alerts and the checkpoint that are
//! due. Probes and forecasts are requested here as well. Nothing is decided from a forecast. Invariant: whatever
//! changes the state goes through the same step as any other input.

use std::sync::Arc;

use super::{Rollout, RolloutConfig};
use crate::control::engine::availability::Names;
use crate::control::engine::context::ProcessContext;
use crate::control::engine::effects::Effects;
use crate::control::engine::input::Probe;
use crate::control::evidence::answer_stats;
use crate::control::evidence::causes::canary_causes;
use crate::control::now::Now;
use crate::decide::policy::Intent;
use crate::decide::rollout::promotion::needs_stable_probe;
use crate::decide::rollout::state::Phase;
use crate::decide::rollout::step::Input as StepInput;
use crate::decide::units::{Arm, Millis, Percent};

impl Rollout {
    pub(super) fn tick(&mut self, index: usize, bypassed: (u64, bool), context: &ProcessContext, now: Now) -> Effects {
        self.update_blocked(context);
        let alone = self.state().in_force == Percent::ALL;
        let several = self.collector.has_several_sources();
        let mut observation = self.collector.poll(&self.config.canary.guard, alone, bypassed, now.mono);
        let several_now = self.collector.has_several_sources();
        observation.most_rejected = self.most_common_rejection();
        observation.not_ready = Arc::clone(self.not_ready());
        let (copies_changed, rehearsed) = self.look_at_copies(context, now);
        observation.rehearsal = self.rehearsal_wait(context, now.unix);
        let canary_changed = self.availability.set_canary_dead(observation.canary_dead);
        let stable_changed = self.availability.set_stable_silent(self.collector.stable_waits().is_some());
        if let Some(tick) = &observation.tick {
            self.recent_epochs.add(self.collector.evidence());
            observation.causes = canary_causes(self.collector.evidence(), now);
            let totals = [Arm::Stable, Arm::Canary].map(|arm| answer_stats::totals(self.config.series.own(arm)));
            self.collector.count_answers(tick.seconds, totals);
            self.trace_buffer.push(now.unix, self.committed.state().in_force, tick, context.rollouts);
        }
        let mut effects = self.step(&StepInput::Tick(observation), context, now);
        effects.result.publish |= canary_changed || several != several_now || copies_changed;
        effects.events.extend(rehearsed);
        let RolloutConfig { spec, stable, provider, .. } = &self.config;
        let names = Names { rollout: &spec.name, canary: &provider.name, stable: &stable.name };
        if canary_changed {
            effects.alerts.extend(self.availability.canary_alert(names, now));
        }
        if stable_changed {
            effects.alerts.extend(self.availability.stable_alert(self.collector.stable_waits(), names, now));
        }
        if self.checkpoint.is_due(index, now.mono) && self.committed.proposed().is_none() {
            self.committed.set_pauses(self.collector.pauses_to_keep(now.mono));
            if self.checkpoint.has_changed(&self.config.canary, self.committed.state()) {
                effects.state = Some(self.state().clone());
            }
        }
        effects
    }

    /// The probes to start now. Each counts as started.
    pub(in crate::control::engine) fn due_probes(&mut self, context: &ProcessContext, now: Now) -> Vec<Probe> {
        let (state, auto) = (self.state(), self.config.canary.percent == Intent::Auto);
        let begins = state.phase == Phase::Probing && auto && state.lock.is_none() && self.blocked.is_none();
        let asks = needs_stable_probe(&self.view(context), state);
        let wanted = [(begins, Arm::Canary, &self.config.provider), (asks, Arm::Stable, &self.config.stable)];
        let mut due = Vec::new();
        for (wanted, arm, provider) in wanted {
            if wanted && self.collector.start_probe(arm, now.mono) {
                let (rollout, epoch) = (self.identity.clone(), self.committed.state().epoch);
                due.push(Probe { rollout, arm, epoch, provider: Arc::clone(provider) });
            }
        }
        due
    }

    /// When the forecast was made, if it is due for a refresh.
    pub(in crate::control::engine) fn forecast_due(&self, now: Now) -> Option<Option<Millis>> {
        self.forecast.due(self.committed.state(), self.collector.traffic_rate(), now.mono)
    }

    /// Computes how soon faults would be detected.
    pub(in crate::control::engine) fn refresh_forecast(&mut self, now: Now) {
        let (canary, state) = (&self.config.canary, self.committed.state());
        self.forecast.refresh(canary, state, self.collector.traffic_rate(), now.mono);
    }
}
