//! Applies an accepted policy: gives each of its rollouts the state, evidence and locks that are known of it.
//!
//! A rollout is the same as long as its [`Identity`] is; its providers may be renamed. Its state is kept while the file
//! does not have it. An operator's lock belongs to the name: if the providers under a locked name change, the new
//! rollout is locked as well. [`KeptByName`] is kept by name, too. Rejects nothing: the policy was checked before.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dispatch::Engine;
use super::entry::{Entry, KeptByName};
use super::input::Input;
use super::rollout::{Rollout, RolloutConfig};
use crate::control::evidence::recent_traffic::RecentTraffic;
use crate::control::evidence::stable_health::StableHealth;
use crate::control::evidence::stable_times::StableTimes;
use crate::control::now::Now;
use crate::decide::event::Actor;
use crate::decide::policy::{self, Intent, Policy};
use crate::decide::rollout::identity::identity;
use crate::decide::rollout::rules_fingerprint::rules_fingerprint;
use crate::decide::rollout::state::{Identity, Lock, Pause, RolloutState};
use crate::describe::in_force::forgotten;
use crate::state::retry_budget::RetryBudget;

/// What is known from the previous policy.
#[derive(Default)]
struct Previous {
    rollouts: BTreeMap<Identity, Rollout>,
    locks: BTreeMap<String, Lock>,
    by_name: BTreeMap<String, KeptByName>,
}

impl Engine {
    /// Puts the policy in force. `state_lost`: the earlier state could not be read, so a rollout without a kept state
    /// is not new.
    pub(super) fn apply_policy(&mut self, policy: Arc<Policy>, state_lost: bool, now: Now) {
        (0..self.entries.len()).for_each(|index| drop(self.apply(index, Input::Withdraw, now)));
        self.notifier.set_targets(&policy, &mut self.outbox.notifications);
        self.shared.state_ids.set_most(policy.limits.state_ids);
        let mut previous = Previous::default();
        for Entry { spec, by_name, rollout, .. } in self.entries.drain(..) {
            previous.by_name.insert(spec.name.clone(), by_name);
            let Some(rollout) = rollout else { continue };
            if let Some(lock) = &rollout.state().lock {
                previous.locks.insert(spec.name.clone(), lock.clone());
            }
            previous.rollouts.insert(rollout.identity().clone(), rollout);
        }
        let mut fresh = Vec::new();
        for spec in &policy.rollouts {
            let entry = self.entry(&policy, spec, &mut previous, state_lost, now);
            // The file may have been edited while no process ran.
            let judged_by = entry.rollout.as_ref().and_then(|rollout| rollout.state().judged_by);
            let terms = spec.canary.as_ref().map(|canary| rules_fingerprint(&canary.guard, &canary.ramp));
            fresh.push(judged_by.is_some() && judged_by != terms);
            self.entries.push(entry);
        }
        let gone = previous.rollouts.into_values();
        self.absent.extend(gone.map(Rollout::into_identity_and_state));
        let unsplit = policy.providers.iter().map(|provider| self.series.of("none", "none", &provider.name));
        self.unsplit = unsplit.collect();
        self.providers.retain(&policy, now);
        self.retirements.look_soon();
        self.keys.retain(&policy, now);
        self.context.rollouts = self.entries.len();
        self.policy = policy;
        for (index, fresh) in fresh.into_iter().enumerate() {
            self.apply(index, Input::PolicyChanged { fresh }, now);
            self.apply_lock_file(index, now);
        }
    }

    fn entry(
        &mut self,
        policy: &Policy,
        spec: &Arc<policy::Rollout>,
        previous: &mut Previous,
        state_lost: bool,
        now: Now,
    ) -> Entry {
        let stable = Arc::clone(policy.provider(spec.stable));
        let series = Entry::series(policy, spec, &mut self.series);
        let rollout = spec.canary.clone().map(|canary| {
            let identity = identity(policy, spec, &canary);
            let config = RolloutConfig {
                spec: Arc::clone(spec),
                provider: Arc::clone(policy.provider(canary.provider)),
                canary,
                stable: Arc::clone(&stable),
                series: series.clone(),
            };
            match previous.rollouts.remove(&identity) {
                Some(rollout) => rollout.with_config(config),
                None => {
                    let kept = self.absent.remove(&identity);
                    let state = initial_state(kept, &config, previous.locks.get(&spec.name), state_lost, now);
                    Rollout::new(identity, config, state, &self.context, now)
                }
            }
        });
        let by_name = previous.by_name.remove(&spec.name).unwrap_or_else(|| KeptByName {
            retry: Arc::new(RetryBudget::full(self.shared.cores())),
            recent: RecentTraffic::start(&spec.name, &self.series, now.mono),
            stable_health: StableHealth::default(),
            stable_times: StableTimes::default(),
            verdicts: Default::default(),
        });
        Entry { spec: Arc::clone(spec), stable, series, by_name, rollout }
    }
}

/// The state of a rollout that the previous policy did not have.
fn initial_state(
    kept: Option<RolloutState>,
    config: &RolloutConfig,
    lock: Option<&Lock>,
    state_lost: bool,
    now: Now,
) -> RolloutState {
    let is_lost = state_lost && kept.is_none() && config.canary.percent == Intent::Auto;
    let mut state = kept.unwrap_or_else(|| RolloutState::new(config.canary.attempt, now.unix));
    // There is no evidence from the time in between.
    state.analysis.skip_gap();
    if is_lost {
        state.paused = Some(state_lost_pause(now));
    }
    if state.lock.is_none() {
        state.lock = lock.cloned();
    }
    state
}

fn state_lost_pause(now: Now) -> Pause {
    let reason = forgotten();
    let (rules, found) = (Vec::new(), Vec::new());
    Pause { at: now.unix, actor: Actor::Serin.into(), reason, regression: false, rules, found }
}
