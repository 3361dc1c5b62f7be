//! From a plan to an answer, over as many candidates as it takes.
//!
//! Owns the order of things: dispatch, send, buffer, and after a failure whatever [`retry`](crate::decide::retry) says, until
//! an answer is good enough to go out or nobody is left. All candidates take the same path. When everybody failed, the client
//! gets what the provider said that the split chose. Invariant: nothing has gone to the client while this runs, so that
//! leaving it at any point cancels all of it.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::account::{Account, Part};
use super::candidates::{Candidate, Candidates};
use super::cause;
use super::deadline::Deadline;
use super::pause::{Paused, pause};
use super::refusal::Refusal;
use super::replanned::EarlierPlans;
use super::retry_after::retry_after;
use super::send::{self, AttemptError, Dispatch, Failure, Recheck};
use super::withdrawal::{Withdrawable, unless_withdrawn};
use crate::clock;
use crate::decide::fallback::others;
use crate::decide::guard::waiting::Kind;
use crate::decide::outcome::{BodyEnd, Ending, Outcome, is_about_the_request};
use crate::decide::policy::{Fallback, Retry, Rollout, Secret, StreamMode};
use crate::decide::retry::{Failed, Left, Next, Pace, next};
use crate::decide::route::{InForceShare, Plan};
use crate::decide::units::Millis;
use crate::proxy::body::BodyClocks;
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::outbound::{ClientRequest, build};
use crate::proxy::request::prepared::PreparedProvider;
use crate::proxy::response::access::PendingEntry;
use crate::proxy::response::buffer::{BufferRules, BufferedResponse, buffer};
use crate::proxy::response::error::Problem;
use crate::proxy::response::observe::{ReadAs, Summary};
use crate::proxy::response::relay::Answer;
use crate::proxy::upstream::{SendError, SendLimits};
use crate::state::provider::Ticket;
use crate::state::retry_budget::RetryBudget;
use crate::wire::complaint::{About, Complaint};
use crate::wire::dialect::Dialect;
use crate::wire::shape::Shape;

/// One request on its way to an answer.
struct Failover<'a> {
    core: &'a Rc<Core>,
    in_use: &'a Rc<InUse>,
    original: &'a ClientRequest<'a>,
    rollout: Option<&'a Arc<Rollout>>,
    account: Box<Account>,
    candidates: Candidates,
    /// Until when the chosen provider is waited for, once it was asked while somebody else could answer.
    deadline: Option<Deadline>,
    /// What the provider said that the split chose.
    kept: Option<Box<FailedAttempt>>,
}

/// What came of one try.
enum AttemptResult {
    /// An answer's head, and as much of its body as it took to be certain.
    Answered(Box<BufferedResponse>),
    /// No answer.
    Failed(Failure),
    /// No request could be made for this provider.
    Unfit(Problem),
    /// What is in force has changed.
    Replan,
    /// Serin ends, and waits for nobody any more.
    Cut,
}

/// A failure, with all that a client could be told of it.
struct FailedAttempt {
    outcome: Outcome,
    candidate: Candidate,
    said: Said,
}

enum Said {
    Answer(Box<BufferedResponse>),
    Problem(Problem),
}

/// What came of a planned request.
pub(crate) enum FailoverResult {
    /// An answer.
    Answer(Answer),
    /// It is to be planned anew; so far, this was attempted.
    Replan(EarlierPlans),
}

