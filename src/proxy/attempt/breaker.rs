//! What an attempt means for the breakers of its provider.
//!
//! Owns which breaker it is reported to. A rollout's stable: only failures to connect, since any other failure may be
//! caused by one user. All others: failures in a row, with the user or the source of the request. A rollout's canary:
//! only requests that the split sent there, since what stable could not answer is no test of the canary. Decides
//! nothing about when a breaker opens. Invariant: a request that no other candidate could have answered has no provider
//! passed over for others.

use crate::clock;
use crate::decide::breaker::{AttemptSignal, Caller};
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::units::ProviderId;
use crate::proxy::request::scope::Scope;
use crate::state::provider::ProbeToken;

/// Reports how an attempt ended. `unreached`: whether the provider is unreachable, whatever the request is; `probe`:
/// the ticket of an attempt that is the breaker's probe.
pub(super) fn attempt_ended(
    scope: &Scope,
    provider: ProviderId,
    outcome: Outcome,
    unreached: bool,
    probe: &mut Option<ProbeToken>,
) {
    let in_use = &scope.in_use;
    let state = in_use.snapshot.provider(provider);
    let verdict = match outcome.judged_by_breaker() {
        Judged::Success if state.is_healthy() => return,
        Judged::Success => AttemptSignal::Success,
        Judged::Failure => AttemptSignal::Failure,
        Judged::NotCounted => AttemptSignal::None,
    };
    let rule = in_use.snapshot.policy.provider(provider).breaker.as_ref();
    match scope.rollout() {
        Some(rollout) if rollout.moves_from(provider) => {
            if unreached {
                state.record_connect_failure(rule, clock::now());
            }
        }
        Some(rollout)
            if rollout.moves_to(provider) && !(scope.plan.counted && scope.is_chosen(provider)) && probe.is_none() => {}
        None if probe.is_none() => {}
        _ => {
            let canary = in_use.prepared.provider(provider).is_canary.then(|| caller(scope, unreached));
            state.end_attempt(rule, canary, probe.take(), verdict, clock::now());
        }
    }
}

/// The user or source of the request. A connection that cannot be made is caused by neither.
fn caller(scope: &Scope, unreached: bool) -> Caller {
    match scope.in_force() {
        Some(_) if unreached => Caller::UNKNOWN,
        Some(in_force) if in_force.several_sources => Caller::source(scope.plan.source),
        _ => scope.plan.slot.map_or(Caller::UNKNOWN, Caller::user),
    }
}
