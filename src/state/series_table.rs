//! The counters that an attempt of a rollout adds to, by the arm that the split chose and the provider that was used.
//!
//! Holds every possible pair: each arm at its own provider, at the other arm's, and at those of the `fallback` list.
//! There are few, so a linear search is fastest. Invariant: the first entry of an arm is its own provider's.

use std::sync::Arc;

use super::counters::Series;
use crate::decide::policy::{Fallback, Rollout};
use crate::decide::units::{Arm, ProviderId};

/// The counts of one rollout or plain route.
#[derive(Clone, Debug)]
pub struct SeriesTable(Arc<[SeriesEntry]>);

#[derive(Debug)]
struct SeriesEntry {
    arm: Arm,
    provider: ProviderId,
    series: Arc<Series>,
}

impl SeriesTable {
    /// For everybody who may answer a request of this rollout; `make` has the counts.
    pub fn new(rollout: &Rollout, mut make: impl FnMut(Arm, ProviderId) -> Arc<Series>) -> SeriesTable {
        let stable = (Arm::Stable, rollout.stable);
        let canary = rollout.canary.as_ref().map(|canary| (Arm::Canary, canary.provider));
        let own: Vec<_> = std::iter::once(stable).chain(canary).collect();
        let listed = match &rollout.fallback {
            Fallback::List(providers) => providers.as_slice(),
            Fallback::Nobody | Fallback::OtherArm => &[],
        };
        let providers: Vec<ProviderId> =
            own.iter().map(|(_, provider)| *provider).chain(listed.iter().copied()).collect();
        let others = own.iter().flat_map(|(arm, _)| providers.iter().map(|provider| (*arm, *provider)));
        let mut entries: Vec<SeriesEntry> = Vec::new();
        for (arm, provider) in own.iter().copied().chain(others) {
            if !entries.iter().any(|entry| (entry.arm, entry.provider) == (arm, provider)) {
                entries.push(SeriesEntry { arm, provider, series: make(arm, provider) });
            }
        }
        SeriesTable(entries.into())
    }

    /// The counts of this arm's requests at this provider; one that cannot answer is counted as the arm's own.
    #[must_use]
    pub fn of(&self, arm: Arm, provider: ProviderId) -> &Arc<Series> {
        let found = self.0.iter().find(|entry| (entry.arm, entry.provider) == (arm, provider));
        found.map_or_else(|| self.own(arm), |entry| &entry.series)
    }

    /// Whether any arm has counts at this provider.
    #[must_use]
    pub fn has(&self, provider: ProviderId) -> bool {
        self.0.iter().any(|entry| entry.provider == provider)
    }

    /// The counts of this arm's requests at its own provider. A plain route has one arm.
    #[must_use]
    pub fn own(&self, arm: Arm) -> &Arc<Series> {
        &self.0.iter().find(|entry| entry.arm == arm).unwrap_or(&self.0[0]).series
    }

    /// How many of an arm's requests another provider answered, by provider; providers without any are left out.
    pub fn fallbacks(&self) -> impl Iterator<Item = (Arm, &str, u64)> {
        let counted =
            self.0.iter().map(|entry| (entry.arm, entry.series.labels.provider.as_str(), entry.series.fallbacks()));
        counted.filter(|(.., requests)| *requests > 0)
    }

    /// Requests that every candidate failed and that were answered with a text of the file.
    #[must_use]
    pub fn last_resorts(&self) -> u64 {
        self.0.iter().map(|entry| entry.series.last_resorts()).sum()
    }

    /// Requests at this provider now, whichever arm's.
    #[must_use]
    pub fn in_flight_at(&self, provider: ProviderId) -> u64 {
        let there = self.0.iter().filter(|entry| entry.provider == provider);
        there.map(|entry| entry.series.in_flight()).sum()
    }

    /// WebSocket sessions that are open at this provider.
    #[must_use]
    pub fn websockets_at(&self, provider: ProviderId) -> u64 {
        let there = self.0.iter().filter(|entry| entry.provider == provider);
        there.map(|entry| entry.series.websockets().open().0 as u64).sum()
    }
}

#[cfg(test)]
mod tests;
