//! The other providers that may answer a request, in order, when the provider that the split chose fails.
//!
//! A failure overrides the sticky choice for one request and does not move the user. There are limits: no request goes
//! to a canary that is closed to users; embeddings of two models are never mixed; nobody else has what a request names
//! of one provider's state; a provider that cannot be used, or that does not have the model, is left out. Invariants:
//! the chosen provider is never in the list, and no provider is in it twice.

use super::policy::{Fallback, Policy, Rollout, Unmapped};
use super::route::{Plan, RouteReason, RouteShare};
use super::units::{Percent, ProviderId};
use crate::wire::dialect::Dialect;

/// The longest list that flags.yaml may name.
pub const LONGEST_FALLBACK_LIST: usize = 8;

/// Other providers, the next one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallbackCandidates {
    list: [ProviderId; LONGEST_FALLBACK_LIST],
    length: u8,
    at: u8,
}

impl FallbackCandidates {
    /// No other provider.
    pub const NONE: FallbackCandidates =
        FallbackCandidates { list: [ProviderId(0); LONGEST_FALLBACK_LIST], length: 0, at: 0 };

    fn add(&mut self, id: ProviderId) {
        let length = usize::from(self.length);
        if length < LONGEST_FALLBACK_LIST && !self.list[..length].contains(&id) {
            self.list[length] = id;
            self.length += 1;
        }
    }

    /// The same without this provider.
    #[must_use]
    pub fn without(self, id: ProviderId) -> FallbackCandidates {
        let mut others = FallbackCandidates::NONE;
        self.filter(|other| *other != id).for_each(|other| others.add(other));
        others
    }

    /// Whether no provider is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at >= self.length
    }

    /// Whether this provider is still to come.
    #[must_use]
    pub fn has(&self, id: ProviderId) -> bool {
        self.list[usize::from(self.at)..usize::from(self.length)].contains(&id)
    }
}

impl Iterator for FallbackCandidates {
    type Item = ProviderId;

    fn next(&mut self) -> Option<ProviderId> {
        let next = (!self.is_empty()).then(|| self.list[usize::from(self.at)]);
        self.at += u8::from(next.is_some());
        next
    }
}

/// Who else may answer a planned request. `model` as the application wrote it.
#[must_use]
pub fn fallback_candidates(
    policy: &Policy,
    plan: &Plan,
    share: Option<RouteShare>,
    path: &str,
    model: Option<&str>,
) -> FallbackCandidates {
    let mut others = FallbackCandidates::NONE;
    let Some(rollout) = plan.rollout.and_then(|id| policy.rollouts.get(usize::from(id.0))) else { return others };
    if plan.bound.is_bound() || rollout.fallback == Fallback::Nobody || Dialect::of(path) == Dialect::Embeddings {
        return others;
    }
    let canary = rollout.canary.as_ref().map(|canary| canary.provider);
    // What could not be read cannot be put into the canary's words either.
    let closed = share.is_none_or(|share| share.buckets_only || share.percent == Percent::ZERO)
        || plan.reason == RouteReason::Unheld;
    // That Serin cannot ask stable is no reason to send its users to the canary.
    let closed = closed || (plan.provider == rollout.stable && policy.provider(rollout.stable).unusable.is_some());
    let mut consider = |id: ProviderId| {
        let is_closed = canary == Some(id) && closed;
        let is_usable = policy.provider(id).unusable.is_none();
        if id != plan.provider && !is_closed && is_usable && knows(policy, rollout, id, model) {
            others.add(id);
        }
    };
    match &rollout.fallback {
        Fallback::Nobody => {}
        Fallback::OtherArm => canary.into_iter().chain([rollout.stable]).for_each(&mut consider),
        Fallback::List(list) => list.iter().copied().for_each(&mut consider),
    }
    others
}

/// Whether a provider has a name for the model, or passes names through. Stable is asked whatever the model is.
fn knows(policy: &Policy, rollout: &Rollout, id: ProviderId, model: Option<&str>) -> bool {
    let provider = policy.provider(id);
    id == rollout.stable
        || provider.unmapped == Unmapped::Pass
        || provider.models.is_empty()
        || model.is_some_and(|model| provider.models.contains_key(model))
}

#[cfg(test)]
mod tests;
