//! The account of one request: begun once, ended once, with one attempt or more in between.
//!
//! Charged to the arm that the split chose and to the snapshot by which the request was first dispatched. An attempt at
//! another provider is counted under that provider's name and is never evidence. Owns the order of a request's events,
//! and makes a record of each attempt and of the request where they end; what follows from a record is decided in
//! [`sinks`](super::sinks). Invariants: every attempt that was dispatched ends with exactly one outcome, and so does
//! every request that began.

mod end;
mod refusals;

use std::rc::Rc;
use std::time::Instant;

use super::candidates::Candidate;
use super::earlier_plans::EarlierPlans;
use super::guard_report::GuardReport;
use super::open::{AttemptStage, OpenAttempt, answered};
use super::permit::Permit;
use super::record::{AttemptRecord, BegunSpan};
use super::refusal::PendingRefusal;
use crate::clock;
use crate::decide::cause::Cause;
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::outcome::BodyEnd;
use crate::decide::route::{Plan, RouteReason};
use crate::decide::units::{Millis, ProviderId};
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::call::Expiry;
use crate::proxy::request::scope::Scope;
use crate::proxy::response::access::PendingEntry;
use crate::proxy::response::observe::Summary;
use crate::state::access_log::LimitLine;
use crate::state::causes::RequestCauses;
use crate::state::limit::{LimitKind, Turned};
use crate::state::provider::{BreakerKind, ProbeToken};

/// One request's account.
#[derive(Debug)]
pub(crate) struct Account {
    scope: Scope,
    attempt: OpenAttempt,
    /// The provider whose request it is at present; `None`: not dispatched yet.
    at: Option<ProviderId>,
    /// Attempts by this plan so far.
    attempts: u16,
    /// What the guard knows of it.
    guard: GuardReport,
    /// A refusal whose meaning depends on stable's answer.
    pending_refusal: Option<Box<PendingRefusal>>,
    /// Attempts that ended while the request went on.
    ended: Vec<AttemptRecord>,
    /// What was attempted by plans that no longer stand.
    earlier_plans: EarlierPlans,
    /// Providers that were not asked because of a breaker.
    diverted: Vec<(ProviderId, BreakerKind)>,
    /// Why the provider that the split chose failed it so far.
    met: RequestCauses,
    /// When the client of a call of gRPC stops waiting.
    expiry: Option<Expiry>,
    /// Its entry for the access log and its trace, if it has one.
    entry: Option<Box<PendingEntry>>,
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

impl Account {
    /// For a request that is about to be dispatched by this plan. It is large and often passed on, so it is made in a
    /// box.
    pub(crate) fn planned(
        core: &Rc<Core>,
        in_use: &Rc<InUse>,
        plan: Plan,
        kind: ResponseKind,
        arrived: Instant,
    ) -> Box<Account> {
        let candidate = Candidate::keyless(plan.provider);
        let account = Account {
            scope: Scope { core: Rc::clone(core), in_use: Rc::clone(in_use), plan, kind },
            attempt: OpenAttempt::at(candidate, arrived),
            at: None,
            attempts: 0,
            guard: GuardReport::default(),
            pending_refusal: None,
            ended: Vec::new(),
            earlier_plans: EarlierPlans::default(),
            diverted: Vec::new(),
            met: RequestCauses::default(),
            expiry: None,
            entry: None,
        };
        Box::write(Box::new_uninit(), account)
    }

    /// It was planned before, and attempted.
    pub(super) fn continue_from(&mut self, mut earlier: EarlierPlans) {
        (self.met, self.guard) = earlier.resume(&self.scope);
        self.earlier_plans = earlier;
    }

    /// Its client stops waiting then.
    pub(super) fn set_expiry(&mut self, expiry: Option<Expiry>) {
        self.expiry = expiry;
    }

    /// Gives it an entry for the access log and its trace.
    pub(super) fn set_entry(&mut self, entry: Option<Box<PendingEntry>>) {
        self.entry = entry;
    }

