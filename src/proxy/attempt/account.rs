//! One request's account: begun once, ended once, with an attempt or more in between.
//!
//! It is charged to the arm that the split chose and to the snapshot by which it was first dispatched; an attempt at
//! another provider is counted under that provider's name and is never evidence. Owns the order of a request's moments, and
//! makes a record of each attempt and of the request where they end; what follows from a record is [`consumers`]' to say.
//! What was seen decides: an answer that reached its end is complete, even if the connection is dropped right after. A drop
//! before that is the client's leaving, or Serin's own doing while it cuts or unwinds. Invariants: every attempt that was
//! dispatched ends with exactly one outcome, and so does every request that began.

use std::mem;
use std::rc::Rc;
use std::slice;
use std::thread;
use std::time::Instant;

use super::candidates::Candidate;
use super::cause;
use super::guard_report::GuardReport;
use super::open::{AttemptStage, OpenAttempt, answered};
use super::record::{AttemptRecord, FailureReason, RequestRecord};
use super::refusal::Refusal;
use super::replanned::{EarlierPlan, EarlierPlans};
use super::sinks;
use crate::clock;
use crate::decide::cause::Cause;
use crate::decide::guard::waiting::Kind;
use crate::decide::outcome::{BodyEnd, Ending, Outcome};
use crate::decide::route::{Plan, Reason};
use crate::decide::units::ProviderId;
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::scope::Scope;
use crate::proxy::response::access::PendingEntry;
use crate::proxy::response::observe::Summary;
use crate::state::causes::Met;
use crate::state::provider::{Breaker, Ticket};

/// One request's account.
#[derive(Debug)]
pub(crate) struct Account {
    scope: Scope,
    attempt: OpenAttempt,
    /// Whose request it is at present; `None`: not dispatched yet.
    at: Option<ProviderId>,
    /// Attempts by this plan so far.
    attempts: u16,
    /// What the guard is told.
    guard: GuardReport,
    /// A refusal whose meaning hangs on stable's answer.
    question: Option<Box<Question>>,
    /// Attempts that ended while the request went on.
    earlier: Vec<AttemptRecord>,
    /// What was attempted by plans that no longer stand.
    before: EarlierPlans,
    /// Who stepped back because of a breaker, and was not asked after all.
    passed_over: Vec<(ProviderId, Breaker)>,
    /// What failed it so far, of the provider that the split chose.
    met: Met,
    /// What is kept for its line in the access log.
    draft: Option<Box<PendingEntry>>,
}

/// A part of an answer's body, with what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// There is no output in it yet.
    Frame,
    /// There is some.
    Output,
    /// It is the whole answer.
    Last,
}

/// What the canary refused.
#[derive(Debug)]
struct Question {
    record: AttemptRecord,
    refusal: Refusal,
    /// How many attempts had ended before it.
    place: usize,
}

impl Account {
    /// For a request that is about to be dispatched by this plan. It goes through many hands, hence the box, and is made
    /// where it stays.
    pub(crate) fn planned(
        core: &Rc<Core>,
        in_use: &Rc<InUse>,
        plan: Plan,
        kind: Kind,
        arrived: Instant,
    ) -> Box<Account> {
        let candidate = Candidate { id: plan.provider, turn: 0 };
        let account = Account {
            scope: Scope { core: Rc::clone(core), in_use: Rc::clone(in_use), plan, kind },
            attempt: OpenAttempt::at(candidate, arrived),
            at: None,
            attempts: 0,
            guard: GuardReport::default(),
            question: None,
            earlier: Vec::new(),
            before: EarlierPlans::default(),
            passed_over: Vec::new(),
            met: Met::default(),
            draft: None,
        };
        Box::write(Box::new_uninit(), account)
    }

    /// It was planned before, and attempted.
    pub(crate) fn follows(&mut self, mut before: EarlierPlans) {
        (self.met, self.guard) = before.goes_on(&self.scope);
        self.before = before;
    }

    /// It will have a line in the access log, if that asks for one.
    pub(crate) fn will_be_logged(&mut self, draft: Option<Box<PendingEntry>>) {
        self.draft = draft;
    }

    /// What is kept for its line in the access log.
    pub(crate) fn draft(&mut self) -> Option<&mut PendingEntry> {
        self.draft.as_deref_mut()
    }

    /// Whose request it is.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The attempt under way.
    pub(crate) fn attempt(&self) -> &OpenAttempt {
        &self.attempt
    }

    /// The same, for what is learnt of it.
    pub(crate) fn attempt_mut(&mut self) -> &mut OpenAttempt {
        &mut self.attempt
    }