/// Sends a planned request to whoever answers it. `before`: what was attempted by earlier plans.
pub(crate) async fn reach(
    core: &Rc<Core>,
    in_use: &Rc<InUse>,
    plan: Plan,
    original: &ClientRequest<'_>,
    (arrived, before): (Instant, EarlierPlans),
) -> Result<FailoverResult, Problem> {
    let policy = &in_use.snapshot.policy;
    let share = plan.rollout.map(|id| {
        let in_force = in_use.snapshot.in_force(id);
        InForceShare { percent: in_force.percent, closed: in_force.closed }
    });
    let rollout_id = plan.rollout;
    let rollout = rollout_id.map(|id| &policy.rollouts[usize::from(id.0)]);
    let others = others(policy, &plan, share, original.below(), original.model());
    let mut failover = Failover {
        core,
        in_use,
        original,
        rollout,
        account: Account::planned(core, in_use, plan, Kind::of(original.streaming), arrived),
        candidates: Candidates::new(plan.provider, others),
        deadline: None,
        kept: None,
    };
    if let (Some(id), Some(rollout)) = (rollout_id, rollout)
        && let Some(canary) = &rollout.canary
    {
        let diverts = in_use.snapshot.in_force(id).diverts;
        failover.candidates.between_arms(rollout.stable, canary.provider, diverts);
    }
    if before.attempts() > 0 {
        failover.account.follows(before);
    }
    failover.account.will_be_logged(PendingEntry::of(core, policy, original));
    failover.earn_repeats();
    let Some((candidate, probe)) = failover.next_candidate() else {
        return Ok(FailoverResult::Replan(failover.account.forget()));
    };
    match failover.attempt(candidate, probe).await {
        AttemptResult::Answered(buffered_response) if failover.is_good(&buffered_response) => {
            Ok(FailoverResult::Answer(failover.deliver(buffered_response)))
        }
        // What is rare is boxed, so that the place of a request's future stays small.
        tried => Box::pin(failover.recover(candidate, tried)).await,
    }
}

impl<'a> Failover<'a> {
    fn next_candidate(&mut self) -> Option<(Candidate, Option<Ticket>)> {
        let account = &mut self.account;
        self.candidates.next(self.in_use, |id, breaker| account.divert(id, breaker))
    }

    async fn attempt(&mut self, candidate: Candidate, probe: Option<Ticket>) -> AttemptResult {
        let (in_use, original) = (self.in_use, self.original);
        let (policy, to) = (&in_use.snapshot.policy, self.outbound(candidate));
        let entitled = self.account.scope().is_entitled(candidate.id);
        let stranger = original.request_head.stranger;
        // A key that the client's own credentials stand in for is the client's.
        self.account.begin_attempt(candidate, probe, !stranger && (to.own_key || !entitled));
        if let Some(reason) = &to.unusable {
            let problem = Problem::Unusable { provider: to.provider.name.clone(), reason: reason.clone() };
            return AttemptResult::Unfit(problem);
        }
        let recoverable = self.candidates.has_others() && original.can_be_sent_again();
        let deadline = self.deadline(candidate, recoverable);
        let timeouts = &to.provider.timeouts;
        let head = if original.streaming { timeouts.stream_headers } else { timeouts.headers };
        let dispatch = Dispatch {
            upstreams: &self.core.upstreams,
            provider: &to.provider,
            egress: policy.egress.as_ref().map(Secret::reveal),
            upgrade: original.request_head.upgrade,
            waits: SendLimits {
                head,
                deadline,
                client: policy.limits.idle,
                body: BodyClocks { first_output: timeouts.first_output, idle: timeouts.idle },
            },
        };
        let (key, entitled) = (to.key(candidate.turn), entitled && !stranger);
        let (core, buffered) =
            (self.core, self.rollout.is_some_and(|rollout| rollout.stream_mode == StreamMode::Buffered));
        let hold = self.rollout.map_or(Millis(0), |rollout| rollout.hold);
        let strict = self.account.scope().is_strict(candidate.id);
        let asked = ReadAs {
            dialect: original.dialect,
            done: to.provider.done_marker,
            stream: original.read.map(|_| original.streaming),
            strict,
            thorough: strict && buffered && recoverable,
        };
        let has_output = Cell::new(false);
        let rollout = self.plan().rollout.filter(|_| recoverable && !original.request_head.upgrade);
        let withdrawable = rollout.and_then(|rollout| Withdrawable::of(in_use, rollout, candidate.id, &has_output));
        let account = &mut self.account;
        let make = || build(original, &in_use.prepared, to, key, entitled);
        let tried = pin!(async {
            let gate = || if account.dispatch() { Recheck::Go } else { Recheck::Replan };
            let response = match send::run(&dispatch, gate, make, |body| original.give_back(body)).await {
                Ok(response) => response,
                Err(AttemptError::Failed(failure))
                    if failure.fault.is_own_file() && account.scope().is_own_stable(candidate.id) =>
                {
                    let (provider, reason) = (to.provider.name.clone(), failure.fault.to_string());
                    return AttemptResult::Unfit(Problem::Unusable { provider, reason });
                }
                Err(AttemptError::Failed(failure)) => return AttemptResult::Failed(failure),
                Err(AttemptError::Unfit(problem)) => return AttemptResult::Unfit(problem),
                Err(AttemptError::Replan) => return AttemptResult::Replan,
            };
            account.answered(response.status().as_u16());
            let scales = BufferRules {
                asked,
                recoverable,
                buffered,
                hold,
                deadline,
                most: (policy.limits.replay_body, policy.limits.replay_memory),
            };
            let output = || {
                has_output.set(true);
                account.output_seen();
            };
            let buffered_response = BufferedResponse::unseen(response, &core.replay, recoverable);
            AttemptResult::Answered(buffer(buffered_response, scales, output).await)
        });
        unless_withdrawn(core, withdrawable, tried).await.unwrap_or_else(|| given_up(core))
    }