    /// Its entry for the access log and its trace.
    pub(crate) fn entry(&mut self) -> Option<&mut PendingEntry> {
        self.entry.as_deref_mut()
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The attempt under way.
    pub(crate) fn attempt(&self) -> &OpenAttempt {
        &self.attempt
    }

    /// The attempt under way, to note what is learnt of it.
    pub(super) fn attempt_mut(&mut self) -> &mut OpenAttempt {
        &mut self.attempt
    }

    /// How many attempts there were, by whatever plan.
    pub(crate) fn attempts(&self) -> usize {
        self.earlier_plans.attempts() + usize::from(self.attempts)
    }

    /// Begins another attempt; `own_key`: with a key of Serin's. The same provider asked again without a ticket keeps
    /// the one that it had.
    pub(crate) fn begin_attempt(
        &mut self,
        candidate: Candidate,
        probe: Option<ProbeToken>,
        own_key: bool,
        span: Option<BegunSpan>,
    ) {
        if probe.is_some() || candidate.id != self.attempt.candidate.id {
            self.release_probe();
            self.attempt.probe = probe;
        }
        self.attempt.begin(candidate, own_key, span);
        self.diverted.retain(|(id, _)| *id != candidate.id);
        if !self.is_at_chosen()
            && let Some(sink) = self.scope.guard()
        {
            self.guard.other_is_asked(sink);
        }
    }

    /// A breaker has another provider asked first: what follows says nothing about the canary.
    pub(super) fn divert(&mut self, from: ProviderId, breaker: BreakerKind) {
        self.scope.in_use.snapshot.provider(from).count_bypass(breaker);
        self.diverted.push((from, breaker));
        self.scope.plan.counted = false;
    }

    /// The attempt that is about to be sent has room within its provider's limit.
    pub(super) fn hold(&mut self, permit: Permit) {
        self.attempt.permit = Some(permit);
    }

    /// A limit had no room for the attempt that was to be sent: what follows says nothing about the canary.
    pub(super) fn turned_away(&mut self) {
        self.release_probe();
        if self.attempts == 0 {
            self.scope.plan.counted = false;
        }
    }

    /// Notes for the access log that a limit had no room.
    pub(super) fn note_limit(&mut self, id: ProviderId, kind: LimitKind, turned: Turned, waited: Millis) {
        if let Some(entry) = &mut self.entry {
            entry.note_limit(LimitLine {
                provider: self.scope.name(id).to_owned(),
                limit: kind.as_str(),
                then: turned.as_str(),
                waited_ms: waited.0,
            });
        }
    }

    /// Whether a request between two attempts may still be sent to the provider that was asked last.
    pub(crate) fn still_stands(&self) -> bool {
        let now = self.scope.core.in_use();
        Rc::ptr_eq(&now, &self.scope.in_use)
            || self.scope.still_stands(&now, self.attempt.candidate.id, self.attempts == 0)
    }

    /// Checks the plan right before the request is sent. Begins the attempt and returns true if it still stands. A
    /// newer snapshot that changes nothing for this request does not have it planned anew.
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
        if let Some(permit) = &mut self.attempt.permit {
            permit.sent();
        }
        let now = clock::instant();
        self.attempt.times.connected = Some(now);
        if self.is_at_chosen()
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
        self.move_to(id);
        if self.attempts == 1 {
            let (series, plan) = (self.scope.series(id), &self.scope.plan);
            if plan.anonymous {
                series.count_anonymous(core);
            }
            if plan.reason == RouteReason::Unheld {
                series.count_unbuffered(core);
            }
        }
        if self.scope.plan.counted
            && self.is_at_chosen()
            && let Some(sink) = self.scope.guard()
        {
            self.guard.expose(sink);
        }
    }

    /// Counts it as this provider's request from now on.
    fn move_to(&mut self, id: ProviderId) {
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

    /// Whether the provider that is asked is the one that the split chose.
    fn is_at_chosen(&self) -> bool {
        self.scope.is_chosen(self.attempt.candidate.id)
    }

    /// The head of an answer came.
    pub(super) fn head_came(&mut self, status: u16) {
        self.attempt.stage = AttemptStage::Answered { status, begun: false };
        self.attempt.times.head = Some(clock::instant());
        self.scope.in_use.snapshot.provider(self.attempt.candidate.id).record_response_head();
        // What follows belongs to client and provider alone.
        if status == 101
            && let Some(sink) = self.scope.guard()
        {
            self.guard.upgraded(sink);
        }
    }

    /// A part of the answer's body came.
    pub(crate) fn note_part(&mut self, part: Part) {
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
        if let Some(entry) = self.entry() {
            entry.add_bytes(bytes);
        }
        self.note_part(Part::Output);
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

    /// Notes what an answer says about itself: what it cost, and why it finished. Called before its end.
    pub(crate) fn note_summary(&mut self, summary: Option<Summary>) {
        if self.attempt.stage != AttemptStage::Over && summary.is_some() {
            self.attempt.summary = summary;
        }
    }

    /// Notes why the attempt fails, and the provider's id of the request.
    pub(crate) fn note_cause(&mut self, cause: Cause, request_id: Option<Box<str>>) {
        if self.attempt.stage != AttemptStage::Over {
            self.attempt.note_cause(cause, request_id);
        }
    }
}

const fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
}
