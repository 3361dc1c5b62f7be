//! A request of stable that is to be copied, from its plan until its answer has gone out.
//!
//! Kept with the entry of the request, so that one that is not sampled costs a look at one pointer. Takes the answer's
//! bytes as they pass, within a bound, and changes nothing of them. Handed to the queue when the request has ended
//! well. Invariant: each sample is counted once: as skipped with its reason, or in the queue.

use std::sync::Arc;
use std::time::Instant;

use http::response::Parts;
use http::{Method, Request};

use super::first_output::FirstOutput;
use crate::clock;
use crate::decide::comparison::digest::AnswerTimes;
use crate::decide::comparison::eligible::not_copied;
use crate::decide::comparison::funnel::Skip;
use crate::decide::outcome::Outcome;
use crate::decide::route::{Plan, RouteReason};
use crate::decide::state_at::StateAt;
use crate::decide::units::{Arm, Percent};
use crate::proxy::attempt::record::Times;
use crate::proxy::attempt::request_record::RequestRecord;
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::read::ReadRequest;
use crate::proxy::response::declared;
use crate::proxy::response::observe::ReadAs;
use crate::state::copies::{CopyQueue, CopySample, Copying, StableAnswer};

/// A larger body is not copied.
const LARGEST_BODY: usize = 1 << 20;
/// A longer answer is not compared.
const LONGEST_ANSWER: usize = 1 << 20;
/// What headers and the rest of a sample take, about.
const OVERHEAD: usize = 4096;

/// Whether this request is to be copied. Of most it is not, so no clock is read, and what other cores read is written
/// for one that is.
fn is_chosen(
    core: &Core,
    in_use: &InUse,
    plan: &Plan,
    request: &ReadRequest,
    copying: &Copying,
    arrived: Instant,
) -> bool {
    let splits = plan.counted || plan.reason == RouteReason::CanaryOff;
    let is_apt = splits && plan.arm == Some(Arm::Stable) && !plan.bound.is_bound() && !in_use.snapshot.draining;
    let generates = request.dialect.generates() && request.parts.method == Method::POST;
    if !is_apt || !generates || request.upgrade || request.grpc.is_some() {
        return false;
    }
    let gate = &copying.gate;
    gate.count_seen(core.id);
    let is_drawn = copying.share == Percent::ALL || core.draw() < copying.share.hundredths();
    is_drawn && gate.admit(core.id, copying.limits.per_minute, clock::nanos_at(arrived))
}

/// A request on its way to be copied.
#[derive(Debug)]
pub(crate) struct PendingSample {
    queue: Arc<CopyQueue>,
    /// `None`: it is counted.
    sample: Option<Box<CopySample>>,
    /// How stable's answer is read.
    read_as: ReadAs,
    first_output: FirstOutput,
}

impl PendingSample {
    /// For a request that is planned, if a copy of it is to be sent.
    pub(crate) fn of(
        core: &Core,
        in_use: &InUse,
        plan: &Plan,
        client_request: &ClientRequest<'_>,
        arrived: Instant,
    ) -> Option<Box<PendingSample>> {
        let copying = in_use.snapshot.in_force(plan.rollout?).copies.as_deref()?;
        let is_chosen = is_chosen(core, in_use, plan, client_request.request, copying, arrived);
        if is_chosen { PendingSample::begin(core, in_use, plan, client_request, copying) } else { None }
    }

    #[cold]
    fn begin(
        core: &Core,
        in_use: &InUse,
        plan: &Plan,
        client_request: &ClientRequest<'_>,
        copying: &Copying,
    ) -> Option<Box<PendingSample>> {
        let (request, rollout) = (client_request.request, plan.rollout?);
        let gate = &copying.gate;
        let skip = |why| {
            gate.skip(why);
            None
        };
        let Some((body, peek)) = client_request.read.filter(|(body, _)| body.len() <= LARGEST_BODY) else {
            return skip(Skip::TooLarge);
        };
        let facts = request.facts(Some(peek), StateAt::Nowhere);
        if let Some(why) = not_copied(&in_use.snapshot.policy, rollout, &facts, || core.draw()) {
            return skip(why);
        }
        let Some(memory) = core.copies.reserve(body.len() + OVERHEAD) else { return skip(Skip::Busy) };
        // Extensions belong to the connection of the client.
        let (mut parts, ()) = Request::new(()).into_parts();
        (parts.method, parts.uri) = (request.parts.method.clone(), request.parts.uri.clone());
        (parts.version, parts.headers) = (request.parts.version, request.parts.headers.clone());
        let sample = CopySample {
            copying: copying.clone(),
            rollout,
            generation: in_use.snapshot.generation,
            parts,
            below_at: request.below_at(),
            body: body.clone(),
            streaming: client_request.streaming,
            user_hash: plan.user_hash,
            answer: StableAnswer { body: Vec::new(), coding: None, times: AnswerTimes::default() },
            memory,
        };
        let read_as = ReadAs {
            dialect: request.dialect,
            done: in_use.snapshot.policy.provider(plan.provider).done_marker,
            stream: Some(client_request.streaming),
            strict: false,
            thorough: false,
        };
        Some(Box::new(PendingSample {
            queue: Arc::clone(&core.copies),
            sample: Some(Box::new(sample)),
            read_as,
            first_output: FirstOutput::AtEnd,
        }))
    }

    /// An answer with this head goes out, and this of it was held.
    pub(crate) fn answered(&mut self, head: &Parts, held: &[u8]) {
        if let Some(sample) = &mut self.sample {
            sample.answer.coding = declared::coding(&head.headers).map(str::to_owned);
            self.first_output = FirstOutput::of(self.read_as, head);
        }
        self.add(held);
    }

    /// A piece of the answer came.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        let Some(sample) = &mut self.sample else { return };
        if sample.answer.body.len() + piece.len() > LONGEST_ANSWER {
            self.skip(Skip::LongAnswer);
        } else if !sample.memory.extend(piece.len()) {
            self.skip(Skip::Busy);
        } else {
            sample.answer.body.extend_from_slice(piece);
            self.first_output.came(piece);
        }
    }

    /// The request ended.
    pub(crate) fn ended(mut self, record: &RequestRecord<'_>) {
        let times = match record.attempts {
            [only] if record.outcome == Outcome::Ok && record.by == record.plan.provider => self.times(&only.times),
            _ => None,
        };
        let Some(times) = times.filter(|_| record.earlier.is_empty()) else { return self.skip(Skip::StableFailed) };
        let Some(mut sample) = self.sample.take() else { return };
        sample.answer.times = times;
        let gate = Arc::clone(&sample.copying.gate);
        if !self.queue.put(*sample) {
            gate.skip(Skip::Busy);
        }
    }

    /// From the moment at which it was sent.
    fn times(&self, times: &Times) -> Option<AnswerTimes> {
        let (sent, end) = (times.connected?, times.end?);
        let after =
            |moment: Instant| u32::try_from(moment.saturating_duration_since(sent).as_millis()).unwrap_or(u32::MAX);
        Some(AnswerTimes { first_output: after(self.first_output.moment(end)), total: after(end) })
    }

    fn skip(&mut self, why: Skip) {
        if let Some(sample) = self.sample.take() {
            sample.copying.gate.skip(why);
        }
    }
}

impl Drop for PendingSample {
    fn drop(&mut self) {
        self.skip(Skip::Ended);
    }
}
