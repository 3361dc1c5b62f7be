//! Who else may have what a request names, when stable does not have it.
//!
//! After an answer that says so the canaries of stable are asked in turn, within one deadline, and whoever has it is
//! remembered. Such lookups are bounded twice: an id that nobody has is not looked up again for a while, and no more
//! than some a second may find nothing. A canary's other failure is the client's to see, since it may have it;
//! one without an answer leaves stable's. Invariant: a request is sent again only where the answer before says that
//! nothing was done.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::{Failover, FailureResponse, LastFailure};
use crate::clock;
use crate::decide::policy::Rollout;
use crate::decide::retry::{FailedAttempt, NextAction, next_action};
use crate::decide::route::by_state::other_owners;
use crate::decide::state_at::Bound;
use crate::decide::units::{Millis, ProviderId};
use crate::proxy::attempt::candidates::Candidate;
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::attempt::lookup::{Lookup, NextOwner};
use crate::state::provider::ProviderAdmission;
use crate::state::state_ids::StateKey;
use crate::wire::complaint::{Complaint, read_complaint};

/// The longest time that a client waits for others than stable.
const PATIENCE: Millis = Millis(5000);

impl Failover<'_> {
    /// What follows from a bad answer to a request that names state. `response` is taken where it is the client's.
    pub(super) fn next_owner(
        &mut self,
        candidate: Candidate,
        failed: FailedAttempt,
        response: FailureResponse,
    ) -> (NextOwner, Option<FailureResponse>) {
        if self.plan().bound == Bound::Known {
            self.forget_what_is_gone(&response);
            return (NextOwner::None, Some(response));
        }
        if candidate.id == self.plan().default_provider {
            if !is_missing(&response) || !self.begin_lookup() {
                return (NextOwner::None, Some(response));
            }
        } else if !self.lookup.has_begun() || self.is_asked_again(candidate, failed) {
            return (NextOwner::None, Some(response));
        } else if !is_missing(&response) {
            self.note_other_failure(candidate, failed, response);
            return (self.next_of_lookup(), None);
        }
        let next = self.next_of_lookup();
        if let NextOwner::GiveUp = next
            && !self.lookup.failed
        {
            let now = clock::unix();
            self.client_request.named.keys.iter().for_each(|key| self.core.state_ids.note_miss(*key, now));
        }
        (next, Some(response))
    }

    /// A good answer to a request that names state: who gave it has what is named, or has just removed it.
    pub(super) fn note_owner(&mut self, status: StatusCode) {
        let id = self.candidate().id;
        let has_it =
            status.is_success() || matches!(status, StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS);
        if id == self.plan().default_provider || !has_it {
            return;
        }
        if self.lookup.has_begun() {
            self.core.state_ids.found();
        }
        let named = self.client_request.named;
        if named.is_target && self.client_request.request.parts.method == Method::DELETE {
            named.keys.iter().take(1).for_each(|key| self.core.state_ids.forget(*key));
        } else if self.plan().bound == Bound::Unknown {
            self.learn_named(id);
        }
    }

    /// Whether this one is asked because stable does not have what the request names.
    pub(super) fn is_lookup(&self, candidate: Candidate) -> bool {
        self.lookup.has_begun() && candidate.id != self.plan().default_provider
    }

    fn begin_lookup(&mut self) -> bool {
        let (request, named, ids) = (self.client_request, self.client_request.named, &self.core.state_ids);
        let now = clock::unix();
        let may_look = self.plan().bound == Bound::Unknown
            && !named.keys.is_empty()
            && request.can_be_sent_again()
            && !request.request.leaves_http()
            && !request.request.unauthenticated
            && !named.keys.iter().all(|key| ids.is_missed(*key, now));
        if !may_look {
            return false;
        }
        let snapshot = &self.in_use.snapshot;
        let may_answer = |id: &ProviderId| {
            let rule = snapshot.policy.provider(*id).breaker.as_ref();
            snapshot.provider(*id).admits_unprobed(rule) == ProviderAdmission::Yes
                && snapshot.may_look_up(self.plan().matched, *id)
        };
        let mut owners: Vec<ProviderId> = other_owners(&snapshot.policy, self.plan()).filter(may_answer).collect();
        owners.sort_by_key(|id| named.likely != Some(*id));
        if owners.is_empty() || !ids.begin_lookup(clock::now()) {
            return false;
        }
        let asks = |rollout: &&Arc<Rollout>| owners.iter().any(|owner| rollout.moves_to(*owner));
        let patience = snapshot.policy.rollouts.iter().filter(asks).map(|rollout| rollout.give_up_after);
        let patience = patience.fold(PATIENCE, Millis::min);
        self.lookup = Lookup { deadline: Some(Deadline::new(patience, false)), left: owners, failed: false };
        true
    }

    fn next_of_lookup(&mut self) -> NextOwner {
        let over = self.lookup.deadline.is_some_and(|deadline| deadline.is_over(clock::instant()));
        if self.lookup.left.is_empty() || over { NextOwner::GiveUp } else { NextOwner::Ask(self.lookup.left.remove(0)) }
    }

    /// Whether the same provider is asked once more, with another key or after a pause.
    fn is_asked_again(&self, candidate: Candidate, failed: FailedAttempt) -> bool {
        let next = next_action(failed, self.left(candidate), self.pace(candidate));
        matches!(next, NextAction::NextKey | NextAction::Again(_) | NextAction::Redial)
    }

    /// One that was asked says neither that it has it nor that it does not.
    fn note_other_failure(&mut self, candidate: Candidate, failed: FailedAttempt, response: FailureResponse) {
        self.lookup.failed = true;
        if shows_owner(&response) && self.client_request.named.in_path {
            self.core.state_ids.found();
            self.lookup.left.clear();
            self.learn_named(candidate.id);
        }
        match response {
            response @ FailureResponse::Answer(_) => {
                self.failed_attempt = Some(Box::new(LastFailure { outcome: failed.outcome, candidate, response }));
            }
            FailureResponse::Error(_) => {
                let (ids, now) = (&self.core.state_ids, clock::unix());
                self.client_request.named.keys.iter().for_each(|key| ids.note_failed_lookup(*key, now));
            }
        }
    }

    /// A provider says that it does not have what it was known to have. One 404 of something in between is no proof.
    fn forget_what_is_gone(&self, response: &FailureResponse) {
        let named = self.client_request.named;
        let FailureResponse::Answer(answer) = response else { return };
        let Some(complaint) = answer.complaint.as_deref().filter(|complaint| complaint.is_structured()) else { return };
        let Some(key) = named.decided_by.filter(|_| is_missing(response)) else { return };
        let is_target =
            named.is_target && named.keys.first() == Some(&key) && answer.head.status == StatusCode::NOT_FOUND;
        let is_previous = !named.in_path && complaint.code.as_deref() == Some("previous_response_not_found");
        if is_target || is_previous || self.names(complaint, key) {
            self.core.state_ids.forget(key);
        }
    }

    /// Whether a message has this id in it.
    fn names(&self, complaint: &Complaint, key: StateKey) -> bool {
        let is_of_id = |byte: char| byte.is_ascii_alphanumeric() || matches!(byte, '_' | '-');
        let mut words = complaint.message.split(|byte| !is_of_id(byte)).filter(|word| !word.is_empty());
        words.any(|word| self.core.state_ids.key(word) == key)
    }

    fn learn_named(&self, id: ProviderId) {
        let Some(owner) = self.in_use.prepared.state.owner(id) else { return };
        let now = clock::unix();
        self.client_request.named.keys.iter().for_each(|key| self.core.state_ids.learn(*key, owner, now));
    }
}

/// Whether an answer says that something is not there which the request names.
fn is_missing(response: &FailureResponse) -> bool {
    let FailureResponse::Answer(answer) = response else { return false };
    let status = answer.head.status.as_u16();
    match &answer.complaint {
        Some(complaint) => complaint.is_about_missing_state(status),
        None => read_complaint(b"").is_about_missing_state(status),
    }
}

/// Whether a refusal shows that what is named is there: it is about what was to be done with it.
fn shows_owner(response: &FailureResponse) -> bool {
    let FailureResponse::Answer(answer) = response else { return false };
    let is_state_of_it = matches!(answer.head.status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT);
    is_state_of_it && answer.complaint.as_deref().is_some_and(Complaint::is_structured)
}
