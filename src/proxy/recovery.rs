//! From a plan to an answer, over as many tries as it takes.
//!
//! Owns the order of things: aim, send, weigh, and after a failure whatever [`retry`](crate::decide::retry) says, until
//! an answer is good enough to go out or nobody is left. All tries take the same path. When everybody failed, the client
//! gets what the provider said that the split chose. Invariant: nothing has gone to the client while this runs, so that
//! leaving it at any point cancels all of it.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::access::Draft;
use super::account::{Account, Part};
use super::attempt::{self, Aim, AttemptError, Failure, Gate};
use super::body::BodyClocks;
use super::cause;
use super::commit::{Scales, Weighed, weigh};
use super::core::{Core, InUse};
use super::deadline::Deadline;
use super::departure::{Original, depart};
use super::error::Problem;
use super::observer::{Asked, Summary};
use super::pause::{Paused, pause};
use super::prepared::Outbound;
use super::refusal::Refusal;
use super::relay::Answer;
use super::replanned::Replanned;
use super::retry_after::retry_after;
use super::tries::{Target, Tries};
use super::upstream::{SendError, Waits};
use super::withdrawn::{Withdrawable, unless_withdrawn};
use crate::clock;
use crate::decide::fallback::others;
use crate::decide::guard::waiting::Kind;
use crate::decide::outcome::{BodyEnd, Ending, Outcome, is_about_the_request};
use crate::decide::policy::{Fallback, Retry, Rollout, Secret, StreamMode};
use crate::decide::retry::{Failed, Left, Next, Pace, next};
use crate::decide::route::{InForceShare, Plan};
use crate::decide::units::Millis;
use crate::state::provider::Ticket;
use crate::state::retry_budget::RetryBudget;
use crate::wire::complaint::{About, Complaint};
use crate::wire::dialect::Dialect;
use crate::wire::shape::Shape;

/// One request on its way to an answer.
struct Recovery<'a> {
    core: &'a Rc<Core>,
    in_use: &'a Rc<InUse>,
    original: &'a Original<'a>,
    rollout: Option<&'a Arc<Rollout>>,
    account: Box<Account>,
    tries: Tries,
    /// Until when the chosen provider is waited for, once it was asked while somebody else could answer.
    deadline: Option<Deadline>,
    /// What the provider said that the split chose.
    kept: Option<Box<Spoilt>>,
}

/// What came of one try.
enum Tried {
    /// An answer's head, and as much of its body as it took to be certain.
    Answered(Box<Weighed>),
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
struct Spoilt {
    outcome: Outcome,
    target: Target,
    said: Said,
}

enum Said {
    Answer(Box<Weighed>),
    Problem(Problem),
}

/// What came of a planned request.
pub(crate) enum Reached {
    /// An answer.
    Answer(Answer),
    /// It is to be planned anew; so far, this was attempted.
    Replan(Replanned),
}

/// Sends a planned request to whoever answers it. `before`: what was attempted by earlier plans.
pub(crate) async fn reach(
    core: &Rc<Core>,
    in_use: &Rc<InUse>,
    plan: Plan,
    original: &Original<'_>,
    (arrived, before): (Instant, Replanned),
) -> Result<Reached, Problem> {
    let policy = &in_use.snapshot.policy;
    let share = plan.rollout.map(|id| {
        let in_force = in_use.snapshot.in_force(id);
        InForceShare { percent: in_force.percent, closed: in_force.closed }
    });
    let rollout_id = plan.rollout;
    let rollout = rollout_id.map(|id| &policy.rollouts[usize::from(id.0)]);
    let others = others(policy, &plan, share, original.below(), original.model());
    let mut recovery = Recovery {
        core,
        in_use,
        original,
        rollout,
        account: Account::planned(core, in_use, plan, Kind::of(original.streaming), arrived),
        tries: Tries::new(plan.provider, others),
        deadline: None,
        kept: None,
    };
    if let (Some(id), Some(rollout)) = (rollout_id, rollout)
        && let Some(canary) = &rollout.canary
    {
        let diverts = in_use.snapshot.in_force(id).diverts;
        recovery.tries.between_arms(rollout.stable, canary.provider, diverts);
    }
    if before.attempts() > 0 {
        recovery.account.follows(before);
    }
    recovery.account.will_be_logged(Draft::of(core, policy, original));
    recovery.earn_repeats();
    let Some((target, probe)) = recovery.next_target() else { return Ok(Reached::Replan(recovery.account.forget())) };
    match recovery.attempt(target, probe).await {
        Tried::Answered(weighed) if recovery.is_good(&weighed) => Ok(Reached::Answer(recovery.deliver(weighed))),
        // What is rare is boxed, so that the place of a request's future stays small.
        tried => Box::pin(recovery.recover(target, tried)).await,
    }
}

impl<'a> Recovery<'a> {
    fn next_target(&mut self) -> Option<(Target, Option<Ticket>)> {
        let account = &mut self.account;
        self.tries.next(self.in_use, |id, breaker| account.divert(id, breaker))
    }

