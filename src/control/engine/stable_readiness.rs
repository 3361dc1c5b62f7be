//! Whether each rollout's stable could take everybody back: looked at each second.
//!
//! Gathers what [`rollback_ready`] decides from: keys, limits, traffic, and when stable last answered. A stable that no
//! request reaches while users are on the canary is asked by a probe now and then, so that a key which was revoked
//! meanwhile is known before a rollback needs it. Moves nobody. Invariant: at most one probe of a stable is under way.

use std::sync::Arc;

use super::dispatch::Engine;
use super::entry::Entry;
use super::providers::identity;
use super::stable_watch::WatchedStable;
use crate::control::now::Now;
use crate::decide::plan::fits::{Fit, fits};
use crate::decide::policy::{Policy, Provider};
use crate::decide::rollback_ready::{Allowed, Demand, KeyCounts, StableReadiness, obstacles};
use crate::decide::units::{Arm, Millis, Percent};
use crate::state::status::{KeyCondition, KeyStatus};

/// Traffic of a shorter time says too little of a minute.
const LEAST_TIME: Millis = Millis(10_000);

/// A probe of a stable that no request reaches.
#[derive(Debug)]
pub struct StableCheck {
    pub provider: Arc<Provider>,
}

impl Engine {
    /// Looks at every stable, if it is time.
    pub(super) fn watch_stables(&mut self, now: Now) {
        let Some((passed, wants_headers)) = self.stable_watch.look(now.mono) else { return };
        if wants_headers {
            self.want_headers();
        }
        for entry in &mut self.entries {
            entry.by_name.stable_times.update(entry.series.own(Arm::Stable), now.mono);
        }
        let needed = self.entries.iter().filter(|entry| has_users_on_canary(entry));
        let needed: Vec<_> = needed.map(|entry| (identity(&entry.stable), self.served(&entry.stable))).collect();
        self.stable_watch.retain(needed.into_iter(), passed);
        for index in 0..self.entries.len() {
            if self.entries[index].rollout.is_some() {
                let found = obstacles(&self.readiness(&self.entries[index], now));
                if let Some(rollout) = &mut self.entries[index].rollout {
                    rollout.set_not_ready(found, now.mono);
                }
            }
        }
    }

    fn want_headers(&self) {
        let rollouts = self.entries.iter().filter_map(|entry| Some((entry, entry.rollout.as_ref()?)));
        for provider in rollouts.flat_map(|(entry, rollout)| [&entry.stable, &rollout.config().provider]) {
            if let Some(state) = self.providers.state(&identity(provider)) {
                state.told_limits.want();
            }
        }
    }

    fn readiness(&self, entry: &Entry, now: Now) -> StableReadiness {
        let stable = &entry.stable;
        let same = || self.entries.iter().filter(|other| identity(&other.stable) == identity(stable));
        let keys = self.keys.report(stable, now);
        let watched = self.stable_watch.of(&identity(stable));
        let fault = same().any(|other| other.by_name.stable_health.fault().is_some());
        let (_, shut) = self.providers.bypassed(stable, now.mono);
        StableReadiness {
            down: shut || fault || watched.is_some_and(WatchedStable::failed) || stable.unusable.is_some(),
            keys: counts(&keys),
            throttled: same().map(throttled).fold((0, 0), |sum, other| (sum.0 + other.0, sum.1 + other.1)),
            demand: same().fold(Demand::default(), |sum, other| sum.plus(demand(other))),
            allowed: self.allowed(stable, &keys),
            silent: watched.map(WatchedStable::silent),
            first_outputs: entry.by_name.stable_times.first_outputs(),
        }
    }

    /// When a stable last answered a request, of whichever rollout.
    fn served(&self, stable: &Provider) -> Option<Millis> {
        let same = self.entries.iter().filter(|other| identity(&other.stable) == identity(stable));
        same.filter_map(|other| other.by_name.stable_health.answered()).max()
    }

