//! What becomes of a provider's keys over the attempts of one request, and what each answer says of its key.
//!
//! Which key is asked is chosen in [`key_choice`](crate::proxy::attempt::key_choice). Decides nothing about what
//! follows from a failure. Invariant: a key is judged only by an answer to that key, and only where Serin presented it.

use std::num::NonZeroU64;

use super::Failover;
use crate::clock;
use crate::decide::outcome::{Ending, ErrorClass, Outcome};
use crate::decide::units::{Millis, ProviderId};
use crate::proxy::attempt::candidates::Candidate;
use crate::proxy::attempt::key_choice::KeysInUse;
use crate::state::keys::KeySignal;
use crate::wire::grpc::GrpcCode;
use crate::wire::rate_headers::Pause;

/// How long an account rests whose allowance of a day is used up, where it is not said when there is more.
const A_DAY_S_ALLOWANCE: Millis = Millis(3_600_000);

impl<'a> Failover<'a> {
    fn keys(&self) -> KeysInUse<'a> {
        KeysInUse::of(self.in_use, self.client_request)
    }

    /// A provider, with the key that it is asked with first.
    pub(super) fn with_key(&self, id: ProviderId) -> Candidate {
        self.keys().first(id, || self.plan().user_hash.unwrap_or_else(|| self.core.draw()))
    }

    /// Whether another key of the provider can be asked, after this one failed.
    pub(super) fn has_next_key(&self, failed: Candidate) -> bool {
        let prepared = self.keys().prepared(failed.id);
        if !prepared.has_api_keys || prepared.keys() < 2 {
            return false;
        }
        let mut tried = self.candidates.keys_tried().to_vec();
        tried.extend(failed.key.checked_sub(1));
        self.keys().has_usable(failed.id, &tried)
    }

    /// The next key of the provider, after this one failed.
    pub(super) fn next_key(&mut self, failed: Candidate) -> Option<Candidate> {
        self.candidates.key_failed(failed.key.checked_sub(1)?);
        self.keys().next(failed, self.candidates.keys_tried())
    }

    /// The same key again: if it is let in, that is news.
    pub(super) fn on_trial(&self, again: Candidate) -> Candidate {
        let of_ring = again.key > 0 && self.keys().prepared(again.id).has_api_keys;
        Candidate { trial: NonZeroU64::new(self.keys().model(again.id)).filter(|_| of_ring), tests_key: false, ..again }
    }

    /// The key was not asked after all: another request may be the one that tests it.
    pub(super) fn give_up_trial(&self, candidate: Candidate) {
        if let (Some(model), Some(index)) =
            (candidate.trial.filter(|_| candidate.tests_key), candidate.key.checked_sub(1))
        {
            self.in_use.snapshot.keys(candidate.id).give_up_trial(index, model.get(), clock::now());
        }
    }

    /// Writes down what an answer says of its key.
    pub(super) fn learn_of_key(&self, ending: Ending, outcome: Outcome, pause: Option<Pause>) {
        let Candidate { id, key, .. } = self.candidate();
        let cool_down = self.keys().prepared(id).provider.keys.cool_down;
        if let (Some(index), Some(signal)) = (key.checked_sub(1), signal(ending, outcome, pause, cool_down)) {
            self.keys().learn(id, index, signal);
        }
    }
}

/// What an answer says of its key. Overload (503, 529) is nothing that another key, or a rest, would mend.
fn signal(ending: Ending, outcome: Outcome, pause: Option<Pause>, cool_down: Millis) -> Option<KeySignal> {
    let Ending::Answered { mut status, grounds, .. } = ending else { return None };
    if ending.grpc().is_some_and(|end| end.code == GrpcCode::UNAUTHENTICATED) {
        status = 401;
    }
    match outcome {
        Outcome::Throttled => Some(KeySignal::Throttled(pause.map(|pause| match pause {
            Pause::For(millis) | Pause::Long(Some(millis)) => Millis(millis),
            Pause::Long(None) => A_DAY_S_ALLOWANCE,
        }))),
        Outcome::Quota => Some(KeySignal::Spent(cool_down)),
        // A 403 may be about the region, the model or what was asked.
        Outcome::Auth if status == 401 || grounds == ErrorClass::Key => Some(KeySignal::Refused(status)),
        _ => None,
    }
}