    async fn attempt(&mut self, target: Target, probe: Option<Ticket>) -> Tried {
        let (in_use, original) = (self.in_use, self.original);
        let (policy, to) = (&in_use.snapshot.policy, self.outbound(target));
        let entitled = self.account.scope().is_entitled(target.id);
        let stranger = original.visit.stranger;
        // A key that the client's own credentials stand in for is the client's.
        self.account.aim(target, probe, !stranger && (to.own_key || !entitled));
        if let Some(reason) = &to.unusable {
            let problem = Problem::Unusable { provider: to.provider.name.clone(), reason: reason.clone() };
            return Tried::Unfit(problem);
        }
        let recoverable = self.tries.has_others() && original.can_be_sent_again();
        let deadline = self.deadline(target, recoverable);
        let timeouts = &to.provider.timeouts;
        let head = if original.streaming { timeouts.stream_headers } else { timeouts.headers };
        let aim = Aim {
            upstreams: &self.core.upstreams,
            provider: &to.provider,
            egress: policy.egress.as_ref().map(Secret::reveal),
            upgrade: original.visit.upgrade,
            waits: Waits {
                head,
                deadline,
                client: policy.limits.idle,
                body: BodyClocks { first_output: timeouts.first_output, idle: timeouts.idle },
            },
        };
        let (key, entitled) = (to.key(target.turn), entitled && !stranger);
        let (core, buffered) =
            (self.core, self.rollout.is_some_and(|rollout| rollout.stream_mode == StreamMode::Buffered));
        let hold = self.rollout.map_or(Millis(0), |rollout| rollout.hold);
        let strict = self.account.scope().is_strict(target.id);
        let asked = Asked {
            dialect: original.dialect,
            done: to.provider.done_marker,
            stream: original.read.map(|_| original.streaming),
            strict,
            thorough: strict && buffered && recoverable,
        };
        let has_output = Cell::new(false);
        let rollout = self.plan().rollout.filter(|_| recoverable && !original.visit.upgrade);
        let withdrawable = rollout.and_then(|rollout| Withdrawable::of(in_use, rollout, target.id, &has_output));
        let account = &mut self.account;
        let make = || depart(original, &in_use.prepared, to, key, entitled);
        let tried = pin!(async {
            let gate = || if account.dispatch() { Gate::Go } else { Gate::Replan };
            let response = match attempt::run(&aim, gate, make, |body| original.give_back(body)).await {
                Ok(response) => response,
                Err(AttemptError::Failed(failure))
                    if failure.fault.is_own_file() && account.scope().is_own_stable(target.id) =>
                {
                    let (provider, reason) = (to.provider.name.clone(), failure.fault.to_string());
                    return Tried::Unfit(Problem::Unusable { provider, reason });
                }
                Err(AttemptError::Failed(failure)) => return Tried::Failed(failure),
                Err(AttemptError::Unfit(problem)) => return Tried::Unfit(problem),
                Err(AttemptError::Replan) => return Tried::Replan,
            };
            account.answered(response.status().as_u16());
            let scales = Scales {
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
            let weighed = Weighed::unseen(response, &core.replay, recoverable);
            Tried::Answered(weigh(weighed, scales, output).await)
        });
        unless_withdrawn(core, withdrawable, tried).await.unwrap_or_else(|| given_up(core))
    }

    /// What Serin itself cannot ask of stable is no reason to ask the canary.
    fn leave_canary_alone(&mut self) {
        if let Some(canary) = self.rollout.and_then(|rollout| rollout.canary.as_ref()) {
            self.tries.leave_out(canary.provider);
        }
    }

    fn outbound(&self, target: Target) -> &'a Outbound {
        let prepared = &self.in_use.prepared;
        if self.original.visit.stranger {
            prepared.outbound_of_stranger(target.id)
        } else {
            prepared.outbound(target.id)
        }
    }

