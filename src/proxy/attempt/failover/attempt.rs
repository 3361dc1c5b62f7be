//! One attempt: the request for one candidate, made, sent, and its answer buffered.
//!
//! Puts together what the attempt is made of: key, time limits, how the answer is read, and for how long it may be
//! held. Refuses to decide what follows from a failure. Invariant: an attempt ends early only when the core is cut, or
//! when the guard has withdrawn the canary's requests.

use std::cell::Cell;
use std::pin::pin;
use std::time::Instant;

use http::{HeaderMap, Method};

use super::Failover;
use super::room::{follow, note_limits};
use crate::clock;
use crate::decide::outcome::Ending;
use crate::decide::policy::{Provider, Secret, StreamMode};
use crate::decide::units::{Millis, ProviderId};
use crate::proxy::attempt::candidates::Candidate;
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::attempt::key_choice::accepted;
use crate::proxy::attempt::send::{self, AttemptError, Dispatch, Failure};
use crate::proxy::attempt::withdrawal::{CanaryCut, Withdrawable, unless_withdrawn};
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::call::Expiry;
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::handshake;
use crate::proxy::request::outbound::build;
use crate::proxy::request::prepared::PreparedProvider;
use crate::proxy::response::body::BodyClocks;
use crate::proxy::response::buffer::{BufferRules, buffer};
use crate::proxy::response::buffered_response::BufferedResponse;
use crate::proxy::response::error::ProxyError;
use crate::proxy::response::grpc::hold::{HoldRules, hold as hold_call};
use crate::proxy::response::observe::ReadAs;
use crate::proxy::response::state_tap::StateTap;
use crate::proxy::upstream::deadline::SendLimits;
use crate::state::provider::ProbeToken;
use crate::wire::dialect::Dialect;
use crate::wire::path;
use crate::wire::state_ids::answer_makes;

/// For how long the client of a call may be quiet before the first answer: a stream may be opened long before it is
/// used.
const LONGEST_PAUSE: Millis = Millis(24 * 3_600_000);

impl<'a> Failover<'a> {
    /// Chooses the next candidate, by the breakers, and its key. `None`: all candidates were tried.
    pub(crate) fn begin_attempt(&mut self) -> Option<Candidate> {
        let (candidate, probe) = self.next_candidate()?;
        self.begin_with(candidate, probe);
        Some(candidate)
    }

    /// One more attempt, after a failure.
    pub(super) async fn attempt(
        &mut self,
        candidate: Candidate,
        probe: Option<ProbeToken>,
    ) -> Result<Box<BufferedResponse>, AttemptError> {
        self.begin_with(candidate, probe);
        self.send(Some(candidate)).await
    }

    fn begin_with(&mut self, candidate: Candidate, probe: Option<ProbeToken>) {
        let unauthenticated = self.client_request.request.unauthenticated;
        let key_of_serin =
            self.prepared_provider(candidate.id).own_key || !self.account.scope().is_trusted(candidate.id);
        // Where the client's own credentials are sent in its place, the key is the client's.
        let span = self.trace.as_ref().and_then(|trace| trace.begin_attempt(self.core));
        self.account.begin_attempt(candidate, probe, !unauthenticated && key_of_serin, span);
    }

