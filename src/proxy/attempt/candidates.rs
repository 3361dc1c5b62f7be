//! The candidates for one request, in turn: the provider that the split chose, then the others.
//!
//! Owns their order, what the breakers change in it, and how often the same provider was asked. A provider whose
//! breaker is open is put last: a breaker never refuses a request. A rollout's stable is put last only where it is
//! unreachable, and where that helps. A provider none of whose keys is usable is put last too, unless it is the rollout's
//! stable or the canary that the split chose: those are asked, and their answers judged. Decides nothing about failures
//! ([`retry`](crate::decide::retry) does), and counts nothing.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use crate::clock;
use crate::decide::fallback::FallbackCandidates;
use crate::decide::policy::Retry;
use crate::decide::units::ProviderId;
use crate::proxy::core::InUse;
use crate::state::provider::{BreakerKind, ProbeToken, ProviderAdmission};

/// A provider, with one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: ProviderId,
    /// The position of its key, from 1 on; 0: none of Serin's.
    pub(crate) key: usize,
    /// The model it is asked for, where the key may be at rest still: a success is news.
    pub(crate) trial: Option<NonZeroU64>,
    /// Whether it is the one request that tests the key.
    pub(crate) tests_key: bool,
}

impl Candidate {
    /// A provider without a key of Serin's.
    pub(crate) const fn keyless(id: ProviderId) -> Candidate {
        Candidate { id, key: 0, trial: None, tests_key: false }
    }
}

/// The order of one request's candidates.
#[derive(Debug)]
pub(crate) struct Candidates {
    first: Option<ProviderId>,
    others: FallbackCandidates,
    /// The stable of a rollout that has a canary: no failure but an unreachable one puts it last.
    stable: Option<ProviderId>,
    /// The rollout's canary, where the split chose another.
    canary_unchosen: Option<ProviderId>,
    /// The rollout's canary, where the split chose it.
    canary_chosen: Option<ProviderId>,
    /// Whether stable is put last where it is unreachable.
    diverts: bool,
    /// Those that were put last.
    last_resort: VecDeque<ProviderId>,
    /// Those of them that had no room within their limits.
    full: Vec<ProviderId>,
    /// The keys of the present provider that failed.
    keys_tried: Vec<usize>,
    /// How often the present provider was asked again.
    retries: u8,
}

impl Candidates {
    /// Begins with the chosen provider.
    pub(crate) fn new(chosen: ProviderId, others: FallbackCandidates) -> Candidates {
        Candidates {
            first: Some(chosen),
            others,
            stable: None,
            canary_unchosen: None,
            canary_chosen: None,
            diverts: true,
            last_resort: VecDeque::new(),
            full: Vec::new(),
            keys_tried: Vec::new(),
            retries: 0,
        }
    }

    /// In a rollout with this stable and this canary. `diverts`: whether another candidate is asked first while stable
    /// is unreachable.
    pub(super) fn between_arms(&mut self, stable: ProviderId, canary: ProviderId, diverts: bool) {
        (self.stable, self.diverts) = (Some(stable), diverts);
        let chosen = self.first == Some(canary);
        (self.canary_chosen, self.canary_unchosen) = if chosen { (Some(canary), None) } else { (None, Some(canary)) };
    }

    /// Whether another candidate is left.
    pub(super) fn has_others(&self) -> bool {
        !self.others.is_empty() || !self.last_resort.is_empty()
    }

    /// Whether this provider is still to come.
    pub(crate) fn has(&self, id: ProviderId) -> bool {
        self.others.has(id) || self.last_resort.contains(&id)
    }

    /// No other candidate is asked.
    pub(super) fn drop_others(&mut self) {
        self.others = FallbackCandidates::NONE;
        self.last_resort.clear();
    }

    /// This one is not asked.
    pub(crate) fn leave_out(&mut self, id: ProviderId) {
        self.others = self.others.without(id);
        self.last_resort.retain(|other| *other != id);
    }

    /// Whether another candidate is left of which it is not known that its limit has no room.
    pub(super) fn has_others_with_room(&self) -> bool {
        !self.others.is_empty() || self.last_resort.iter().any(|id| !self.full.contains(id))
    }

    /// This one has no room within its limit, and is asked again after all others.
    pub(super) fn put_last(&mut self, id: ProviderId) {
        self.full.push(id);
        self.last_resort.push_back(id);
    }

    /// Only this one is asked from now on.
    pub(super) fn ask_only(&mut self, id: ProviderId) {
        self.drop_others();
        self.first = Some(id);
    }

    /// The next candidate, with the breaker's ticket where the attempt is its probe; `None`: all were tried. `diverted`
    /// is called with each that is put last, and with its breaker; `has_key`: whether one of its keys is usable.
    pub(crate) fn next(
        &mut self,
        in_use: &InUse,
        has_key: impl Fn(ProviderId) -> bool,
        mut diverted: impl FnMut(ProviderId, BreakerKind),
    ) -> Option<(ProviderId, Option<ProbeToken>)> {
        self.keys_tried.clear();
        self.retries = 0;
        loop {
            let Some(id) = self.first.take().or_else(|| self.others.next()) else {
                let id = self.last_resort.pop_front()?;
                return Some((id, None));
            };
            let prepared = in_use.prepared.provider(id);
            if prepared.unusable.is_some() && self.has_others() {
                continue;
            }
            if !has_key(id) && self.has_others() && self.stable != Some(id) && self.canary_chosen != Some(id) {
                self.last_resort.push_back(id);
                continue;
            }
            let state = in_use.snapshot.provider(id);
            if state.is_healthy() {
                return Some((id, None));
            }
            let rule = prepared.provider.breaker.as_ref();
            let (breaker, admitted) = if self.stable == Some(id) {
                (BreakerKind::Reach, if self.diverts { state.admits_to_stable(rule) } else { ProviderAdmission::Yes })
            } else if self.canary_unchosen == Some(id) {
                // A request meant for stable is no probe of the canary.
                (BreakerKind::Failures, state.admits_unprobed(rule))
            } else {
                (BreakerKind::Failures, state.admits(rule, clock::now()))
            };
            match admitted {
                ProviderAdmission::Yes => return Some((id, None)),
                ProviderAdmission::Probe(ticket) => return Some((id, Some(ticket))),
                ProviderAdmission::No if !self.has_others() => return Some((id, None)),
                ProviderAdmission::No => {
                    diverted(id, breaker);
                    self.last_resort.push_back(id);
                }
            }
        }
    }

    /// The keys of the present provider that failed.
    pub(super) fn keys_tried(&self) -> &[usize] {
        &self.keys_tried
    }

    /// A key of the present provider failed.
    pub(super) fn key_failed(&mut self, key: usize) {
        self.keys_tried.push(key);
    }

    /// Whether the present provider may be asked again.
    pub(super) fn may_retry(&self, retry: Retry) -> bool {
        self.retries + 1 < retry.attempts
    }

    pub(crate) const fn retries(&self) -> u8 {
        self.retries
    }

    /// It is asked again.
    pub(super) fn count_retry(&mut self) {
        self.retries += 1;
    }
}
