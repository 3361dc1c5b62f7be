//! From a plan to an answer, over as many attempts as it takes.
//!
//! Owns the order: after a failure it does what [`retry`](crate::decide::retry) says, until an answer is good enough to
//! go out or no candidate is left. All candidates take the same path. When all failed, the client gets the failure of
//! the provider that the split chose, or the text of a `last_resort`. Invariant: nothing has gone to the client while
//! this runs, so that dropping it at any point cancels all of it.

mod attempt;
mod failed;
mod keys;
mod last_resort;
mod left;
pub(crate) mod room;
mod state;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;

use super::account::{Account, Part};
use super::candidates::{Candidate, Candidates};
use super::deadline::Deadline;
use super::earlier_plans::EarlierPlans;
use super::key_choice::KeysInUse;
use super::lookup::{Lookup, NextOwner};
use super::pause::{Paused, pause};
use super::send::AttemptError;
use super::withdrawal::Withdrawable;
use crate::clock;
use crate::decide::fallback::fallback_candidates;
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::outcome::{BodyEnd, Ending, Outcome};
use crate::decide::policy::Rollout;
use crate::decide::retry::{NextAction, next_action};
use crate::decide::route::{Plan, RouteShare};
use crate::decide::units::Millis;
use crate::proxy::copies::sample::PendingSample;
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::trace::Trace;
use crate::proxy::response::access::PendingEntry;
use crate::proxy::response::buffered_response::BufferedResponse;
use crate::proxy::response::error::ProxyError;
use crate::proxy::response::problem::X_SHOULD_RETRY;
use crate::proxy::response::respond::ProviderResponse;
use crate::state::provider::ProbeToken;

/// A planned request on its way to an answer.
pub(crate) struct Failover<'a> {
    core: &'a Rc<Core>,
    in_use: &'a Rc<InUse>,
    client_request: &'a ClientRequest<'a>,
    rollout: Option<&'a Arc<Rollout>>,
    account: Box<Account>,
    candidates: Candidates,
    /// Until when the chosen provider is waited for, once it was asked while another candidate was left.
    deadline: Option<Deadline>,
    /// Its trace, if traces are asked for.
    trace: Option<Rc<Trace>>,
    /// Who else may have what the request names, and is still to be asked.
    lookup: Lookup,
    /// What the client gets if all candidates fail: the last failure of the chosen provider, else the first of any.
    failed_attempt: Option<Box<LastFailure>>,
}

/// A failed attempt, with the response that the client gets if all candidates fail.
struct LastFailure {
    outcome: Outcome,
    candidate: Candidate,
    response: FailureResponse,
}

/// A provider's answer where there is one, else a problem of Serin's.
enum FailureResponse {
    Answer(Box<BufferedResponse>),
    Error(ProxyError),
}

impl FailureResponse {
    /// The same, and the client's library is told not to retry by itself. A provider that says either is heard.
    fn made_final(self) -> FailureResponse {
        match self {
            FailureResponse::Answer(mut answer) => {
                // What libraries retry by themselves.
                if matches!(answer.head.status.as_u16(), 408 | 409 | 429 | 500..) {
                    answer.head.headers.entry(X_SHOULD_RETRY).or_insert(HeaderValue::from_static("false"));
                }
                FailureResponse::Answer(answer)
            }
            FailureResponse::Error(problem) => FailureResponse::Error(problem.made_final()),
        }
    }
}

/// What came of a planned request.
pub(crate) enum FailoverResult {
    Answer(ProviderResponse),
    /// The request is to be planned anew; so far, this was attempted.
    Replan(EarlierPlans),
}

