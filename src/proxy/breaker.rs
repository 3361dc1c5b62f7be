//! What an attempt tells the breakers of its provider.
//!
//! Owns which of them hears of it: of a rollout's stable the one of failures to connect, and of nothing else, since
//! whatever else it does may be one user's doing; of everybody else the one of failures in a row. Decides nothing about
//! when one opens. Invariant: a request that nobody else could have answered leaves no provider out for others.

use super::core::InUse;
use crate::clock;
use crate::decide::breaker::Verdict;
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::units::{ProviderId, RolloutId};
use crate::state::health::Ticket;

/// How an attempt of a rollout's request ended, or of one that belongs to none.
#[derive(Debug)]
pub(crate) struct Told {
    /// Whose request.
    pub(crate) rollout: Option<RolloutId>,
    /// Who was tried.
    pub(crate) provider: ProviderId,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// Whether there was no connection, for nothing that the request is.
    pub(crate) unreached: bool,
}

/// Tells it; `probe`: with the ticket of an attempt that finds out.
pub(crate) fn tell(in_use: &InUse, told: &Told, probe: &mut Option<Ticket>) {
    let Told { rollout, provider, outcome, unreached } = *told;
    let health = in_use.snapshot.health(provider);
    let verdict = match outcome.told_to_breaker() {
        Judged::Success if health.is_well() => return,
        Judged::Success => Verdict::Success,
        Judged::Failure => Verdict::Failure,
        Judged::Not => Verdict::None,
    };
    let policy = &in_use.snapshot.policy;
    let rule = policy.provider(provider).breaker.as_ref();
    match rollout.map(|id| &policy.rollouts[usize::from(id.0)]) {
        Some(rollout) if rollout.moves_from(provider) => {
            if unreached {
                health.missed(rule, clock::now());
            }
        }
        None if probe.is_none() => {}
        _ => {
            let on_canary = in_use.prepared.outbound(provider).is_canary;
            health.tell(rule, on_canary, probe.take(), verdict, clock::now());
        }
    }
}
