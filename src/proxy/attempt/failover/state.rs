//! Who else may keep what a request names, when stable does not have it.
//!
//! After an answer that says so the canaries of stable are asked, each once, and whoever has it is remembered. Questions
//! that nobody could answer are bounded twice: an id is held for unknown for a while, and no more than some a second are
//! asked in all. When nobody has it the client gets stable's answer. Invariant: a request is sent again only where the
//! answer before says that nothing was done.

use http::{Method, StatusCode};

use super::{Failover, FailureResponse};
use crate::clock;
use crate::decide::outcome::Outcome;
use crate::decide::route::by_state::other_keepers;
use crate::decide::state_at::Bound;
use crate::decide::units::ProviderId;
use crate::proxy::attempt::candidates::Candidate;
use crate::proxy::attempt::other_keepers::{NextKeeper, OtherKeepers};
use crate::wire::complaint::read_complaint;

impl Failover<'_> {
    pub(super) fn next_keeper(
        &mut self,
        candidate: Candidate,
        outcome: Outcome,
        response: &FailureResponse,
    ) -> NextKeeper {
        let (bound, home, named) = (self.plan().bound, self.plan().home, self.client_request.named);
        let missing = is_missing(response);
        let ids = &self.core.state_ids;
        let now = clock::unix();
        if bound == Bound::Known {
            if missing {
                // It is found again, should it be there after all.
                named.keys.iter().take(1).for_each(|key| ids.forget(*key));
            }
            return NextKeeper::None;
        }
        if candidate.id == home {
            let may_ask = missing
                && !named.keys.is_empty()
                && self.client_request.can_be_sent_again()
                && !self.client_request.request.upgrade
                && !self.client_request.request.unauthenticated
                && !named.keys.iter().all(|key| ids.is_missed(*key, now));
            if !may_ask || !ids.may_ask(clock::now()) {
                return NextKeeper::None;
            }
            let snapshot = &self.in_use.snapshot;
            let others = other_keepers(&snapshot.policy, self.plan());
            let left: Vec<ProviderId> = others.filter(|id| !snapshot.is_state_moved(*id)).collect();
            self.other_keepers = OtherKeepers { asked: true, left };
        } else if !self.other_keepers.asked {
            return NextKeeper::None;
        } else if !missing && named.in_path && outcome == Outcome::ClientError {
            self.learn_named(candidate.id);
            return NextKeeper::Found;
        }
        if self.other_keepers.left.is_empty() {
            if missing && candidate.id != home {
                named.keys.iter().for_each(|key| ids.note_miss(*key, now));
                ids.note_question(clock::now());
            }
            return if self.other_keepers.asked && candidate.id != home {
                NextKeeper::Nobody
            } else {
                NextKeeper::None
            };
        }
        NextKeeper::Ask(self.other_keepers.left.remove(0))
    }

    /// A good answer to a request that names state: who gave it keeps what is named, or has just removed it.
    pub(super) fn note_kept(&mut self, status: StatusCode) {
        let id = self.candidate().id;
        if id == self.plan().home || !status.is_success() {
            return;
        }
        let named = self.client_request.named;
        if named.is_target && self.client_request.request.parts.method == Method::DELETE {
            named.keys.iter().take(1).for_each(|key| self.core.state_ids.forget(*key));
        } else if self.plan().bound == Bound::Unknown {
            self.learn_named(id);
        }
    }

    fn learn_named(&self, id: ProviderId) {
        let Some(keeper) = self.in_use.prepared.state.keeper(id) else { return };
        let now = clock::unix();
        self.client_request.named.keys.iter().for_each(|key| self.core.state_ids.learn(*key, keeper, now));
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
