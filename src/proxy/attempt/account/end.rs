//! How attempts and requests end, in their account.
//!
//! What was seen decides: an answer that reached its end is complete, even if the connection is dropped right after. A
//! drop before that means that the client left, or that Serin cut the request or unwinds. Invariant: an attempt is
//! recorded before the request ends, and nothing is recorded after that.

use std::mem;
use std::slice;
use std::thread;
use std::time::Instant;

use super::{Account, is_success};
use crate::clock;
use crate::decide::outcome::{BodyEnd, Ending, Outcome};
use crate::proxy::attempt::candidates::Candidate;
use crate::proxy::attempt::cause;
use crate::proxy::attempt::earlier_plans::{EarlierPlan, EarlierPlans};
use crate::proxy::attempt::open::AttemptStage;
use crate::proxy::attempt::record::{AttemptRecord, FailureReason};
use crate::proxy::attempt::request_record::RequestRecord;
use crate::proxy::attempt::sinks;
use crate::proxy::response::observe::Summary;

impl Account {
    /// Ends this account of a request that is planned anew, and returns what was attempted. An attempt that was sent on
    /// a connection that was dead by then says nothing about the provider.
    pub(crate) fn into_earlier_plans(mut self: Box<Self>) -> EarlierPlans {
        if matches!(self.attempt.stage, AttemptStage::Dispatched | AttemptStage::Answered { .. }) {
            self.failed(Ending::CutBySerin);
        }
        self.release_probe();
        // The guard gets the outcome when the request ends, since the same provider may be asked again.
        let _ = self.settle_refusal(None);
        if let Some(at) = self.at {
            self.scope.series(at).leave(self.scope.core.id);
        }
        self.attempt.stage = AttemptStage::Over;
        let mut earlier = mem::take(&mut self.earlier_plans);
        let (attempts, met) = (mem::take(&mut self.ended), mem::take(&mut self.met));
        let guard = mem::take(&mut self.guard);
        earlier.add(EarlierPlan { scope: self.scope.clone(), attempts, met, guard });
        earlier
    }

    /// The attempt ended, and nothing of it has gone to the client.
    pub(crate) fn failed(&mut self, ending: Ending) {
        let record = self.close(ending, clock::instant());
        self.ended.push(record);
    }

    /// The provider that failed is asked again after a pause.
    pub(crate) fn pauses(&mut self) {
        if let Some(sink) = self.scope.guard() {
            self.guard.pauses(sink);
        }
    }

    /// No request could be made for the candidate. That is known before the attempt is begun, or right after.
    pub(crate) fn unfit(&mut self) {
        if self.attempt.stage == AttemptStage::Dispatched {
            self.failed(Ending::CutBySerin);
        }
    }

    pub(super) fn close(&mut self, ending: Ending, now: Instant) -> AttemptRecord {
        if self.attempt.stage == AttemptStage::Idle {
            // It ended before it was dispatched: there was no connection.
            self.begin();
        }
        let mut record = self.attempt.record(ending, now);
        if matches!(record.outcome, Outcome::Ok | Outcome::ClientError | Outcome::ClientGone) {
            record.failure = None;
        } else if record.failure.is_none() {
            let cause = cause::of_answer(ending, None, None, None);
            record.failure = cause.map(|cause| Box::new(FailureReason { cause, request_id: None }));
        }
        sinks::report_to_breaker(&self.scope, &record, &mut self.attempt.probe);
        self.count(&record, !ending.is_by_policy());
        record
    }

    /// An attempt ended. `counts`: whether it says anything about its provider.
    pub(super) fn count(&mut self, record: &AttemptRecord, counts: bool) {
        let own = sinks::ChosenProvider { guard: &mut self.guard, met: &mut self.met };
        sinks::attempt_ended(&self.scope, record, own, counts);
    }

    /// Gives a breaker's probe back unused, so that another request can make it.
    pub(super) fn release_probe(&mut self) {
        if self.attempt.probe.is_some() {
            sinks::release_probe(&self.scope, self.attempt.candidate.id, &mut self.attempt.probe);
        }
    }

    pub(super) fn end_guard_report(&mut self, unseen: Outcome) {
        if let Some(sink) = self.scope.guard() {
            self.guard.end(sink, unseen);
        }
    }