    /// By when the answer of the chosen provider has to begin while somebody else can answer.
    fn deadline(&mut self, target: Target, recoverable: bool) -> Option<Deadline> {
        let scope = self.account.scope();
        if !recoverable || !scope.is_own(target.id) {
            return None;
        }
        self.deadline = self.deadline.or_else(|| Deadline::of(scope));
        self.deadline
    }

    fn plan(&self) -> &Plan {
        &self.account.scope().plan
    }

    /// Who is tried.
    fn target(&self) -> Target {
        self.account.attempt().target
    }

    /// Why there is no answer, for the client.
    fn problem(&self, ending: Ending, detail: String) -> Problem {
        self.account.scope().problem(self.target().id, ending, detail)
    }

    /// Whether it goes out as it is.
    fn is_good(&self, weighed: &Weighed) -> bool {
        weighed.ending.is_none_or(|ending| match self.account.attempt().outcome_of(ending) {
            Outcome::Ok | Outcome::Empty => true,
            // As it always was, so that nobody is moved.
            Outcome::Malformed => !self.account.scope().is_strict(self.target().id),
            _ => false,
        })
    }

    /// Why an answer came to such an ending, for its record.
    fn note_cause(&mut self, ending: Ending, weighed: &Weighed) {
        let headers = &weighed.head.headers;
        let detail = match ending {
            Ending::Answered { body: BodyEnd::Malformed(shape), .. } => cause::detail(shape, headers),
            _ => None,
        };
        if let Some(cause) = cause::of_answer(ending, weighed.complaint.as_deref(), weighed.broke.as_ref(), detail) {
            self.account.because(cause, cause::request_id(headers));
        }
    }

    /// What was held goes out.
    fn passes(&mut self, weighed: &Weighed) {
        if let Some(draft) = self.account.draft() {
            draft.passed(usize::try_from(weighed.pieces.length()).unwrap_or(usize::MAX));
        }
    }

    /// The answer that goes out.
    fn deliver(mut self, weighed: Box<Weighed>) -> Answer {
        self.account.stable_said(Some(true));
        self.account.says(weighed.summary);
        if let Some(draft) = self.account.draft() {
            draft.answered(weighed.head.status);
        }
        match weighed.ending {
            None => {}
            Some(Ending::Answered { body: BodyEnd::Complete, .. }) => {
                self.passes(&weighed);
                self.account.came(Part::Last);
            }
            Some(ending) => {
                self.passes(&weighed);
                self.note_cause(ending, &weighed);
                self.account.end(ending);
            }
        }
        Answer { weighed, account: self.account }
    }