    /// How many attempts there were, by whatever plan.
    pub(crate) fn attempts(&self) -> usize {
        self.before.attempts() + usize::from(self.attempts)
    }

    /// Who is tried next, and whether with a key of Serin's own. The same provider tried again without a ticket goes on
    /// with the one that it had.
    pub(crate) fn begin_attempt(&mut self, candidate: Candidate, probe: Option<Ticket>, own_key: bool) {
        if probe.is_some() || candidate.id != self.attempt.candidate.id {
            self.give_probe_back();
            self.attempt.probe = probe;
        }
        self.attempt.begin(candidate, own_key);
        self.passed_over.retain(|(id, _)| *id != candidate.id);
        if !self.is_own()
            && let Some(sink) = self.scope.guard()
        {
            self.guard.goes_elsewhere(sink);
        }
    }

    /// The breaker has somebody else asked first: whatever follows says nothing about the canary.
    pub(crate) fn divert(&mut self, from: ProviderId, breaker: Breaker) {
        self.scope.in_use.snapshot.provider(from).count_step_back(breaker);
        self.passed_over.push((from, breaker));
        self.scope.plan.counted = false;
    }

    /// Whether a request that is between two attempts may still be sent to whoever was tried last.
    pub(crate) fn still_stands(&self) -> bool {
        let now = self.scope.core.in_use();
        Rc::ptr_eq(&now, &self.scope.in_use)
            || self.scope.still_stands(&now, self.attempt.candidate.id, self.attempts == 0)
    }

    /// The last look before the request leaves: begins the attempt and says true if the plan still stands. A newer
    /// snapshot that changes nothing for this request does not send it back.
    pub(crate) fn dispatch(&mut self) -> bool {
        let now = self.scope.core.in_use();
        if !Rc::ptr_eq(&now, &self.scope.in_use) {
            let first = self.attempts == 0;
            if !self.scope.still_stands(&now, self.attempt.candidate.id, first) {
                return false;
            }
            if first {
                self.scope.in_use = now;
            }
        }
        self.begin();
        let now = clock::instant();
        self.attempt.times.connected = Some(now);
        if self.is_own()
            && let Some(sink) = self.scope.guard()
        {
            self.guard.sent(sink, now);
        }
        true
    }

    fn begin(&mut self) {
        if self.attempt.stage != AttemptStage::Idle {
            return;
        }
        self.attempt.stage = AttemptStage::Dispatched;
        self.attempts += 1;
        let (core, id) = (self.scope.core.id, self.attempt.candidate.id);
        self.is_at(id);
        if self.attempts == 1 {
            let (series, plan) = (self.scope.series(id), &self.scope.plan);
            if plan.anonymous {
                series.count_anonymous(core);
            }
            if plan.reason == Reason::Unheld {
                series.count_unheld(core);
            }
        }
        if self.scope.plan.counted
            && self.is_own()
            && let Some(sink) = self.scope.guard()
        {
            self.guard.asked(sink);
        }
    }

    /// From now on it is this provider's request.
    fn is_at(&mut self, id: ProviderId) {
        let (scope, core) = (&self.scope, self.scope.core.id);
        match self.at.replace(id) {
            None => scope.series(id).begin(core),
            Some(before) if before != id => {
                scope.series(before).leave(core);
                scope.series(id).enter(core);
            }
            Some(_) => {}
        }
    }

    /// Whether the provider that is tried is the one that the split chose.
    fn is_own(&self) -> bool {
        self.scope.is_own(self.attempt.candidate.id)
    }

    /// The request is planned anew, under another account; gives what was attempted. One that had been sent, on a
    /// connection that was dead by then, says nothing about the provider.
    pub(crate) fn forget(mut self: Box<Self>) -> EarlierPlans {
        if matches!(self.attempt.stage, AttemptStage::Dispatched | AttemptStage::Answered { .. }) {
            self.failed(Ending::CutBySerin);
        }
        self.give_probe_back();
        // The guard is told when the request ends, since the same provider may be asked again.
        let _ = self.answer_question(None);
        if let Some(at) = self.at {
            self.scope.series(at).leave(self.scope.core.id);
        }
        self.attempt.stage = AttemptStage::Over;
        let mut before = mem::take(&mut self.before);
        let (attempts, met) = (mem::take(&mut self.earlier), mem::take(&mut self.met));
        let guard = mem::take(&mut self.guard);
        before.add(EarlierPlan { scope: self.scope.clone(), attempts, met, guard });
        before
    }

    /// The attempt ended, and nothing of it has gone to the client.
    pub(crate) fn failed(&mut self, ending: Ending) {
        let record = self.close(ending, clock::instant());
        self.earlier.push(record);
    }

