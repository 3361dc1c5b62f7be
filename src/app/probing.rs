//! Asking all providers of a file, for `serin check --probe`: whether each lives, and whether each canary speaks what
//! its stable does.
//!
//! Works from the policy alone, with nothing running. Asks and reports; which answer is a failure is for whoever
//! prints it. Every question is asked once, whatever number of rollouts raise it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use crate::decide::policy::{Policy, Provider, Rollout};
use crate::decide::units::ProviderId;
use crate::proxy::{self, Reply};
use crate::wire::dialect::Dialect;

/// Questions that are open at one time.
const AT_ONCE: usize = 16;

/// What asking showed.
#[derive(Clone, Debug, Default)]
pub struct ProbeResults {
    /// Each provider's name, and how it answered or why it did not.
    pub providers: Vec<(String, Result<String, String>)>,
    /// What both arms of each rollout made of each endpoint that it splits.
    pub endpoints: Vec<ComparedEndpoint>,
}

/// What both arms of a rollout made of an empty request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedEndpoint {
    /// Where the rollout stands in the policy.
    pub rollout: usize,
    /// `chat/completions`.
    pub endpoint: String,
    /// What the old provider answered.
    pub stable: Reply,
    /// What the new one answered.
    pub canary: Reply,
}

/// A request that may be asked by several rollouts: whom, for which endpoint, in the name of which model.
type EndpointProbe = (ProviderId, String, Option<String>);

/// Asks every provider once whether it lives, as the control loop does before a ramp begins, and both arms of each
/// rollout whether they speak what it splits.
#[must_use]
pub fn probe_all(policy: &Policy) -> ProbeResults {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = || Err(format!("no probe can be sent: {error}"));
            let providers = policy.providers.iter().map(|provider| (provider.name.clone(), why())).collect();
            return ProbeResults { providers, endpoints: Vec::new() };
        }
    };
    let ask = |(index, provider): (usize, &Arc<Provider>)| {
        let (asked, egress) = (Arc::clone(provider), policy.egress.clone());
        let answer = if key_passes(policy, index) {
            LocalSet::new().block_on(&runtime, proxy::probe_without_key(asked, egress))
        } else {
            LocalSet::new().block_on(&runtime, proxy::probe(asked, egress))
        };
        (provider.name.clone(), answer)
    };
    let providers = policy.providers.iter().enumerate().map(ask).collect();
    ProbeResults { providers, endpoints: endpoints(policy, &runtime) }
}

/// Whether the application's own key reaches this provider: as a stable, and as nobody's canary.
fn key_passes(policy: &Policy, index: usize) -> bool {
    let is = |id: ProviderId| usize::from(id.0) == index;
    let stable =
        policy.rollouts.iter().any(|rollout| is(rollout.stable)) || policy.unmatched.provider().is_some_and(is);
    stable && !policy.rollouts.iter().filter_map(|rollout| rollout.canary.as_ref()).any(|canary| is(canary.provider))
}

fn endpoints(policy: &Policy, runtime: &Runtime) -> Vec<ComparedEndpoint> {
    let mut replies: BTreeMap<EndpointProbe, Reply> = BTreeMap::new();
    for (_, _, stable, canary) in pairs(policy) {
        for question in [stable, canary] {
            replies.entry(question).or_insert_with(|| Reply::Unclear("no probe was sent".to_owned()));
        }
    }
    LocalSet::new().block_on(runtime, async {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let asked: Vec<_> = replies
            .iter_mut()
            .map(|((id, endpoint, model), reply)| {
                let provider = Arc::clone(policy.provider(*id));
                let probe = proxy::probe_endpoint(provider, policy.egress.clone(), endpoint.clone(), model.clone());
                let turns = Arc::clone(&turns);
                let asking = async move {
                    let _turn = turns.acquire().await;
                    probe.await
                };
                (reply, tokio::task::spawn_local(asking))
            })
            .collect();
        for (reply, asking) in asked {
            if let Ok(answer) = asking.await {
                *reply = answer;
            }
        }
    });
    let reply = |question: &EndpointProbe| {
        replies.get(question).cloned().unwrap_or_else(|| Reply::Unclear("no probe was sent".to_owned()))
    };
    pairs(policy)
        .map(|(rollout, endpoint, stable, canary)| ComparedEndpoint {
            rollout,
            endpoint,
            stable: reply(&stable),
            canary: reply(&canary),
        })
        .collect()
}

/// Both questions for each endpoint that a rollout splits by name. A pattern of paths names none.
fn pairs(policy: &Policy) -> impl Iterator<Item = (usize, String, EndpointProbe, EndpointProbe)> {
    policy.rollouts.iter().enumerate().flat_map(move |(index, rollout)| {
        let named = if rollout.matches.path.is_none() { rollout.matches.endpoints.as_slice() } else { &[] };
        let generating = named.iter().filter(|endpoint| Dialect::of(&format!("/{endpoint}")).generates());
        rollout.canary.iter().flat_map(move |canary| {
            let question = move |id: ProviderId, endpoint: &String| (id, endpoint.clone(), model(policy, rollout, id));
            generating.clone().map(move |endpoint| {
                let (stable, canary) = (question(rollout.stable, endpoint), question(canary.provider, endpoint));
                (index, endpoint.clone(), stable, canary)
            })
        })
    })
}

/// What this provider calls some model of this rollout, where its `path` cannot do without.
fn model(policy: &Policy, rollout: &Rollout, id: ProviderId) -> Option<String> {
    let provider = policy.provider(id);
    provider.path.as_ref()?;
    let arms = [rollout.canary.as_ref().map(|canary| canary.provider), Some(rollout.stable)];
    let matched = rollout.matches.model.iter().map(|pattern| &pattern.0).filter(|name| !name.contains('*'));
    let known = arms.into_iter().flatten().flat_map(|arm| policy.provider(arm).models.keys());
    let written = matched.chain(known).next()?;
    Some(provider.models.get(written).unwrap_or(written).clone())
}

#[cfg(test)]
mod tests;