    async fn recover(mut self, mut target: Target, mut tried: Tried) -> Result<Reached, Problem> {
        loop {
            let mut probe = None;
            let (ending, failed, said) = match tried {
                Tried::Answered(weighed) if self.is_good(&weighed) => {
                    return Ok(Reached::Answer(self.deliver(weighed)));
                }
                Tried::Replan => return Ok(Reached::Replan(self.account.forget())),
                Tried::Cut => return Err(self.stop()),
                Tried::Unfit(problem) => {
                    self.account.unfit();
                    self.keep(Outcome::SerinError, target, || Said::Problem(problem));
                    if self.account.scope().is_own_stable(target.id) {
                        self.leave_canary_alone();
                    }
                    match self.next_target() {
                        Some((next, probe)) => {
                            target = next;
                            tried = self.attempt(target, probe).await;
                            continue;
                        }
                        None => return self.give_up(),
                    }
                }
                Tried::Failed(failure) => self.no_answer(failure),
                Tried::Answered(weighed) => self.bad_answer(weighed),
            };
            match next(failed, self.left(target), self.pace(target)) {
                Next::Deliver => {
                    if failed.outcome == Outcome::ClientError && self.account.tells_of_canary() {
                        self.account.refused(self.refusal(ending, &said));
                    }
                    self.account.stable_said((failed.outcome == Outcome::ClientError).then_some(false));
                    self.account.failed(ending);
                    self.keep(failed.outcome, target, || said);
                    return self.give_up();
                }
                Next::Redial => {
                    self.spend_repeat();
                }
                Next::Again(length) => {
                    self.account.failed(ending);
                    self.spend_repeat();
                    // Memory and connection are for others while nobody needs them.
                    if self.tries.has_others() {
                        self.keep(failed.outcome, target, || said)
                    } else {
                        drop(said)
                    }
                    match self.pause(target, length).await {
                        Paused::Over => {}
                        Paused::Cut => return Err(self.stop()),
                        Paused::Replan => return Ok(Reached::Replan(self.account.forget())),
                        Paused::Withdrawn => match self.next_target() {
                            Some(next) => (target, probe) = next,
                            None => return self.give_up(),
                        },
                    }
                }
                Next::NextKey => {
                    self.account.failed(ending);
                    self.keep(failed.outcome, target, || said);
                    target = self.tries.next_key(target);
                }
                Next::Other => {
                    self.account.failed(ending);
                    self.keep(failed.outcome, target, || said);
                    match self.next_target() {
                        Some(next) => (target, probe) = next,
                        None => return self.give_up(),
                    }
                }
                Next::AskStable => {
                    let refusal = self.refusal(ending, &said);
                    self.account.asks_stable(ending, refusal);
                    self.keep(failed.outcome, target, || said);
                    if let Some(rollout) = self.rollout {
                        self.tries.ask_only(rollout.stable);
                    }
                    match self.next_target() {
                        Some(next) => (target, probe) = next,
                        None => return self.give_up(),
                    }
                }
            }
            tried = self.attempt(target, probe).await;
        }
    }

    fn no_answer(&mut self, failure: Failure) -> (Ending, Failed, Said) {
        let Failure { ending, fault } = failure;
        if let Some(cause) = fault.cause() {
            self.account.because(cause, None);
        }
        // A provider may take connections that can be upgraded otherwise than all others.
        if fault.is_unreachable() && !self.original.visit.upgrade {
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
            attempt::Fault::Send(SendError::ClientPaused(limit)) => Problem::Paused(limit),
            fault => self.problem(ending, fault.to_string()),
        };
        (ending, failed, Said::Problem(problem))
    }

    fn bad_answer(&mut self, weighed: Box<Weighed>) -> (Ending, Failed, Said) {
        // Nobody gets it, so what it cost is not counted.
        self.account.says(weighed.summary.map(|summary| Summary { usage: None, ..summary }));
        let status = weighed.head.status.as_u16();
        let ending = weighed.ending.unwrap_or(Ending::NoHead);
        let failed = Failed {
            outcome: self.account.attempt().outcome_of(ending),
            retry_after: retry_after(&weighed.head.headers, clock::unix()),
            refused: is_about_the_request(status) && !ending.is_by_policy(),
            too_long: self.is_too_long(status, ending, &weighed),
            cut: weighed.broke.is_some() || ending.is_cut(),
            at_once: false,
        };
        self.note_cause(ending, &weighed);
        let speaks = match ending {
            // What nobody reads as an answer goes out only where nobody else could be asked, and a redirect never.
            Ending::Answered { body: BodyEnd::Malformed(shape), .. } => {
                !weighed.recoverable && shape != Shape::Redirect
            }
            Ending::Answered { body: BodyEnd::ErrorEvent | BodyEnd::Filtered, .. } => true,
            _ => !weighed.head.status.is_success(),
        };
        let said = if speaks {
            Said::Answer(weighed)
        } else {
            let detail = match (&weighed.broke, ending) {
                (Some(broke), _) => broke.to_string(),
                (None, Ending::Answered { body: BodyEnd::Malformed(shape), .. }) => {
                    cause::strange(shape, cause::detail(shape, &weighed.head.headers)).to_string()
                }
                (None, _) => "its response ended in the middle of its content".to_owned(),
            };
            Said::Problem(self.problem(ending, detail))
        };
        (ending, failed, said)
    }

    /// Whether a provider of a plain route refused the request for its length alone.
    fn is_too_long(&self, status: u16, ending: Ending, weighed: &Weighed) -> bool {
        let plain = self.rollout.is_some_and(|rollout| rollout.canary.is_none());
        let refused = matches!(status, 400 | 413 | 422) && !ending.is_by_policy();
        let about = weighed.complaint.as_deref().filter(|_| plain && refused).and_then(Complaint::about);
        about == Some(About::ContextLength)
    }

