//! Asking both arms of each rollout for the endpoints that it splits.
//!
//! Every question is asked once, whatever number of rollouts raise it. Which answer is a failure is for whoever prints
//! it. A rollout of which one arm is not to be asked is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::progress::Steps;
use super::results::ComparedEndpoint;
use super::scope::ProbeScope;
use crate::decide::policy::{Policy, Rollout};
use crate::decide::units::ProviderId;
use crate::proxy::{self, Reply};
use crate::wire::dialect::Dialect;

/// Questions that are open at one time.
const AT_ONCE: usize = 16;

/// A request that may be asked by several rollouts: whom, for which endpoint, in the name of which model.
type EndpointProbe = (ProviderId, String, Option<String>);

/// How many questions there are.
pub(super) fn count(policy: &Policy, scope: &ProbeScope) -> usize {
    questions(policy, scope).len()
}

fn questions(policy: &Policy, scope: &ProbeScope) -> BTreeMap<EndpointProbe, Reply> {
    let both = pairs(policy, scope).flat_map(|(_, _, stable, canary)| [stable, canary]);
    both.map(|question| (question, Reply::Unclear("no probe was sent".to_owned()))).collect()
}

/// Asks all of them. Runs on a current-thread `LocalSet`.
pub(super) async fn compare(policy: &Policy, scope: &ProbeScope, mut steps: Steps) -> Vec<ComparedEndpoint> {
    let mut replies = questions(policy, scope);
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
        steps.done();
    }
    let reply = |question: &EndpointProbe| {
        replies.get(question).cloned().unwrap_or_else(|| Reply::Unclear("no probe was sent".to_owned()))
    };
    pairs(policy, scope)
        .map(|(rollout, endpoint, stable, canary)| ComparedEndpoint {
            rollout,
            endpoint,
            stable: reply(&stable),
            canary: reply(&canary),
        })
        .collect()
}

/// Both questions for each endpoint that a rollout splits by name. A pattern of paths names none.
fn pairs(policy: &Policy, scope: &ProbeScope) -> impl Iterator<Item = (usize, String, EndpointProbe, EndpointProbe)> {
    policy.rollouts.iter().enumerate().flat_map(move |(index, rollout)| {
        let named = if rollout.matches.path.is_none() { rollout.matches.endpoints.as_slice() } else { &[] };
        let generating = named.iter().filter(|endpoint| Dialect::of(&format!("/{endpoint}")).generates());
        let asked = |id: ProviderId| scope.has(id);
        let canary = rollout.canary.iter().filter(move |canary| asked(rollout.stable) && asked(canary.provider));
        canary.flat_map(move |canary| {
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
