//! What an attempt tells the breakers of its provider.
//!
//! Owns which of them hears of it: of a rollout's stable the one of failures to connect, and of nothing else, since
//! whatever else it does may be one user's doing; of everybody else the one of failures in a row, with whose request it
//! was. Of a rollout's canary only those are heard whom the split sent there: what stable could not answer is no test of
//! it. Decides nothing about when one opens. Invariant: a request that nobody else could have answered leaves no provider
//! out for others.

use crate::clock;
use crate::decide::breaker::{Caller, Verdict};
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::units::ProviderId;
use crate::proxy::request::scope::Scope;
use crate::state::provider::Ticket;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct AttemptEnd {
    /// Who was tried.
    pub(crate) provider: ProviderId,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// Whether there was no connection, for nothing that the request is.
    pub(crate) unreached: bool,
}

/// Tells it; `probe`: with the ticket of an attempt that finds out.
pub(crate) fn tell(scope: &Scope, told: &AttemptEnd, probe: &mut Option<Ticket>) {
    let AttemptEnd { provider, outcome, unreached } = *told;
    let in_use = &scope.in_use;
    let state = in_use.snapshot.provider(provider);
    let verdict = match outcome.told_to_breaker() {
        Judged::Success if state.is_well() => return,
        Judged::Success => Verdict::Success,
        Judged::Failure => Verdict::Failure,
        Judged::Not => Verdict::None,
    };
    let rule = in_use.snapshot.policy.provider(provider).breaker.as_ref();
    match scope.rollout() {
        Some(rollout) if rollout.moves_from(provider) => {
            if unreached {
                state.missed(rule, clock::now());
            }
        }
        Some(rollout)
            if rollout.moves_to(provider) && !(scope.plan.counted && scope.is_own(provider)) && probe.is_none() => {}
        None if probe.is_none() => {}
        _ => {
            let canary = in_use.prepared.outbound(provider).is_canary.then(|| caller(scope, unreached));
            state.tell(rule, canary, probe.take(), verdict, clock::now());
        }
    }
}

/// Whose request it is. That no connection can be made is no request's doing.
fn caller(scope: &Scope, unreached: bool) -> Caller {
    match scope.in_force() {
        Some(_) if unreached => Caller::UNKNOWN,
        Some(in_force) if in_force.several_sources => Caller::source(scope.plan.source),
        _ => scope.plan.slot.map_or(Caller::UNKNOWN, Caller::user),
    }
}