    /// The provider that failed is asked again after a pause.
    pub(crate) fn pauses(&mut self) {
        if let Some(sink) = self.scope.guard() {
            self.guard.pauses(sink);
        }
    }

    /// No request could be made for whoever was to be asked. That is known before it is begun, or right after.
    pub(crate) fn unfit(&mut self) {
        if self.attempt.stage == AttemptStage::Dispatched {
            self.failed(Ending::CutBySerin);
        }
    }

    /// The canary refused the request, and stable is asked whether it was sound.
    pub(crate) fn asks_stable(&mut self, ending: Ending, refusal: Refusal) {
        let mut record = self.attempt.record(ending, clock::instant());
        record.outcome = Outcome::ClientError;
        sinks::breaker(&self.scope, &record, &mut self.attempt.probe);
        self.guard.is_in_question();
        self.question = Some(Box::new(Question { record, refusal, place: self.earlier.len() }));
    }

    /// Stable accepted what the canary refused, or refused it as well; `None`: it said neither.
    pub(crate) fn stable_said(&mut self, accepts: Option<bool>) {
        if let Some(outcome) = self.answer_question(accepts) {
            self.end_guard_report(outcome);
        }
    }

    /// Returns what the refusal comes to, if there was one in question.
    fn answer_question(&mut self, accepts: Option<bool>) -> Option<Outcome> {
        let question = self.question.take()?;
        let Question { mut record, refusal, place } = *question;
        let accepted = accepts == Some(true);
        record.outcome = if accepted { Outcome::Unsupported } else { Outcome::ClientError };
        if !accepted {
            record.failure = None;
        }
        // What both refuse says nothing of either.
        let speaks = accepts != Some(false);
        if accepted || self.guard.is_given() {
            sinks::refusal(&self.scope, record.provider, refusal, accepted);
        }
        self.count(&record, speaks);
        let outcome = record.outcome;
        self.earlier.insert(place, record);
        Some(outcome)
    }

    /// Whether it is the canary that is asked, as evidence.
    pub(crate) fn tells_of_canary(&self) -> bool {
        self.scope.is_own_canary(self.attempt.candidate.id) && self.guard.is_given()
    }

    /// The canary refused the request, and nobody else is asked about it.
    pub(crate) fn refused(&self, refusal: Refusal) {
        if self.attempt.stage != AttemptStage::Over && self.tells_of_canary() {
            sinks::refusal(&self.scope, self.attempt.candidate.id, refusal, false);
        }
    }

    fn close(&mut self, ending: Ending, now: Instant) -> AttemptRecord {
        if self.attempt.stage == AttemptStage::Idle {
            // It came to nothing before it was dispatched: there was no connection.
            self.begin();
        }
        let mut record = self.attempt.record(ending, now);
        if matches!(record.outcome, Outcome::Ok | Outcome::ClientError | Outcome::ClientGone) {
            record.failure = None;
        } else if record.failure.is_none() {
            let cause = cause::of_answer(ending, None, None, None);
            record.failure = cause.map(|cause| Box::new(FailureReason { cause, request_id: None }));
        }
        sinks::breaker(&self.scope, &record, &mut self.attempt.probe);
        self.count(&record, !ending.is_by_policy());
        record
    }

    /// An attempt ended. `speaks`: whether it says anything of its provider.
    fn count(&mut self, record: &AttemptRecord, speaks: bool) {
        let own = sinks::ChosenProvider { guard: &mut self.guard, met: &mut self.met };
        sinks::attempt_ended(&self.scope, record, own, speaks);
    }

    /// A probe that comes to nothing: another request may find out.
    fn give_probe_back(&mut self) {
        if self.attempt.probe.is_some() {
            sinks::give_back(&self.scope, self.attempt.candidate.id, &mut self.attempt.probe);
        }
    }

    fn end_guard_report(&mut self, unseen: Outcome) {
        if let Some(sink) = self.scope.guard() {
            self.guard.ends(sink, unseen);
        }
    }

    /// The head of an answer came.
    pub(crate) fn answered(&mut self, status: u16) {
        self.attempt.stage = AttemptStage::Answered { status, begun: false };
        self.attempt.times.head = Some(clock::instant());
        self.scope.in_use.snapshot.provider(self.attempt.candidate.id).heard();
        // What follows is the client's and the provider's own affair.
        if status == 101
            && let Some(sink) = self.scope.guard()
        {
            self.guard.switched(sink);
        }
    }

