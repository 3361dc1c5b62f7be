//! A policy that was accepted meets what is known: which rollouts go on, which begin, and with what.
//!
//! A rollout is the same over any edit that keeps its [`Identity`]; providers may be renamed. Its state stays known
//! while the file does not have it. A human's lock holds the rollout's name: another pair of providers under a locked
//! name stays locked. What is left to spend on repeats goes by the name as well ([`Named`]). Refuses nothing: that was done.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dispatch::Engine;
use super::entry::{Named, Tracked};
use super::identity::identity;
use super::rollout::{Asked, Input, Rollout};
use crate::control::evidence::recent_traffic::Recent;
use crate::control::evidence::stable_health::Serving;
use crate::control::now::Now;
use crate::decide::event::Actor;
use crate::decide::policy::{self, Intent, Policy};
use crate::decide::rollout::state::{Identity, Lock, Pause, RolloutState};
use crate::decide::rollout::terms::terms;
use crate::describe::in_force::forgotten;
use crate::state::retry_budget::RetryBudget;

/// What is known from the file before.
#[derive(Default)]
struct Before {
    rollouts: BTreeMap<Identity, Rollout>,
    locks: BTreeMap<String, Lock>,
    named: BTreeMap<String, Named>,
}

impl Engine {
    /// Gives every rollout of the policy its state. `state_lost`: those that have none are not new but forgotten.
    pub(in crate::control) fn adopt(&mut self, policy: Arc<Policy>, state_lost: bool, now: Now) {
        (0..self.rollouts.len()).for_each(|place| drop(self.take(place, Input::Withdraw, now)));
        let mut before = Before::default();
        for Tracked { rollout, named, moving, .. } in self.rollouts.drain(..) {
            before.named.insert(rollout.name.clone(), named);
            let Some(moving) = moving else { continue };
            if let Some(lock) = &moving.state().lock {
                before.locks.insert(rollout.name.clone(), lock.clone());
            }
            before.rollouts.insert(moving.identity().clone(), moving);
        }
        let mut fresh = Vec::new();
        for rollout in &policy.rollouts {
            let tracked = self.tracked(&policy, rollout, &mut before, state_lost, now);
            // The file may have been edited while no process ran.
            let judged_by = tracked.moving.as_ref().and_then(|moving| moving.state().judged_by);
            let terms = rollout.canary.as_ref().map(|canary| terms(&canary.guard, &canary.ramp));
            fresh.push(judged_by.is_some() && judged_by != terms);
            self.rollouts.push(tracked);
        }
        let gone = before.rollouts.into_iter();
        self.elsewhere.extend(gone.map(|(_, moving)| moving.into_kept()));
        let unsplit = policy.providers.iter().map(|provider| self.series.of("none", "none", &provider.name));
        self.unsplit = unsplit.collect();
        self.providers.keep(&policy);
        self.context.rollouts = self.rollouts.len();
        self.policy = policy;
        for (place, fresh) in fresh.into_iter().enumerate() {
            self.take(place, Input::PolicyChanged { fresh }, now);
            self.apply_lock_file(place, now);
        }
    }

    fn tracked(
        &mut self,
        policy: &Policy,
        rollout: &Arc<policy::Rollout>,
        before: &mut Before,
        state_lost: bool,
        now: Now,
    ) -> Tracked {
        let stable = Arc::clone(policy.provider(rollout.stable));
        let series = Tracked::series(policy, rollout, &mut self.series);
        let moving = rollout.canary.clone().map(|canary| {
            let identity = identity(policy, rollout, &canary);
            let asked = Asked {
                rollout: Arc::clone(rollout),
                provider: Arc::clone(policy.provider(canary.provider)),
                canary,
                stable: Arc::clone(&stable),
                series: series.clone(),
            };
            match before.rollouts.remove(&identity) {
                Some(moving) => moving.under(asked),
                None => {
                    let kept = self.elsewhere.remove(&identity);
                    let state = begun(kept, &asked, before.locks.get(&rollout.name), state_lost, now);
                    Rollout::new(identity, asked, state, &self.context, now)
                }
            }
        });
        let named = before.named.remove(&rollout.name).unwrap_or_else(|| Named {
            retry: Arc::new(RetryBudget::full(self.shared.cores())),
            recent: Recent::begin(&rollout.name, &self.series, now.mono),
            serving: Serving::default(),
        });
        Tracked { rollout: Arc::clone(rollout), stable, series, named, moving }
    }
}

// With what a rollout begins that the file did not have before.
fn begun(kept: Option<RolloutState>, asked: &Asked, lock: Option<&Lock>, state_lost: bool, now: Now) -> RolloutState {
    let forgotten = state_lost && kept.is_none() && asked.canary.percent == Intent::Auto;
    let mut state = kept.unwrap_or_else(|| RolloutState::new(asked.canary.attempt, now.unix));
    // Nobody watched meanwhile.
    state.judge.skip_time();
    if forgotten {
        state.paused = Some(forgotten_pause(now));
    }
    if state.lock.is_none() {
        state.lock = lock.cloned();
    }
    state
}

fn forgotten_pause(now: Now) -> Pause {
    let reason = forgotten();
    let (rules, found) = (Vec::new(), Vec::new());
    Pause { at: now.unix, actor: Actor::Serin.into(), reason, regression: false, rules, found }
}