    fn allowed(&self, provider: &Provider, keys: &[KeyStatus]) -> Allowed {
        let told = self.told(provider);
        Allowed::of(provider.rate_limit.as_ref(), told, usable_accounts(keys))
    }

    fn told(&self, provider: &Provider) -> [Option<u64>; 2] {
        self.providers.state(&identity(provider)).map_or([None; 2], |state| state.told_limits.per_minute())
    }

    /// What part of the traffic fits into the limits of the canaries, as a policy has them.
    pub(super) fn fits(&self, policy: &Policy, now: Now) -> Vec<Fit> {
        let sent = |name: &str| {
            let entry = self.entries.iter().find(|entry| entry.spec.name == name);
            entry.map_or_else(Demand::default, demand)
        };
        let told = |provider: &Provider| {
            let accounts = usable_accounts(&self.keys.report(provider, now)).max(1);
            self.told(provider).map(|most| most.map(|most| most.saturating_mul(accounts)))
        };
        fits(policy, sent, told)
    }

    /// The probes of stables to start now. Each counts as started.
    pub fn due_stable_checks(&mut self, now: Now) -> Vec<StableCheck> {
        let mut due = Vec::new();
        for index in 0..self.entries.len() {
            let stable = Arc::clone(&self.entries[index].stable);
            if self.stable_watch.begin_check(&identity(&stable), now.mono) {
                due.push(StableCheck { provider: stable });
            }
        }
        due
    }

    /// A probe of a stable has ended.
    pub fn stable_checked(&mut self, check: &StableCheck, result: &Result<(), String>) {
        self.stable_watch.end_check(&identity(&check.provider), result.is_ok());
        if let Err(why) = result {
            tracing::debug!(provider = check.provider.name, "stable does not answer a probe: {why}");
        }
    }
}

fn has_users_on_canary(entry: &Entry) -> bool {
    entry.rollout.as_ref().is_some_and(|rollout| rollout.state().in_force > Percent::ZERO)
}

/// What a rollout sends, to either arm.
fn demand(entry: &Entry) -> Demand {
    let (length, arms) = entry.by_name.recent.counts();
    let known = length >= LEAST_TIME;
    let a_minute = |count: u64| known.then(|| count.saturating_mul(60_000) / length.0);
    let tokens = arms.iter().map(|arm| arm.tokens).sum();
    Demand {
        requests: a_minute(arms.iter().map(|arm| arm.requests).sum()),
        tokens: a_minute(tokens).filter(|_| tokens > 0),
        in_flight: [Arm::Stable, Arm::Canary].map(|arm| entry.series.own(arm).in_flight()).into_iter().sum(),
    }
}

/// Requests of stable's arm in the last minutes, and those answered with 429.
fn throttled(entry: &Entry) -> (u64, u64) {
    let (_, [stable, _]) = entry.by_name.recent.counts();
    (stable.requests, stable.throttled)
}

/// A key that rests for a model is as good as any other: limits are looked at by themselves.
const fn is_usable(key: &KeyStatus) -> bool {
    matches!(key.condition, KeyCondition::Usable | KeyCondition::Throttled { .. })
}

fn counts(keys: &[KeyStatus]) -> KeyCounts {
    let spent = |key: &&KeyStatus| matches!(key.condition, KeyCondition::Spent { .. });
    let refused = |key: &&KeyStatus| matches!(key.condition, KeyCondition::Refused { .. });
    KeyCounts {
        usable: keys.iter().filter(|key| is_usable(key)).count(),
        resting: keys.iter().filter(spent).count(),
        refused: keys.iter().filter(refused).count(),
    }
}

/// How many accounts a provider's usable keys are of.
fn usable_accounts(keys: &[KeyStatus]) -> u64 {
    let usable = || keys.iter().filter(|key| is_usable(key));
    let mut named: Vec<&String> = usable().filter_map(|key| key.account.as_ref()).collect();
    named.sort_unstable();
    named.dedup();
    (named.len() + usable().filter(|key| key.account.is_none()).count()) as u64
}
