//! One entry of `rollouts:` in the file: a rollout with a canary, or a plain route.
//!
//! What belongs to the name and not to the pair of providers survives a reload under the same name: the retry budget,
//! the recent traffic, the verdicts, and the health of stable. Decides nothing. Invariant: a plain route has no
//! [`Rollout`], and sends no one to a canary.

use std::sync::Arc;

use super::context::ProcessContext;
use super::rollout::Rollout;
use crate::control::evidence::recent_traffic::RecentTraffic;
use crate::control::evidence::stable_health::StableHealth;
use crate::control::evidence::stable_times::StableTimes;
use crate::control::series::SeriesRegistry;
use crate::decide::policy::{self, Policy, Provider};
use crate::decide::rollout::state::OverallPhase;
use crate::decide::stable_fault::StableFault;
use crate::decide::units::{Arm, Millis, Percent};
use crate::state::evidence::Evidence;
use crate::state::retry_budget::RetryBudget;
use crate::state::series_table::SeriesTable;
use crate::state::snapshot::RolloutInForce;

#[derive(Debug)]
pub(in crate::control) struct Entry {
    /// As the file has it.
    pub(in crate::control) spec: Arc<policy::Rollout>,
    pub(in crate::control) stable: Arc<Provider>,
    pub(in crate::control) series: SeriesTable,
    pub(in crate::control) by_name: KeptByName,
    /// `None`: a plain route.
    pub(in crate::control) rollout: Option<Rollout>,
}

/// What is kept over reloads under the same name.
#[derive(Debug)]
pub(in crate::control) struct KeptByName {
    pub(super) retry: Arc<RetryBudget>,
    pub(in crate::control) recent: RecentTraffic,
    pub(super) stable_health: StableHealth,
    pub(super) stable_times: StableTimes,
    /// Verdicts since the start, by arm: good ones and bad ones.
    pub(in crate::control) verdicts: [[u64; 2]; 2],
}

impl Entry {
    /// The series of each arm and provider of a rollout.
    pub(super) fn series(policy: &Policy, spec: &policy::Rollout, registry: &mut SeriesRegistry) -> SeriesTable {
        SeriesTable::new(spec, |arm, provider| registry.of(&spec.name, arm.as_str(), &policy.provider(provider).name))
    }

    /// Requests in flight at the canary's provider, of both arms.
    pub(super) fn open_on_canary(&self) -> u64 {
        self.spec.canary.as_ref().map_or(0, |canary| self.series.in_flight_at(canary.provider))
    }

    pub(super) fn websockets_on_canary(&self) -> u64 {
        self.spec.canary.as_ref().map_or(0, |canary| self.series.websockets_at(canary.provider))
    }

    /// What the data plane applies. `unused`: evidence of plain routes, which is never read.
    pub(super) fn in_force(&self, context: &ProcessContext, unused: &Arc<Evidence>) -> RolloutInForce {
        let rollout = self.rollout.as_ref();
        let effective = rollout.map(|rollout| rollout.share_in_force(context));
        RolloutInForce {
            percent: effective.map_or(Percent::ZERO, |effective| effective.percent),
            buckets_only: effective.is_none_or(|effective| effective.buckets_only),
            diverts: rollout.is_none_or(|rollout| !rollout.is_canary_dead()),
            several_sources: rollout.is_some_and(|rollout| rollout.collector().has_several_sources()),
            evidence: Arc::clone(rollout.map_or(unused, |rollout| rollout.collector().evidence())),
            series: self.series.clone(),
            state_moved: effective.is_some_and(|effective| effective.percent == Percent::ZERO)
                && rollout.is_some_and(Rollout::is_state_moved),
            looks_up: effective.is_some_and(|effective| effective.phase != OverallPhase::Blocked)
                && rollout.is_some_and(|rollout| rollout.has_had_users() || context.disk.ephemeral().is_some()),
            cuts: rollout.map_or(0, |rollout| rollout.collector().evidence().withdrawal.cuts()),
            retry: Arc::clone(&self.by_name.retry),
            copies: rollout.and_then(|rollout| rollout.copying(context)).map(Box::new),
        }
    }

    pub(super) fn update_stable_health(&mut self, now: Millis) {
        self.by_name.stable_health.update(&self.spec.name, &self.stable, self.series.own(Arm::Stable), now);
    }

    /// Why stable does not serve its users. `None`: it does, or has no users.
    pub(in crate::control) fn stable_fault(&self, on_canary: Percent) -> Option<StableFault> {
        if on_canary == Percent::ALL {
            return None;
        }
        let provider = self.stable.name.clone();
        let unusable = self.stable.unusable.clone().map(|why| StableFault::Unusable { provider, why });
        unusable.or_else(|| self.by_name.stable_health.fault().cloned())
    }
}
