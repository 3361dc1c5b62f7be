//! Refusals of the canary, in the account of their request.
//!
//! Where stable is asked as well, a refusal is pending until stable has answered: if stable accepts the request, the
//! canary does not support it; if stable refuses it too, the client is at fault. Invariant: a pending refusal is
//! recorded exactly once, at its place among the attempts.

use super::Account;
use crate::clock;
use crate::decide::outcome::{Ending, Outcome};
use crate::proxy::attempt::open::AttemptStage;
use crate::proxy::attempt::refusal::{PendingRefusal, Refusal};
use crate::proxy::attempt::sinks;

impl Account {
    /// The canary refused the request, and stable is asked whether it was sound.
    pub(crate) fn ask_stable(&mut self, ending: Ending, refusal: Refusal) {
        let mut record = self.attempt.record(ending, clock::instant());
        record.outcome = Outcome::ClientError;
        sinks::report_to_breaker(&self.scope, &record, &mut self.attempt.probe);
        self.guard.reopen();
        self.pending_refusal = Some(Box::new(PendingRefusal { record, refusal, place: self.ended.len() }));
    }

    /// Stable accepted what the canary refused, or refused it as well; `None`: neither is known.
    pub(crate) fn stable_answered(&mut self, accepts: Option<bool>) {
        if let Some(outcome) = self.settle_refusal(accepts) {
            self.end_guard_report(outcome);
        }
    }

    /// Returns the outcome of the refusal, if one is pending.
    pub(super) fn settle_refusal(&mut self, accepts: Option<bool>) -> Option<Outcome> {
        let pending_refusal = self.pending_refusal.take()?;
        let PendingRefusal { mut record, refusal, place } = *pending_refusal;
        let accepted = accepts == Some(true);
        record.outcome = if accepted { Outcome::Unsupported } else { Outcome::ClientError };
        if !accepted {
            record.failure = None;
        }
        // What both refuse says nothing about either.
        let counts = accepts != Some(false);
        if accepted || self.guard.has_begun() {
            sinks::report_refusal(&self.scope, record.provider, refusal, accepted);
        }
        self.count(&record, counts);
        let outcome = record.outcome;
        self.ended.insert(place, record);
        Some(outcome)
    }

    /// Whether it is the canary that is asked, as evidence.
    pub(crate) fn is_evidence_of_canary(&self) -> bool {
        self.scope.is_chosen_canary(self.attempt.candidate.id) && self.guard.has_begun()
    }

    /// The canary refused the request, and no other provider is asked.
    pub(crate) fn report_refusal(&self, refusal: Refusal) {
        if self.attempt.stage != AttemptStage::Over && self.is_evidence_of_canary() {
            sinks::report_refusal(&self.scope, self.attempt.candidate.id, refusal, false);
        }
    }
}