impl<'a> Failover<'a> {
    /// Begins with the provider that the split chose. `earlier`: what was attempted by earlier plans.
    pub(crate) fn begin(
        core: &'a Rc<Core>,
        in_use: &'a Rc<InUse>,
        plan: Plan,
        client_request: &'a ClientRequest<'a>,
        (arrived, earlier, trace): (Instant, EarlierPlans, Option<Rc<Trace>>),
    ) -> Failover<'a> {
        let policy = &in_use.snapshot.policy;
        let share = plan.rollout.map(|id| {
            let in_force = in_use.snapshot.in_force(id);
            RouteShare { percent: in_force.percent, buckets_only: in_force.buckets_only }
        });
        let rollout_id = plan.rollout;
        let rollout = rollout_id.map(|id| &policy.rollouts[usize::from(id.0)]);
        let others = fallback_candidates(policy, &plan, share, client_request.request.below(), client_request.model());
        let mut failover = Failover {
            core,
            in_use,
            client_request,
            rollout,
            account: Account::planned(core, in_use, plan, ResponseKind::of(client_request.streaming), arrived),
            candidates: Candidates::new(plan.provider, others),
            deadline: None,
            trace,
            lookup: Lookup::default(),
            failed_attempt: None,
        };
        if let (Some(id), Some(rollout)) = (rollout_id, rollout)
            && let Some(canary) = &rollout.canary
        {
            let diverts = in_use.snapshot.in_force(id).diverts;
            failover.candidates.between_arms(rollout.stable, canary.provider, diverts);
        }
        failover.account.set_expiry(client_request.request.grpc.and_then(|call| call.expiry));
        let is_replan = earlier.is_replan();
        if is_replan {
            failover.account.continue_from(earlier);
        }
        let sample = || PendingSample::of(core, in_use, failover.plan(), client_request, arrived);
        let sample = if is_replan { None } else { sample() };
        failover.account.set_entry(PendingEntry::of(core, policy, client_request, failover.trace.as_ref(), sample));
        if !is_replan {
            failover.earn_retries();
        }
        failover
    }

    /// Decides by the first attempt's result: delivers a good answer, and asks other candidates after a failure.
    pub(crate) async fn conclude(
        self,
        result: Result<Box<BufferedResponse>, AttemptError>,
    ) -> Result<FailoverResult, ProxyError> {
        match result {
            Ok(response) if self.is_good(&response) => Ok(FailoverResult::Answer(self.deliver(response))),
            // What is rare is boxed, so that a request's future stays small.
            result => Box::pin(self.recover(result)).await,
        }
    }

    fn next_candidate(&mut self) -> Option<(Candidate, Option<ProbeToken>)> {
        let (account, keys) = (&mut self.account, KeysInUse::of(self.in_use, self.client_request));
        let has_key = |id| keys.has_usable(id, &[]);
        let (id, probe) = self.candidates.next(self.in_use, has_key, |id, breaker| account.divert(id, breaker))?;
        Some((self.with_key(id), probe))
    }

    /// A request that Serin cannot make for stable is not sent to the canary instead.
    fn exclude_canary(&mut self) {
        if let Some(canary) = self.rollout.and_then(|rollout| rollout.canary.as_ref()) {
            self.candidates.leave_out(canary.provider);
        }
    }

    /// Whether the client of a call stops waiting now.
    fn is_expired(&self) -> bool {
        let expiry = self.client_request.request.grpc.and_then(|call| call.expiry);
        expiry.is_some_and(|expiry| expiry.is_over(clock::instant()))
    }

    fn plan(&self) -> &Plan {
        &self.account.scope().plan
    }

    fn candidate(&self) -> Candidate {
        self.account.attempt().candidate
    }

    /// Why there is no answer, for the client.
    fn problem(&self, ending: Ending, detail: String) -> ProxyError {
        self.account.scope().problem(self.candidate().id, ending, detail)
    }

    /// Whether an answer goes out as it is.
    fn is_good(&self, buffered_response: &BufferedResponse) -> bool {
        buffered_response.ending.is_none_or(|ending| match self.account.attempt().outcome_of(ending) {
            Outcome::Ok | Outcome::Empty => true,
            // Stable answered so before there was a canary: no client is moved by it, unless it gets no WebSocket.
            Outcome::Malformed => !ending.is_no_upgrade() && !self.account.scope().is_strict(self.candidate().id),
            _ => false,
        })
    }

    /// Notes for the access log that what was held goes out.
    fn note_held_bytes(&mut self, buffered_response: &BufferedResponse) {
        if let Some(entry) = self.account.entry() {
            entry.add_bytes(usize::try_from(buffered_response.pieces.length()).unwrap_or(usize::MAX));
        }
    }

    /// The answer that goes out.
    fn deliver(mut self, mut buffered_response: Box<BufferedResponse>) -> ProviderResponse {
        if self.plan().bound.is_bound() {
            self.note_owner(buffered_response.head.status);
        }
        self.account.stable_answered(Some(true));
        if let Some(call) = &mut buffered_response.call {
            call.recorder = self.client_request.request.recorder.take();
        }
        self.account.note_summary(buffered_response.summary);
        if let Some(entry) = self.account.entry() {
            entry.answered(buffered_response.head.status);
            let BufferedResponse { head, pieces, .. } = &mut *buffered_response;
            entry.keep_held(head, pieces);
        }
        match buffered_response.ending {
            None => {}
            Some(Ending::Answered { body: BodyEnd::Complete, .. }) => {
                self.note_held_bytes(&buffered_response);
                self.account.note_part(Part::Last);
            }
            Some(ending) => {
                self.note_held_bytes(&buffered_response);
                self.note_cause(ending, &buffered_response);
                self.account.end(ending);
            }
        }
        ProviderResponse { buffered_response, account: self.account }
    }

    async fn recover(
        mut self,
        mut result: Result<Box<BufferedResponse>, AttemptError>,
    ) -> Result<FailoverResult, ProxyError> {
        let mut candidate = self.candidate();
        loop {
            let mut probe = None;
            let (ending, failed, response) = match result {
                Ok(buffered_response) if self.is_good(&buffered_response) => {
                    return Ok(FailoverResult::Answer(self.deliver(buffered_response)));
                }
                Err(AttemptError::Replan) => return Ok(FailoverResult::Replan(self.account.into_earlier_plans())),
                Err(AttemptError::Cut) => return Err(self.stop()),
                Err(AttemptError::Unfit(problem)) => {
                    self.account.unfit();
                    self.give_up_trial(candidate);
                    self.remember(Outcome::SerinError, candidate, || FailureResponse::Error(problem));
                    if self.account.scope().is_chosen_stable(candidate.id) {
                        self.exclude_canary();
                    }
                    match self.next_candidate() {
                        Some((next, probe)) => {
                            candidate = next;
                            result = self.attempt(candidate, probe).await;
                            continue;
                        }
                        None => return self.give_up(Outcome::SerinError),
                    }
                }
                Err(AttemptError::Full { comes_back, problem }) => {
                    self.account.turned_away();
                    self.give_up_trial(candidate);
                    if comes_back {
                        self.candidates.put_last(candidate.id);
                    } else if self.failed_attempt.is_none() && !self.candidates.has_others() {
                        self.remember(Outcome::SerinError, candidate, || FailureResponse::Error(problem));
                    }
                    match self.next_candidate() {
                        Some((next, probe)) => {
                            candidate = next;
                            result = self.attempt(candidate, probe).await;
                            continue;
                        }
                        None => return self.give_up(Outcome::SerinError),
                    }
                }
                Err(AttemptError::Refused(problem)) => {
                    self.account.turned_away();
                    self.give_up_trial(candidate);
                    self.remember(Outcome::SerinError, candidate, || FailureResponse::Error(problem));
                    return self.give_up(Outcome::SerinError);
                }
                Err(AttemptError::Failed(failure)) => self.no_answer(failure),
                Ok(buffered_response) => self.bad_answer(buffered_response),
            };
            let response = if self.plan().bound.is_bound() {
                match self.next_owner(candidate, failed, response) {
                    (NextOwner::None, Some(response)) => response,
                    (next, response) => {
                        self.account.failed(ending);
                        if let Some(response) = response {
                            self.remember(failed.outcome, candidate, || response);
                        }
                        let NextOwner::Ask(next) = next else { return self.give_up(failed.outcome) };
                        self.candidates.ask_only(next);
                        match self.next_candidate() {
                            Some(next) => (candidate, probe) = next,
                            None => return self.give_up(failed.outcome),
                        }
                        result = self.attempt(candidate, probe).await;
                        continue;
                    }
                }
            } else {
                response
            };
            match next_action(failed, self.left(candidate), self.pace(candidate)) {
                NextAction::Deliver => {
                    if failed.outcome == Outcome::ClientError && self.account.is_evidence_of_canary() {
                        self.account.report_refusal(self.refusal(ending, &response));
                    }
                    self.account.stable_answered((failed.outcome == Outcome::ClientError).then_some(false));
                    self.account.failed(ending);
                    self.remember(failed.outcome, candidate, || response);
                    return self.give_up(failed.outcome);
                }
                NextAction::Redial => {
                    self.spend_retry();
                }
                NextAction::Again(length) => {
                    candidate = self.on_trial(candidate);
                    self.account.failed(ending);
                    self.account.pauses();
                    self.spend_retry();
                    // Memory and connection are free for others meanwhile.
                    if self.candidates.has_others() {
                        self.remember(failed.outcome, candidate, || response)
                    } else {
                        drop(response)
                    }
                    match self.pause(candidate, length).await {
                        Paused::Over => {}
                        Paused::Cut => return Err(self.stop()),
                        Paused::Replan => return Ok(FailoverResult::Replan(self.account.into_earlier_plans())),
                        Paused::Withdrawn => match self.next_candidate() {
                            Some(next) => (candidate, probe) = next,
                            None => return self.give_up(failed.outcome),
                        },
                    }
                }
                NextAction::NextKey => {
                    self.account.failed(ending);
                    self.remember(failed.outcome, candidate, || response);
                    match self.next_key(candidate).map(|next| (next, None)).or_else(|| self.next_candidate()) {
                        Some(next) => (candidate, probe) = next,
                        None => return self.give_up(failed.outcome),
                    }
                }
                NextAction::Other => {
                    self.account.failed(ending);
                    self.remember(failed.outcome, candidate, || response);
                    match self.next_candidate() {
                        Some(next) => (candidate, probe) = next,
                        None => return self.give_up(failed.outcome),
                    }
                }
                NextAction::AskStable => {
                    let refusal = self.refusal(ending, &response);
                    self.account.ask_stable(ending, refusal);
                    self.remember(failed.outcome, candidate, || response);
                    if let Some(rollout) = self.rollout {
                        self.candidates.ask_only(rollout.stable);
                    }
                    match self.next_candidate() {
                        Some(next) => (candidate, probe) = next,
                        None => return self.give_up(failed.outcome),
                    }
                }
            }
            result = self.attempt(candidate, probe).await;
        }
    }

    async fn pause(&self, candidate: Candidate, length: Millis) -> Paused {
        let no_output = Cell::new(false);
        let rollout = self.plan().rollout.filter(|_| self.candidates.has_others());
        let withdrawable = rollout.and_then(|rollout| Withdrawable::of(self.in_use, rollout, candidate.id, &no_output));
        pause(self.core, &self.account, withdrawable, length).await
    }

    /// Remembers the last failure of the chosen provider, or else the first of any.
    fn remember(&mut self, outcome: Outcome, candidate: Candidate, response: impl FnOnce() -> FailureResponse) {
        if self.failed_attempt.is_none() || self.account.scope().is_chosen(candidate.id) {
            self.failed_attempt = Some(Box::new(LastFailure { outcome, candidate, response: response() }));
        }
    }

    /// Serin ends before there is an answer.
    fn stop(mut self) -> ProxyError {
        if let Some(entry) = self.account.entry() {
            entry.answered_by_serin(&ProxyError::Stopping);
        }
        ProxyError::Stopping
    }

    /// All candidates failed, the last one so.
    fn give_up(mut self, last: Outcome) -> Result<FailoverResult, ProxyError> {
        let Some(failed_attempt) = self.failed_attempt.take() else {
            return Ok(FailoverResult::Replan(self.account.into_earlier_plans()));
        };
        let LastFailure { outcome, candidate, mut response } = *failed_attempt;
        if let Some(last_resort) = self.last_resort([outcome, last], &response) {
            let scope = self.account.scope();
            scope.series(candidate.id).count_last_resort(scope.core.id);
            response = FailureResponse::Error(last_resort);
        } else if self.discourages_retries() {
            response = response.made_final();
        }
        if let Some(entry) = self.account.entry() {
            match &response {
                FailureResponse::Error(problem) => entry.answered_by_serin(problem),
                FailureResponse::Answer(buffered_response) => entry.answered(buffered_response.head.status),
            }
        }
        if let FailureResponse::Answer(buffered_response) = &response {
            self.note_held_bytes(buffered_response);
        }
        self.account.finish(outcome, candidate);
        match response {
            FailureResponse::Answer(buffered_response) => {
                Ok(FailoverResult::Answer(ProviderResponse { buffered_response, account: self.account }))
            }
            FailureResponse::Error(problem) => Err(problem),
        }
    }
}