    /// A part of the answer's body came.
    pub(crate) fn came(&mut self, part: Part) {
        let AttemptStage::Answered { status, begun } = self.attempt.stage else { return };
        let awaited = part != Part::Frame && is_success(status) && self.guard.awaits_output();
        if begun && !awaited && part != Part::Last {
            return;
        }
        let now = clock::instant();
        if !begun {
            self.attempt.stage = AttemptStage::Answered { status, begun: true };
            self.attempt.times.first_output = Some(now);
        }
        if awaited && let Some(sink) = self.scope.guard() {
            self.guard.output(sink, now);
        }
        if part == Part::Last {
            self.end_at(answered(status, BodyEnd::Complete), now);
        }
    }

    /// So many bytes came after the answer that left HTTP, and go to the client.
    pub(crate) fn carried(&mut self, bytes: usize) {
        if let Some(draft) = self.draft() {
            draft.passed(bytes);
        }
        self.came(Part::Output);
    }

    /// Output was seen in the answer, whether or not any of it has gone out.
    pub(crate) fn output_seen(&mut self) {
        let AttemptStage::Answered { status, .. } = self.attempt.stage else { return };
        if is_success(status)
            && self.guard.awaits_output()
            && let Some(sink) = self.scope.guard()
        {
            self.guard.output(sink, clock::instant());
        }
    }

    /// The answer's body ended.
    pub(crate) fn body_ended(&mut self, body: BodyEnd) {
        if let Some(ending) = self.attempt.ending_of(body) {
            self.end(ending);
        }
    }

    /// What an answer says of itself, before its end is accounted for: what it cost, and why it ended.
    pub(crate) fn says(&mut self, summary: Option<Summary>) {
        if self.attempt.stage != AttemptStage::Over && summary.is_some() {
            self.attempt.said = summary;
        }
    }

    /// Why the attempt will have failed, and by which id the provider knows it.
    pub(crate) fn because(&mut self, cause: Cause, request_id: Option<Box<str>>) {
        if self.attempt.stage != AttemptStage::Over {
            self.attempt.because(cause, request_id);
        }
    }

    /// The attempt is over, and with it the request. Whatever follows changes nothing.
    pub(crate) fn end(&mut self, ending: Ending) {
        if self.attempt.stage != AttemptStage::Over {
            self.end_at(ending, clock::instant());
        }
    }

    fn end_at(&mut self, ending: Ending, now: Instant) {
        // Only where an answer was on its way, or none had begun.
        let waited = match self.attempt.stage {
            AttemptStage::Answered { status, .. } => is_success(status),
            stage => stage == AttemptStage::Dispatched,
        };
        let left = ending == Ending::ClientLeft;
        // Whoever leaves has seen so far how fast it came.
        let paced = left || matches!(ending, Ending::Answered { body: BodyEnd::Complete, .. });
        let said = self.attempt.said.filter(|said| said.generated && said.outputs > 0 && paced);
        if ((left && waited) || said.is_some())
            && let Some(sink) = self.scope.guard()
        {
            if left && waited {
                self.guard.client_left(sink, now);
            }
            if let Some(Summary { outputs, .. }) = said.filter(|_| self.is_own()) {
                self.guard.paced(sink, outputs, now);
            }
        }
        let record = self.close(ending, now);
        self.finish_at(record.outcome, now, Some(record));
    }

    /// The request is over after an attempt that was accounted for; `by`: whose answer the client gets.
    pub(crate) fn finish(&mut self, outcome: Outcome, by: Candidate) {
        self.give_probe_back();
        self.attempt.candidate = by;
        self.finish_at(outcome, clock::instant(), None);
    }

    fn finish_at(&mut self, outcome: Outcome, end: Instant, last: Option<AttemptRecord>) {
        self.stable_said(None);
        self.attempt.stage = AttemptStage::Over;
        self.end_guard_report(outcome);
        self.is_at(self.attempt.candidate.id);
        let attempts = match &last {
            Some(last) if self.earlier.is_empty() => slice::from_ref(last),
            _ => {
                self.earlier.extend(last);
                &self.earlier
            }
        };
        for (id, breaker) in &self.passed_over {
            self.scope.in_use.snapshot.provider(*id).count_diverted(*breaker);
        }
        let (plan, by) = (&self.scope.plan, self.attempt.candidate.id);
        let took = end.saturating_duration_since(self.attempt.times.arrived);
        let (before, met) = (self.before.chapters(), &self.met);
        let record = RequestRecord { plan, by, outcome, before, attempts, met, took };
        sinks::request_ended(&self.scope, &record, self.draft.take());
    }
}

const fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
}

impl Drop for Account {
    fn drop(&mut self) {
        let ending = if self.scope.core.is_cutting() { Ending::CutBySerin } else { Ending::ClientLeft };
        if thread::panicking()
            && let Some(draft) = self.draft()
        {
            draft.unwinds();
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
