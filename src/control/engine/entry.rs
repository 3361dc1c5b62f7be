//! One rollout or plain route of the file: who serves it, how it is counted, and, where it has a canary, what moves.
//!
//! What belongs to the name and not to the pair of providers is kept over reloads by it: what is left to spend on repeats,
//! the traffic of the last minutes, and whether stable answers. Decides nothing.

use std::sync::Arc;

use super::context::Context;
use super::rollout::Rollout;
use crate::control::evidence::recent_traffic::Recent;
use crate::control::evidence::stable_health::Serving;
use crate::control::series::Registry;
use crate::decide::policy::{self, Policy, Provider};
use crate::decide::stable_fault::StableFault;
use crate::decide::units::{Arm, Percent};
use crate::state::evidence::Evidence;
use crate::state::retry_budget::RetryBudget;
use crate::state::series_table::SeriesTable;
use crate::state::snapshot::InForce;

/// One rollout or plain route of the file.
#[derive(Debug)]
pub(in crate::control) struct Tracked {
    pub(in crate::control) rollout: Arc<policy::Rollout>,
    pub(in crate::control) stable: Arc<Provider>,
    pub(in crate::control) series: SeriesTable,
    pub(in crate::control) named: Named,
    pub(in crate::control) moving: Option<Rollout>,
}

/// What goes by the name.
#[derive(Debug)]
pub(in crate::control) struct Named {
    pub(in crate::control) retry: Arc<RetryBudget>,
    pub(in crate::control) recent: Recent,
    pub(in crate::control) serving: Serving,
}

impl Tracked {
    /// The counts of this rollout's requests.
    pub(in crate::control) fn series(
        policy: &Policy,
        rollout: &policy::Rollout,
        registry: &mut Registry,
    ) -> SeriesTable {
        SeriesTable::new(rollout, |arm, provider| {
            registry.of(&rollout.name, arm.as_str(), &policy.provider(provider).name)
        })
    }

    /// Requests at the canary now, whichever arm's they are.
    pub(in crate::control) fn open_on_canary(&self) -> u64 {
        self.rollout.canary.as_ref().map_or(0, |canary| self.series.in_flight_at(canary.provider))
    }

    /// What the data plane is to do. `idle`: where a plain route is counted for nobody.
    pub(in crate::control) fn in_force(&self, context: &Context, idle: &Arc<Evidence>) -> InForce {
        let moving = self.moving.as_ref();
        let ruling = moving.map(|moving| moving.ruling(context));
        InForce {
            percent: ruling.map_or(Percent::ZERO, |ruling| ruling.percent),
            closed: ruling.is_none_or(|ruling| ruling.closed),
            diverts: moving.is_none_or(|moving| !moving.is_canary_dead()),
            several_sources: moving.is_some_and(|moving| moving.observer().has_several_sources()),
            evidence: Arc::clone(moving.map_or(idle, |moving| moving.observer().evidence())),
            series: self.series.clone(),
            retry: Arc::clone(&self.named.retry),
        }
    }

    /// Looks at what became of requests at stable since the last time.
    pub(in crate::control) fn watch_serving(&mut self) {
        self.named.serving.look(&self.rollout.name, &self.stable, self.series.own(Arm::Stable));
    }

    /// Why users of stable are not served, as far as that is known and there are any.
    pub(in crate::control) fn stable_fault(&self, on_canary: Percent) -> Option<StableFault> {
        if on_canary == Percent::ALL {
            return None;
        }
        let provider = self.stable.name.clone();
        let unusable = self.stable.unusable.clone().map(|why| StableFault::Unusable { provider, why });
        unusable.or_else(|| self.named.serving.fault().cloned())
    }
}