    /// Why the client leaves now: at its own time limit because nothing has come, as if it had been told so.
    fn leaving(&self) -> Ending {
        let begun = matches!(self.attempt.stage, AttemptStage::Answered { begun: true, .. });
        match self.expiry {
            Some(expiry) if !begun && expiry.explains_leaving(clock::instant()) => self.expired(),
            _ => Ending::ClientLeft,
        }
    }

    /// The client's own time limit is over.
    pub(crate) fn expired(&self) -> Ending {
        let share = self.scope.fair_share(self.attempt.candidate.id);
        let waited = self.attempt.times.connected.map(|sent| clock::instant().saturating_duration_since(sent));
        Ending::Expired { fair: waited.is_some_and(|waited| waited >= share) }
    }

    /// The answer's body ended.
    pub(crate) fn body_ended(&mut self, body: BodyEnd) {
        if let Some(ending) = self.attempt.ending_of(body) {
            self.end(ending);
        }
    }

    /// The attempt is over, and with it the request. Whatever follows changes nothing.
    pub(crate) fn end(&mut self, ending: Ending) {
        if self.attempt.stage != AttemptStage::Over {
            self.end_at(ending, clock::instant());
        }
    }

    pub(super) fn end_at(&mut self, ending: Ending, now: Instant) {
        // Only where an answer was on its way, or none had begun.
        let waited = match self.attempt.stage {
            AttemptStage::Answered { status, .. } => is_success(status),
            stage => stage == AttemptStage::Dispatched,
        };
        let left = matches!(ending, Ending::ClientLeft | Ending::Expired { fair: false });
        // Up to the moment when the client left, the pace is known.
        let paced = left || matches!(ending, Ending::Answered { body: BodyEnd::Complete, .. });
        let summary = self.attempt.summary.filter(|summary| summary.generated && summary.outputs > 0 && paced);
        if ((left && waited) || summary.is_some())
            && let Some(sink) = self.scope.guard()
        {
            if left && waited {
                self.guard.client_left(sink, now);
            }
            if let Some(Summary { outputs, .. }) = summary.filter(|_| self.is_at_chosen()) {
                self.guard.paced(sink, outputs, now);
            }
        }
        let record = self.close(ending, now);
        self.finish_at(record.outcome, now, Some(record));
    }

    /// The request is over after an attempt that was accounted for; `by`: the candidate whose answer the client gets.
    pub(crate) fn finish(&mut self, outcome: Outcome, by: Candidate) {
        self.release_probe();
        self.attempt.candidate = by;
        self.finish_at(outcome, clock::instant(), None);
    }

    fn finish_at(&mut self, outcome: Outcome, end: Instant, last: Option<AttemptRecord>) {
        self.stable_answered(None);
        self.attempt.stage = AttemptStage::Over;
        self.end_guard_report(outcome);
        self.move_to(self.attempt.candidate.id);
        let attempts = match &last {
            Some(last) if self.ended.is_empty() => slice::from_ref(last),
            _ => {
                self.ended.extend(last);
                &self.ended
            }
        };
        for (id, breaker) in &self.diverted {
            self.scope.in_use.snapshot.provider(*id).count_diverted(*breaker);
        }
        let (plan, by) = (&self.scope.plan, self.attempt.candidate.id);
        let took = end.saturating_duration_since(self.attempt.times.arrived);
        let (earlier, met) = (self.earlier_plans.plans(), &self.met);
        let record = RequestRecord { plan, by, outcome, earlier, attempts, met, took };
        sinks::request_ended(&self.scope, &record, self.entry.take());
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let ending = if self.scope.core.is_cutting() { Ending::CutBySerin } else { self.leaving() };
        if thread::panicking()
            && let Some(entry) = self.entry()
        {
            entry.note_defect();
        }
        match self.attempt.stage {
            AttemptStage::Over => {}
            // Between two attempts: all that were begun are accounted for.
            AttemptStage::Idle if self.attempts > 0 => {
                let (outcome, candidate) = (self.attempt.outcome_of(ending), self.attempt.candidate);
                self.finish(outcome, candidate);
            }
            _ => self.end(ending),
        }
    }
}
