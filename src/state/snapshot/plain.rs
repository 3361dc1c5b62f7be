//! Snapshots of a policy, as control would publish them where nothing has happened yet.
//!
//! Owns the one literal of [`Snapshot`] and [`RolloutInForce`] that tests are made from. Every rollout is at the same
//! share, and closed at 0; every provider is unknown; nothing has been counted. A test changes what it is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{RolloutInForce, Snapshot};
use crate::decide::policy::{Counting, Policy, Provider};
use crate::decide::units::Percent;
use crate::state::counters::{Series, SeriesLabels};
use crate::state::evidence::Evidence;
use crate::state::keys::{AccountState, KeyRing, RingKey};
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
        state_moved: false,
        looks_up: true,
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
        copies: None,
    });
    let unknown = |name: &String| Arc::new(ProviderState::new(name.clone()));
    Snapshot {
        revision,
        generation: 7,
        rollouts: rollouts.collect(),
        unsplit: policy.providers.iter().map(|provider| series("none", "none", &provider.name)).collect(),
        providers: policy.providers.iter().map(|provider| unknown(&provider.name)).collect(),
        keys: policy.providers.iter().map(|provider| Arc::new(ring(provider))).collect(),
        policy: Arc::new(policy),
        draining: false,
    }
}

/// Keys of which nothing is known, in the accounts of the file.
pub(crate) fn ring(provider: &Provider) -> KeyRing {
    let mut named: BTreeMap<&str, Arc<AccountState>> = BTreeMap::new();
    KeyRing::new((0..provider.api_keys.len()).map(|key| {
        let account = provider.keys.account(key).map(|name| Arc::clone(named.entry(name).or_default()));
        RingKey { key: Arc::default(), account: account.unwrap_or_default() }
    }))
}