    /// What Serin itself cannot ask of stable is no reason to ask the canary.
    fn leave_canary_alone(&mut self) {
        if let Some(canary) = self.rollout.and_then(|rollout| rollout.canary.as_ref()) {
            self.candidates.leave_out(canary.provider);
        }
    }

    fn outbound(&self, candidate: Candidate) -> &'a PreparedProvider {
        let prepared = &self.in_use.prepared;
        if self.original.request_head.stranger {
            prepared.outbound_of_stranger(candidate.id)
        } else {
            prepared.outbound(candidate.id)
        }
    }

    /// By when the answer of the chosen provider has to begin while somebody else can answer.
    fn deadline(&mut self, candidate: Candidate, recoverable: bool) -> Option<Deadline> {
        let scope = self.account.scope();
        if !recoverable || !scope.is_own(candidate.id) {
            return None;
        }
        self.deadline = self.deadline.or_else(|| Deadline::of(scope));
        self.deadline
    }

    fn plan(&self) -> &Plan {
        &self.account.scope().plan
    }

    /// Who is tried.
    fn candidate(&self) -> Candidate {
        self.account.attempt().candidate
    }

    /// Why there is no answer, for the client.
    fn problem(&self, ending: Ending, detail: String) -> Problem {
        self.account.scope().problem(self.candidate().id, ending, detail)
    }

    /// Whether it goes out as it is.
    fn is_good(&self, buffered_response: &BufferedResponse) -> bool {
        buffered_response.ending.is_none_or(|ending| match self.account.attempt().outcome_of(ending) {
            Outcome::Ok | Outcome::Empty => true,
            // As it always was, so that nobody is moved.
            Outcome::Malformed => !self.account.scope().is_strict(self.candidate().id),
            _ => false,
        })
    }

    /// Why an answer came to such an ending, for its record.
    fn note_cause(&mut self, ending: Ending, buffered_response: &BufferedResponse) {
        let headers = &buffered_response.head.headers;
        let detail = match ending {
            Ending::Answered { body: BodyEnd::Malformed(shape), .. } => cause::detail(shape, headers),
            _ => None,
        };
        if let Some(cause) =
            cause::of_answer(ending, buffered_response.complaint.as_deref(), buffered_response.broke.as_ref(), detail)
        {
            self.account.because(cause, cause::request_id(headers));
        }
    }

    /// What was held goes out.
    fn passes(&mut self, buffered_response: &BufferedResponse) {
        if let Some(draft) = self.account.draft() {
            draft.passed(usize::try_from(buffered_response.pieces.length()).unwrap_or(usize::MAX));
        }
    }

    /// The answer that goes out.
    fn deliver(mut self, buffered_response: Box<BufferedResponse>) -> Answer {
        self.account.stable_said(Some(true));
        self.account.says(buffered_response.summary);
        if let Some(draft) = self.account.draft() {
            draft.answered(buffered_response.head.status);
        }
        match buffered_response.ending {
            None => {}
            Some(Ending::Answered { body: BodyEnd::Complete, .. }) => {
                self.passes(&buffered_response);
                self.account.came(Part::Last);
            }
            Some(ending) => {
                self.passes(&buffered_response);
                self.note_cause(ending, &buffered_response);
                self.account.end(ending);
            }
        }
        Answer { buffered_response, account: self.account }
    }

    async fn recover(mut self, mut candidate: Candidate, mut tried: AttemptResult) -> Result<FailoverResult, Problem> {
        loop {
            let mut probe = None;
            let (ending, failed, said) = match tried {
                AttemptResult::Answered(buffered_response) if self.is_good(&buffered_response) => {
                    return Ok(FailoverResult::Answer(self.deliver(buffered_response)));
                }
                AttemptResult::Replan => return Ok(FailoverResult::Replan(self.account.forget())),
                AttemptResult::Cut => return Err(self.stop()),
                AttemptResult::Unfit(problem) => {
                    self.account.unfit();
                    self.keep(Outcome::SerinError, candidate, || Said::Problem(problem));
                    if self.account.scope().is_own_stable(candidate.id) {
                        self.leave_canary_alone();
                    }
                    match self.next_candidate() {
                        Some((next, probe)) => {
                            candidate = next;
                            tried = self.attempt(candidate, probe).await;
                            continue;
                        }
                        None => return self.give_up(),
                    }
                }
                AttemptResult::Failed(failure) => self.no_answer(failure),
                AttemptResult::Answered(buffered_response) => self.bad_answer(buffered_response),
            };
            match next(failed, self.left(candidate), self.pace(candidate)) {
                Next::Deliver => {
                    if failed.outcome == Outcome::ClientError && self.account.tells_of_canary() {
                        self.account.refused(self.refusal(ending, &said));
                    }
                    self.account.stable_said((failed.outcome == Outcome::ClientError).then_some(false));
                    self.account.failed(ending);
                    self.keep(failed.outcome, candidate, || said);
                    return self.give_up();
                }
                Next::Redial => {
                    self.spend_repeat();
                }
                Next::Again(length) => {
                    self.account.failed(ending);
                    self.spend_repeat();
                    // Memory and connection are for others while nobody needs them.
                    if self.candidates.has_others() {
                        self.keep(failed.outcome, candidate, || said)
                    } else {
                        drop(said)
                    }
                    match self.pause(candidate, length).await {
                        Paused::Over => {}
                        Paused::Cut => return Err(self.stop()),
                        Paused::Replan => return Ok(FailoverResult::Replan(self.account.forget())),
                        Paused::Withdrawn => match self.next_candidate() {
                            Some(next) => (candidate, probe) = next,
                            None => return self.give_up(),
                        },
                    }
                }
                Next::NextKey => {
                    self.account.failed(ending);
                    self.keep(failed.outcome, candidate, || said);
                    candidate = self.candidates.next_key(candidate);
                }
                Next::Other => {
                    self.account.failed(ending);
                    self.keep(failed.outcome, candidate, || said);
                    match self.next_candidate() {
                        Some(next) => (candidate, probe) = next,
                        None => return self.give_up(),
                    }
                }
                Next::AskStable => {
                    let refusal = self.refusal(ending, &said);
                    self.account.asks_stable(ending, refusal);
                    self.keep(failed.outcome, candidate, || said);
                    if let Some(rollout) = self.rollout {
                        self.candidates.ask_only(rollout.stable);
                    }
                    match self.next_candidate() {
                        Some(next) => (candidate, probe) = next,
                        None => return self.give_up(),
                    }
                }
            }
            tried = self.attempt(candidate, probe).await;
        }
    }

    fn no_answer(&mut self, failure: Failure) -> (Ending, Failed, Said) {
        let Failure { ending, fault } = failure;
        if let Some(cause) = fault.cause() {
            self.account.because(cause, None);
        }
        // A provider may take connections that can be upgraded otherwise than all others.
        if fault.is_unreachable() && !self.original.request_head.upgrade {
            self.account.attempt_mut().unreached();
        }
        let failed = Failed {
            outcome: self.account.attempt().outcome_of(ending),
            retry_after: None,
            refused: false,
            too_long: false,
            cut: false,
            at_once: fault.is_refusal(),
        };
        let problem = match fault {
            send::Fault::Send(SendError::ClientPaused(limit)) => Problem::Paused(limit),
            fault => self.problem(ending, fault.to_string()),
        };
        (ending, failed, Said::Problem(problem))
    }

    fn bad_answer(&mut self, buffered_response: Box<BufferedResponse>) -> (Ending, Failed, Said) {
        // Nobody gets it, so what it cost is not counted.
        self.account.says(buffered_response.summary.map(|summary| Summary { usage: None, ..summary }));
        let status = buffered_response.head.status.as_u16();
        let ending = buffered_response.ending.unwrap_or(Ending::NoHead);
        let failed = Failed {
            outcome: self.account.attempt().outcome_of(ending),
            retry_after: retry_after(&buffered_response.head.headers, clock::unix()),
            refused: is_about_the_request(status) && !ending.is_by_policy(),
            too_long: self.is_too_long(status, ending, &buffered_response),
            cut: buffered_response.broke.is_some() || ending.is_cut(),
            at_once: false,
        };
        self.note_cause(ending, &buffered_response);
        let speaks = match ending {
            // What nobody reads as an answer goes out only where nobody else could be asked, and a redirect never.
            Ending::Answered { body: BodyEnd::Malformed(shape), .. } => {
                !buffered_response.recoverable && shape != Shape::Redirect
            }
            Ending::Answered { body: BodyEnd::ErrorEvent | BodyEnd::Filtered, .. } => true,
            _ => !buffered_response.head.status.is_success(),
        };
        let said = if speaks {
            Said::Answer(buffered_response)
        } else {
            let detail = match (&buffered_response.broke, ending) {
                (Some(broke), _) => broke.to_string(),
                (None, Ending::Answered { body: BodyEnd::Malformed(shape), .. }) => {
                    cause::strange(shape, cause::detail(shape, &buffered_response.head.headers)).to_string()
                }
                (None, _) => "its response ended in the middle of its content".to_owned(),
            };
            Said::Problem(self.problem(ending, detail))
        };
        (ending, failed, said)
    }

    /// Whether a provider of a plain route refused the request for its length alone.
    fn is_too_long(&self, status: u16, ending: Ending, buffered_response: &BufferedResponse) -> bool {
        let plain = self.rollout.is_some_and(|rollout| rollout.canary.is_none());
        let refused = matches!(status, 400 | 413 | 422) && !ending.is_by_policy();
        let about = buffered_response.complaint.as_deref().filter(|_| plain && refused).and_then(Complaint::about);
        about == Some(About::ContextLength)
    }

    /// What has not been tried.
    fn left(&self, candidate: Candidate) -> Left {
        let sendable = self.original.can_be_sent();
        let scope = self.account.scope();
        let stable = self.rollout.filter(|rollout| {
            let asks = rollout.fallback_4xx
                && scope.is_own_canary(candidate.id)
                && self.original.dialect != Dialect::Embeddings;
            let untried = match &rollout.fallback {
                Fallback::Nobody => false,
                Fallback::List(list) if !list.contains(&rollout.stable) => true,
                Fallback::OtherArm | Fallback::List(_) => self.candidates.has(rollout.stable),
            };
            asks && untried
        });
        // Whoever has been waited for long enough is not asked again.
        let over = |deadline: Deadline| scope.is_own(candidate.id) && deadline.is_over(clock::instant());
        let again = sendable && !self.deadline.is_some_and(over);
        Left {
            keys: again && self.candidates.has_keys(self.outbound(candidate)),
            others: sendable && self.candidates.has_others(),
            stable: sendable && stable.is_some(),
            repeat: again && self.may_repeat(),
            // What no rollout takes is asked once, as it was sent.
            resend: self.rollout.is_some() && !self.original.request_head.upgrade && self.original.can_be_sent_again(),
        }
    }

    /// How the same provider is asked again.
    fn pace(&self, candidate: Candidate) -> Pace {
        let Retry { backoff, first, .. } = self.retry();
        let until = self.deadline.filter(|_| self.account.scope().is_own(candidate.id)).and_then(Deadline::at);
        let most = until.map_or(Duration::MAX, |at| at.saturating_duration_since(clock::instant()));
        let most = Millis(u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
        Pace { first, backoff, repeats: self.candidates.repeats(), draw: self.core.draw(), most }
    }

    async fn pause(&self, candidate: Candidate, length: Millis) -> Paused {
        let no_output = Cell::new(false);
        let rollout = self.plan().rollout.filter(|_| self.candidates.has_others());
        let withdrawable = rollout.and_then(|rollout| Withdrawable::of(self.in_use, rollout, candidate.id, &no_output));
        pause(self.core, &self.account, withdrawable, length).await
    }

    fn retry(&self) -> Retry {
        self.rollout.map_or_else(Retry::default, |rollout| rollout.retry)
    }

    /// Keeps what the chosen provider said last, or whoever was first to say anything.
    fn keep(&mut self, outcome: Outcome, candidate: Candidate, said: impl FnOnce() -> Said) {
        if self.kept.is_none() || self.account.scope().is_own(candidate.id) {
            self.kept = Some(Box::new(FailedAttempt { outcome, candidate, said: said() }));
        }
    }

    /// Serin ends before there is an answer, and says so.
    fn stop(mut self) -> Problem {
        if let Some(draft) = self.account.draft() {
            draft.answered_by_serin(&Problem::Stopping);
        }
        Problem::Stopping
    }

    /// Everybody failed.
    fn give_up(mut self) -> Result<FailoverResult, Problem> {
        let Some(spoilt) = self.kept.take() else { return Ok(FailoverResult::Replan(self.account.forget())) };
        let FailedAttempt { outcome, candidate, said } = *spoilt;
        if let Some(draft) = self.account.draft() {
            match &said {
                Said::Problem(problem) => draft.answered_by_serin(problem),
                Said::Answer(buffered_response) => draft.answered(buffered_response.head.status),
            }
        }
        if let Said::Answer(buffered_response) = &said {
            self.passes(buffered_response);
        }
        self.account.finish(outcome, candidate);
        match said {
            Said::Answer(buffered_response) => {
                Ok(FailoverResult::Answer(Answer { buffered_response, account: self.account }))
            }
            Said::Problem(problem) => Err(problem),
        }
    }

    fn refusal(&self, ending: Ending, said: &Said) -> Refusal {
        let status = match ending {
            Ending::Answered { status, .. } => status,
            _ => StatusCode::BAD_REQUEST.as_u16(),
        };
        let complaint = match said {
            Said::Answer(buffered_response) => buffered_response.complaint.as_deref(),
            Said::Problem(_) => None,
        };
        Refusal::of(status, complaint, self.original.model(), self.original.below())
    }

    fn budget(&self) -> Option<&RetryBudget> {
        self.account.scope().in_force().map(|in_force| &*in_force.retry)
    }

    fn earn_repeats(&self) {
        if let (Some(budget), Some(rollout)) = (self.budget(), self.rollout) {
            budget.earn(self.core.id, rollout.retry.budget);
        }
    }

    fn may_repeat(&self) -> bool {
        let affordable = self.budget().is_none_or(|budget| budget.affords(self.core.id));
        affordable && self.candidates.may_repeat(self.retry())
    }

    fn spend_repeat(&mut self) {
        self.candidates.repeat();
        if let Some(budget) = self.budget() {
            budget.spend(self.core.id);
        }
    }
}

/// It was waited for in vain, for as long as the guard took to see it, or until Serin ends.
fn given_up(core: &Core) -> AttemptResult {
    if core.is_cut() {
        return AttemptResult::Cut;
    }
    AttemptResult::Failed(Failure { ending: Ending::HeadTimeout, fault: send::Fault::Withdrawn })
}
