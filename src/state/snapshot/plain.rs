//! Snapshots of a policy, as control would publish them where nothing has happened yet.
//!
//! Owns the one literal of [`Snapshot`] and [`RolloutInForce`] that tests are made from. Every rollout is at the same
//! share, and closed at 0; every provider is unknown; nothing has been counted. A test changes what it is about.

use std::sync::Arc;

use super::{RolloutInForce, Snapshot};
use crate::decide::policy::{Counting, Policy};
use crate::decide::units::Percent;
use crate::state::counters::{Series, SeriesLabels};
use crate::state::evidence::Evidence;
use crate::state::provider::ProviderState;
use crate::state::retry_budget::RetryBudget;
use crate::state::series_table::SeriesTable;

/// A snapshot of this policy at this share, for this many cores; `series` makes the counters.
pub(crate) fn snapshot(
    revision: u64,
    policy: Policy,
    percent: Percent,
    cores: usize,
    series: impl Fn(SeriesLabels) -> Arc<Series>,
) -> Snapshot {
    let series = |rollout: &str, arm, provider: &str| {
        series(SeriesLabels { rollout: rollout.to_owned(), arm, provider: provider.to_owned() })
    };
    let rollouts = policy.rollouts.iter().map(|rollout| RolloutInForce {
        percent,
        buckets_only: percent == Percent::ZERO,
        diverts: true,
        several_sources: false,
        evidence: Arc::new(Evidence::standalone(1, cores, Counting::default())),
        series: SeriesTable::new(rollout, |arm, provider| {
            series(&rollout.name, arm.as_str(), &policy.provider(provider).name)
        }),
        cuts: 0,
        retry: Arc::new(RetryBudget::full(cores)),
    });
    let unknown = |name: &String| Arc::new(ProviderState::new(name.clone()));
    Snapshot {
        revision,
        generation: 7,
        rollouts: rollouts.collect(),
        unsplit: policy.providers.iter().map(|provider| series("none", "none", &provider.name)).collect(),
        providers: policy.providers.iter().map(|provider| unknown(&provider.name)).collect(),
        policy: Arc::new(policy),
        draining: false,
    }
}
