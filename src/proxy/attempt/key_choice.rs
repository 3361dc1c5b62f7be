//! Which of a provider's keys a request may be sent with.
//!
//! While nothing is known of a provider's keys this costs the look at one flag. Owns the choice: the key that the rules
//! say, else the next usable one, and where none is usable the one that will be soonest, since a key's state turns no
//! request away. What an answer says of its key is the [`failover`](super::failover)'s to tell. Invariant: where Serin
//! presents no key of `api_keys`, none is chosen and none is judged.

use std::num::NonZeroU64;

use super::candidates::Candidate;
use crate::clock;
use crate::decide::units::ProviderId;
use crate::decide::websocket::{KeyEvidence, evidence_of_key};
use crate::proxy::core::InUse;
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::prepared::PreparedProvider;
use crate::state::keys::{KeyChoice, KeySignal, model_hash};
use crate::wire::websocket::Close;

/// The keys of all providers, as far as one request may use them.
#[derive(Clone, Copy)]
pub(crate) struct KeysInUse<'a> {
    in_use: &'a InUse,
    client_request: &'a ClientRequest<'a>,
}

impl<'a> KeysInUse<'a> {
    pub(crate) fn of(in_use: &'a InUse, client_request: &'a ClientRequest<'a>) -> KeysInUse<'a> {
        KeysInUse { in_use, client_request }
    }

    pub(super) fn prepared(self, id: ProviderId) -> &'a PreparedProvider {
        self.in_use.prepared.provider_for(id, self.client_request.request.unauthenticated)
    }

    /// The model as this provider is asked for it.
    pub(super) fn model(self, id: ProviderId) -> u64 {
        let model = self.client_request.model();
        let known_as = model.and_then(|model| self.prepared(id).provider.models.get(model));
        model_hash(known_as.map(String::as_str).or(model))
    }

    /// Whether one of its keys can be asked now, besides those at these positions. Without a key of Serin's it can.
    pub(crate) fn has_usable(self, id: ProviderId, tried: &[usize]) -> bool {
        if tried.is_empty() && !self.in_use.snapshot.provider(id).has_key_trouble() {
            return true;
        }
        if !self.prepared(id).has_api_keys {
            return true;
        }
        self.in_use.snapshot.keys(id).has_usable(self.model(id), tried, clock::now())
    }

    /// The key to begin with.
    pub(crate) fn first(self, id: ProviderId, user: impl FnOnce() -> u16) -> Candidate {
        let prepared = self.prepared(id);
        if prepared.keys() == 0 {
            return Candidate::keyless(id);
        }
        let home = if prepared.begins_with_first { 0 } else { self.home(prepared, user()) };
        if !prepared.has_api_keys || !self.in_use.snapshot.provider(id).has_key_trouble() {
            return Candidate { key: home + 1, ..Candidate::keyless(id) };
        }
        let (keys, model, now) = (self.in_use.snapshot.keys(id), self.model(id), clock::now());
        let choice = self.choose(id, home, &[]);
        candidate(id, choice.unwrap_or_else(|| keys.soonest(home, model, now)), model)
    }

    /// The next usable key after one that failed, if there is one.
    pub(crate) fn next(self, failed: Candidate, tried: &[usize]) -> Option<Candidate> {
        let (id, model) = (failed.id, self.model(failed.id));
        if !self.prepared(id).has_api_keys {
            return None;
        }
        self.choose(id, failed.key, tried).map(|choice| candidate(id, choice, model))
    }

    /// A refused key is tested only by a request that another key can answer.
    fn choose(self, id: ProviderId, home: usize, tried: &[usize]) -> Option<KeyChoice> {
        let (keys, model, now) = (self.in_use.snapshot.keys(id), self.model(id), clock::now());
        let tests = self.client_request.can_be_sent_again();
        let refused = if tests { keys.choose_refused(home, model, tried, now) } else { None };
        refused.or_else(|| keys.choose(home, model, tried, now))
    }

    /// Writes down what an answer says of the key at this index.
    pub(super) fn learn(self, id: ProviderId, index: usize, signal: KeySignal) {
        if self.prepared(id).has_api_keys {
            let snapshot = &self.in_use.snapshot;
            snapshot.keys(id).record(index, self.model(id), signal, clock::now());
            snapshot.provider(id).note_key_trouble();
        }
    }

    fn home(self, prepared: &PreparedProvider, user: u16) -> usize {
        prepared.provider.keys.home(prepared.keys(), user, clock::unix)
    }
}

fn candidate(id: ProviderId, KeyChoice { index, trial, taken }: KeyChoice, model: u64) -> Candidate {
    Candidate { id, key: index + 1, trial: NonZeroU64::new(model).filter(|_| trial), tests_key: taken }
}

/// The end of a WebSocket says something of the key that opened it. A handshake names no model.
pub(crate) fn closed_with(in_use: &InUse, Candidate { id, key, .. }: Candidate, close: &Close) {
    let prepared = in_use.prepared.provider(id);
    let (Some(index), Some(evidence)) = (key.checked_sub(1), evidence_of_key(close)) else { return };
    if !prepared.has_api_keys {
        return;
    }
    let signal = match evidence {
        KeyEvidence::Refused => KeySignal::Refused(http::StatusCode::UNAUTHORIZED.as_u16()),
        KeyEvidence::Spent => KeySignal::Spent(prepared.provider.keys.cool_down),
        KeyEvidence::Busy => KeySignal::Throttled(None),
    };
    in_use.snapshot.keys(id).record(index, model_hash(None), signal, clock::now());
    in_use.snapshot.provider(id).note_key_trouble();
}

/// A key that may have been at rest was let in.
pub(crate) fn accepted(in_use: &InUse, Candidate { id, key, .. }: Candidate, model: NonZeroU64) {
    if let Some(index) = key.checked_sub(1) {
        in_use.snapshot.keys(id).accepted(index, model.get());
    }
}
