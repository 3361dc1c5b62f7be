//! Who is tried for one request, in turn: the provider that the split chose, then the others.
//!
//! Owns the order, what the breakers make of it, and how often the same provider was asked. A provider whose breaker is
//! open steps back, and is asked after all if nobody else is left: a breaker never refuses a request. A rollout's stable
//! steps back only where it cannot be reached, and where that helps. Decides nothing about failures
//! ([`retry`](crate::decide::retry) does), and counts nothing.

use std::collections::VecDeque;

use crate::clock;
use crate::decide::fallback::Others;
use crate::decide::policy::Retry;
use crate::decide::units::ProviderId;
use crate::proxy::core::InUse;
use crate::proxy::request::prepared::PreparedProvider;
use crate::state::provider::{Admit, Breaker, Ticket};

/// Who is tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Who.
    pub(crate) id: ProviderId,
    /// Which of its keys.
    pub(crate) turn: usize,
}

/// The order of one request's candidates.
#[derive(Debug)]
pub(crate) struct Candidates {
    first: Option<ProviderId>,
    others: Others,
    /// Whom no request may have left out for the others: the stable of a rollout that has a canary.
    stable: Option<ProviderId>,
    /// The rollout's canary, where the split chose another.
    canary_unchosen: Option<ProviderId>,
    /// Whether that steps back where it cannot be reached.
    diverts: bool,
    /// Those who stepped back.
    last_resort: VecDeque<ProviderId>,
    /// Keys of the present provider that were used.
    keys_used: usize,
    /// How often the present provider was asked again.
    repeats: u8,
}

impl Candidates {
    /// Begins with the chosen provider.
    pub(crate) fn new(chosen: ProviderId, others: Others) -> Candidates {
        Candidates {
            first: Some(chosen),
            others,
            stable: None,
            canary_unchosen: None,
            diverts: true,
            last_resort: VecDeque::new(),
            keys_used: 0,
            repeats: 0,
        }
    }

    /// In a rollout with this stable and this canary. `diverts`: whether somebody else is asked first while it cannot be
    /// reached.
    pub(crate) fn between_arms(&mut self, stable: ProviderId, canary: ProviderId, diverts: bool) {
        (self.stable, self.diverts) = (Some(stable), diverts);
        self.canary_unchosen = (self.first != Some(canary)).then_some(canary);
    }

    /// Whether somebody is left after the present one.
    pub(crate) fn has_others(&self) -> bool {
        !self.others.is_empty() || !self.last_resort.is_empty()
    }

    /// Whether this provider is still to come.
    pub(crate) fn has(&self, id: ProviderId) -> bool {
        self.others.has(id) || self.last_resort.contains(&id)
    }

    /// Nobody is asked after the present one.
    pub(crate) fn settle(&mut self) {
        self.others = Others::NOBODY;
        self.last_resort.clear();
    }

    /// This one is not asked.
    pub(crate) fn leave_out(&mut self, id: ProviderId) {
        self.others = self.others.without(id);
        self.last_resort.retain(|other| *other != id);
    }

    /// Only this one is asked from now on.
    pub(crate) fn ask_only(&mut self, id: ProviderId) {
        self.settle();
        self.first = Some(id);
    }

    /// The next one to try, with the breaker's ticket where it is the one that finds out; `None`: everybody was tried.
    /// `diverted` is told of each that steps back, and by which breaker.
    pub(crate) fn next(
        &mut self,
        in_use: &InUse,
        mut diverted: impl FnMut(ProviderId, Breaker),
    ) -> Option<(Candidate, Option<Ticket>)> {
        (self.keys_used, self.repeats) = (0, 0);
        loop {
            let Some(id) = self.first.take().or_else(|| self.others.next()) else {
                let id = self.last_resort.pop_front()?;
                return Some((candidate(in_use, id), None));
            };
            let outbound = in_use.prepared.outbound(id);
            if outbound.unusable.is_some() && self.has_others() {
                continue;
            }
            let state = in_use.snapshot.provider(id);
            if state.is_well() {
                return Some((candidate(in_use, id), None));
            }
            let rule = outbound.provider.breaker.as_ref();
            let (breaker, admitted) = if self.stable == Some(id) {
                (Breaker::Reach, if self.diverts { state.admits_to_stable(rule) } else { Admit::Yes })
            } else if self.canary_unchosen == Some(id) {
                // In stable's place it finds out nothing about the canary.
                (Breaker::Failures, state.admits_unprobed(rule))
            } else {
                (Breaker::Failures, state.admits(rule, clock::now()))
            };
            match admitted {
                Admit::Yes => return Some((candidate(in_use, id), None)),
                Admit::Probe(ticket) => return Some((candidate(in_use, id), Some(ticket))),
                Admit::No if !self.has_others() => return Some((candidate(in_use, id), None)),
                Admit::No => {
                    diverted(id, breaker);
                    self.last_resort.push_back(id);
                }
            }
        }
    }

    /// Whether the present provider has a key that was not used.
    pub(crate) fn has_keys(&self, to: &PreparedProvider) -> bool {
        self.keys_used + 1 < to.keys()
    }

    /// The same provider with its next key.
    pub(crate) fn next_key(&mut self, candidate: Candidate) -> Candidate {
        self.keys_used += 1;
        Candidate { turn: candidate.turn.wrapping_add(1), ..candidate }
    }

    /// Whether the present provider may be asked again.
    pub(crate) fn may_repeat(&self, retry: Retry) -> bool {
        self.repeats + 1 < retry.attempts
    }

    /// How often it was.
    pub(crate) const fn repeats(&self) -> u8 {
        self.repeats
    }

    /// It is.
    pub(crate) fn repeat(&mut self) {
        self.repeats += 1;
    }
}

fn candidate(in_use: &InUse, id: ProviderId) -> Candidate {
    let keys = in_use.prepared.outbound(id).keys();
    Candidate { id, turn: in_use.snapshot.provider(id).next_turn(keys) }
}