    /// Makes the request for the candidate, sends it, and buffers the answer.
    pub(crate) async fn send(&mut self, candidate: Option<Candidate>) -> Result<Box<BufferedResponse>, AttemptError> {
        let Some(candidate) = candidate else { return Err(AttemptError::Replan) };
        let (in_use, client_request) = (self.in_use, self.client_request);
        let (policy, to) = (&in_use.snapshot.policy, self.prepared_provider(candidate.id));
        let trusted = self.account.scope().is_trusted(candidate.id) && !client_request.request.unauthenticated;
        if let Some(reason) = &to.unusable {
            let problem = ProxyError::Unusable { provider: to.provider.name.clone(), reason: reason.clone() };
            return Err(AttemptError::Unfit(problem));
        }
        if client_request.request.grpc.is_some() && !to.provider.may_use_http2() {
            return Err(AttemptError::Unfit(ProxyError::NoHttp2 { provider: to.provider.name.clone() }));
        }
        if !to.provider.retires.is_empty() {
            self.note_model(candidate, &to.provider);
        }
        if let Some(limit) = &to.provider.rate_limit
            && let Err(full) = self.take_room(limit, candidate.id)
        {
            // What is rare is boxed, so that a request's future stays small.
            Box::pin(self.without_room(limit, candidate.id, full)).await?;
        }
        if self.is_expired() {
            return Err(AttemptError::Refused(ProxyError::Expired));
        }
        // In a lookup there is stable's answer still.
        let has_others = self.candidates.has_others() || self.is_lookup(candidate);
        let recoverable = has_others && client_request.can_be_sent_again();
        let deadline = self.deadline(candidate, recoverable);
        let timeouts = &to.provider.timeouts;
        let head = if client_request.streaming { timeouts.stream_headers } else { timeouts.headers };
        let dispatch = Dispatch {
            upstreams: &self.core.upstreams,
            provider: &to.provider,
            egress: policy.egress.as_ref().map(Secret::reveal),
            upgrade: client_request.request.upgrade,
            needs_http2: client_request.request.grpc.is_some(),
            limits: SendLimits {
                head,
                deadline,
                client: if client_request.request.grpc.is_some() { LONGEST_PAUSE } else { policy.limits.idle },
                body: BodyClocks { first_output: timeouts.first_output, idle: timeouts.idle },
            },
        };
        let expiry = client_request.request.grpc.and_then(|call| call.expiry);
        let fair_from =
            expiry.and_then(|_| clock::instant().checked_add(self.account.scope().fair_share(candidate.id)));
        let key = to.key(candidate.key);
        let (core, buffered) =
            (self.core, self.rollout.is_some_and(|rollout| rollout.stream_mode == StreamMode::Buffered));
        let hold = self.rollout.map_or(Millis(0), |rollout| rollout.hold);
        let strict = self.account.scope().is_strict(candidate.id);
        let read_as = ReadAs {
            dialect: client_request.request.dialect,
            done: to.provider.done_marker,
            stream: client_request.read.map(|_| client_request.streaming),
            strict,
            thorough: strict && buffered && recoverable,
        };
        let has_output = Cell::new(false);
        let rollout = self.plan().rollout.filter(|_| recoverable && !client_request.request.leaves_http());
        let withdrawable = rollout.and_then(|rollout| Withdrawable::of(in_use, rollout, candidate.id, &has_output));
        let cut = CanaryCut::of(in_use, self.plan(), candidate.id);
        let default_provider = self.plan().default_provider;
        let account = &mut self.account;
        let trace = self.trace.as_deref().map(|trace| (trace, account.attempt().span.map(|span| span.id)));
        let make_request = || build(client_request, &in_use.prepared, to, key, (trusted, trace));
        let result = pin!(async {
            let give_back = |body| client_request.give_back(body);
            let mut response = match send::run(&dispatch, || account.dispatch(), make_request, give_back).await {
                Ok(response) => response,
                Err(AttemptError::Failed(failure))
                    if failure.fault.is_own_file() && account.scope().is_chosen_stable(candidate.id) =>
                {
                    let (provider, reason) = (to.provider.name.clone(), failure.fault.to_string());
                    return Err(AttemptError::Unfit(ProxyError::Unusable { provider, reason }));
                }
                Err(error) => return Err(error),
            };
            if client_request.request.websocket
                && let Some(fault) = handshake::fault(&client_request.request.parts.headers, &response)
            {
                return Err(AttemptError::Failed(Failure {
                    ending: Ending::NoHead,
                    fault: send::Fault::Handshake(fault),
                }));
            }
            account.head_came(response.status().as_u16());
            if let Some(model) = candidate.trial.filter(|_| response.status().is_success()) {
                accepted(in_use, candidate, model);
            }
            if candidate.id != default_provider && response.status().is_success() {
                let tap = state_tap(core, in_use, client_request, candidate.id, response.headers());
                response.body_mut().learn_from(tap);
            }
            let state = in_use.snapshot.provider(candidate.id);
            if let Some(limit) = to.provider.rate_limit.as_ref().filter(|_| to.follows_headers) {
                follow(state.limit(), limit, response.status().as_u16(), response.headers());
            }
            if state.told_limits.is_wanted() {
                note_limits(&state.told_limits, client_request, to, response.headers());
            }
            let rules = BufferRules {
                read_as,
                websocket: client_request.request.websocket,
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
            if client_request.request.grpc.is_some() {
                let most = policy.limits.replay_memory;
                let rules = HoldRules { client_request, recoverable, hold, deadline, most };
                return Ok(Box::pin(hold_call(buffered_response, rules, output)).await);
            }
            Ok(buffer(buffered_response, rules, output).await)
        });
        let ended = || Err(ended_early(core, cut, (expiry, fair_from), client_request.can_be_sent_again()));
        unless_withdrawn(core, withdrawable, cut, expiry, result).await.unwrap_or_else(ended)
    }

    /// Notes that a model which the provider takes away is asked for.
    fn note_model(&self, candidate: Candidate, provider: &Provider) {
        let Some(model) = self.client_request.model() else { return };
        let known_as = provider.models.get(model).map_or(model, String::as_str);
        if provider.retires.contains_key(known_as) {
            self.in_use.snapshot.provider(candidate.id).seen_models.add(known_as);
        }
    }

    fn prepared_provider(&self, id: ProviderId) -> &'a PreparedProvider {
        self.in_use.prepared.provider_for(id, self.client_request.request.unauthenticated)
    }