    /// What has not been tried.
    fn left(&self, target: Target) -> Left {
        let sendable = self.original.can_be_sent();
        let scope = self.account.scope();
        let stable = self.rollout.filter(|rollout| {
            let asks =
                rollout.fallback_4xx && scope.is_own_canary(target.id) && self.original.dialect != Dialect::Embeddings;
            let untried = match &rollout.fallback {
                Fallback::Nobody => false,
                Fallback::List(list) if !list.contains(&rollout.stable) => true,
                Fallback::OtherArm | Fallback::List(_) => self.tries.has(rollout.stable),
            };
            asks && untried
        });
        // Whoever has been waited for long enough is not asked again.
        let over = |deadline: Deadline| scope.is_own(target.id) && deadline.is_over(clock::instant());
        let again = sendable && !self.deadline.is_some_and(over);
        Left {
            keys: again && self.tries.has_keys(self.outbound(target)),
            others: sendable && self.tries.has_others(),
            stable: sendable && stable.is_some(),
            repeat: again && self.may_repeat(),
            // What no rollout takes is asked once, as it was sent.
            resend: self.rollout.is_some() && !self.original.visit.upgrade && self.original.can_be_sent_again(),
        }
    }

    /// How the same provider is asked again.
    fn pace(&self, target: Target) -> Pace {
        let Retry { backoff, first, .. } = self.retry();
        let until = self.deadline.filter(|_| self.account.scope().is_own(target.id)).and_then(Deadline::at);
        let most = until.map_or(Duration::MAX, |at| at.saturating_duration_since(clock::instant()));
        let most = Millis(u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
        Pace { first, backoff, repeats: self.tries.repeats(), draw: self.core.draw(), most }
    }

    async fn pause(&self, target: Target, length: Millis) -> Paused {
        let no_output = Cell::new(false);
        let rollout = self.plan().rollout.filter(|_| self.tries.has_others());
        let withdrawable = rollout.and_then(|rollout| Withdrawable::of(self.in_use, rollout, target.id, &no_output));
        pause(self.core, &self.account, withdrawable, length).await
    }

    fn retry(&self) -> Retry {
        self.rollout.map_or_else(Retry::default, |rollout| rollout.retry)
    }

    /// Keeps what the chosen provider said last, or whoever was first to say anything.
    fn keep(&mut self, outcome: Outcome, target: Target, said: impl FnOnce() -> Said) {
        if self.kept.is_none() || self.account.scope().is_own(target.id) {
            self.kept = Some(Box::new(Spoilt { outcome, target, said: said() }));
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
    fn give_up(mut self) -> Result<Reached, Problem> {
        let Some(spoilt) = self.kept.take() else { return Ok(Reached::Replan(self.account.forget())) };
        let Spoilt { outcome, target, said } = *spoilt;
        if let Some(draft) = self.account.draft() {
            match &said {
                Said::Problem(problem) => draft.answered_by_serin(problem),
                Said::Answer(weighed) => draft.answered(weighed.head.status),
            }
        }
        if let Said::Answer(weighed) = &said {
            self.passes(weighed);
        }
        self.account.finish(outcome, target);
        match said {
            Said::Answer(weighed) => Ok(Reached::Answer(Answer { weighed, account: self.account })),
            Said::Problem(problem) => Err(problem),
        }
    }

    fn refusal(&self, ending: Ending, said: &Said) -> Refusal {
        let status = match ending {
            Ending::Answered { status, .. } => status,
            _ => StatusCode::BAD_REQUEST.as_u16(),
        };
        let complaint = match said {
            Said::Answer(weighed) => weighed.complaint.as_deref(),
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
        affordable && self.tries.may_repeat(self.retry())
    }

    fn spend_repeat(&mut self) {
        self.tries.repeat();
        if let Some(budget) = self.budget() {
            budget.spend(self.core.id);
        }
    }
}

/// It was waited for in vain, for as long as the guard took to see it, or until Serin ends.
fn given_up(core: &Core) -> Tried {
    if core.is_cut() {
        return Tried::Cut;
    }
    Tried::Failed(Failure { ending: Ending::HeadTimeout, fault: attempt::Fault::Withdrawn })
}
