//! What an attempt tells the breakers of its provider.
//!
//! Owns which of them hears of it: of a rollout's stable the one of failures to connect, and of nothing else, since
//! whatever else it does may be one user's doing; of everybody else the one of failures in a row, with whose request it
//! was. Of a rollout's canary only those are heard whom the split sent there: what stable could not answer is no test of
//! it. Decides nothing about when one opens. Invariant: a request that nobody else could have answered leaves no provider
//! out for others.

use super::core::InUse;
use crate::clock;
use crate::decide::breaker::{Caller, Verdict};
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::route::Plan;
use crate::decide::units::ProviderId;
use crate::state::provider::Ticket;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    /// By which plan.
    pub(crate) plan: &'a Plan,
    /// Who was tried.
    pub(crate) provider: ProviderId,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// Whether there was no connection, for nothing that the request is.
    pub(crate) unreached: bool,
}

/// Tells it; `probe`: with the ticket of an attempt that finds out.
pub(crate) fn tell(in_use: &InUse, told: &Told<'_>, probe: &mut Option<Ticket>) {
    let Told { plan, provider, outcome, unreached } = *told;
    let state = in_use.snapshot.provider(provider);
    let verdict = match outcome.told_to_breaker() {
        Judged::Success if state.is_well() => return,
        Judged::Success => Verdict::Success,
        Judged::Failure => Verdict::Failure,
        Judged::Not => Verdict::None,
    };
    let policy = &in_use.snapshot.policy;
    let rule = policy.provider(provider).breaker.as_ref();
    match plan.rollout.map(|id| &policy.rollouts[usize::from(id.0)]) {
        Some(rollout) if rollout.moves_from(provider) => {
            if unreached {
                state.missed(rule, clock::now());
            }
        }
        Some(rollout)
            if rollout.moves_to(provider) && !(plan.counted && plan.provider == provider) && probe.is_none() => {}
        None if probe.is_none() => {}
        _ => {
            let canary = in_use.prepared.outbound(provider).is_canary.then(|| caller(in_use, plan, unreached));
            state.tell(rule, canary, probe.take(), verdict, clock::now());
        }
    }
}

/// Whose request it is. That no connection can be made is no request's doing.
fn caller(in_use: &InUse, plan: &Plan, unreached: bool) -> Caller {
    match plan.rollout {
        Some(_) if unreached => Caller::UNKNOWN,
        Some(id) if in_use.snapshot.in_force(id).several_sources => Caller::source(plan.source),
        _ => plan.slot.map_or(Caller::UNKNOWN, Caller::user),
    }
}