    /// Until when the chosen provider is waited for while another candidate can answer.
    fn deadline(&mut self, candidate: Candidate, recoverable: bool) -> Option<Deadline> {
        let scope = self.account.scope();
        if self.is_lookup(candidate) {
            return self.lookup.deadline;
        }
        if !recoverable || !scope.is_chosen(candidate.id) {
            return None;
        }
        self.deadline = self.deadline.or_else(|| scope.deadline());
        self.deadline
    }
}

/// What learns from the answer of a provider other than stable who keeps what; `None`: nothing is kept of it.
fn state_tap(
    core: &Core,
    in_use: &InUse,
    client_request: &ClientRequest<'_>,
    from: ProviderId,
    headers: &HeaderMap,
) -> Option<Box<StateTap>> {
    let (request, prepared) = (client_request.request, &in_use.prepared.state);
    if request.parts.method == Method::DELETE || request.grpc.is_some() {
        return None;
    }
    let kept = match (request.dialect, client_request.read) {
        (Dialect::Plain, _) => answer_makes(&path::plain(request.below())).then_some(true),
        (dialect, read) => prepared.needles.answer_is_kept(dialect, read.map_or(&[], |(body, _)| body)),
    };
    StateTap::new(headers, kept?, &core.state_ids, prepared.owner(from)?)
}

/// The attempt ended before it had a result: the core was cut, an operator ended what was on the canary, the client's
/// time was over, or the guard withdrew the request. `fair_from`: from when the provider had had its share. `again`:
/// whether it can be sent again, to whoever the split chooses now.
fn ended_early(
    core: &Core,
    cut: Option<CanaryCut<'_>>,
    (expiry, fair_from): (Option<Expiry>, Option<Instant>),
    again: bool,
) -> AttemptError {
    let now = clock::instant();
    if core.is_cut() {
        return AttemptError::Cut;
    }
    match cut.is_some_and(CanaryCut::is_cut) {
        true if again => AttemptError::Replan,
        true => AttemptError::Failed(Failure { ending: Ending::CutBySerin, fault: send::Fault::RolledBack }),
        false if expiry.is_some_and(|expiry| expiry.is_over(now)) => {
            let ending = Ending::Expired { fair: fair_from.is_some_and(|from| now >= from) };
            AttemptError::Failed(Failure { ending, fault: send::Fault::Expired })
        }
        false => AttemptError::Failed(Failure { ending: Ending::HeadTimeout, fault: send::Fault::Withdrawn }),
    }
}
