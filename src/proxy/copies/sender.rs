//! The thread that sends copies: takes samples from the queue, and sends those that may be sent.
//!
//! Owns the order of what has to be so: still in force, harmless, a key, room within the provider's limit, money, and
//! the pace. Whatever lacks is counted, and the sample is dropped: none waits for its turn. A copy that is under way
//! ends at once when the rollout is taken back, when the file changes, and when the process stops. Invariants: in no
//! minute are more copies sent than allowed; and a copy is counted once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::exchange::{CopyAnswer, Target};
use super::reading;
use crate::clock;
use crate::decide::comparison::defect::CopyEnd;
use crate::decide::comparison::digest::AnswerTimes;
use crate::decide::comparison::funnel::Skip;
use crate::decide::comparison::request::{self, CopiedRequest};
use crate::decide::limit::estimate;
use crate::decide::policy::{Price, StreamMode};
use crate::decide::units::PicoUsd;
use crate::decide::units::{Arm, Millis, ProviderId};
use crate::proxy::attempt::permit::{Permit, Reserved};
use crate::proxy::core::InUse;
use crate::proxy::downstream::drain_phase::DrainPhase;
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::named_state::NamedState;
use crate::proxy::request::prepared::Prepared;
use crate::proxy::request::read::ReadRequest;
use crate::proxy::request::reservation::CoreShare;
use crate::proxy::upstream::upstreams::Upstreams;
use crate::state::copies::{CopySample, Purpose};
use crate::state::keys::model_hash;
use crate::state::limit::Ask;
use crate::state::snapshot::SnapshotCell;
use crate::wire::body::rewrite;
use crate::wire::dialect::Dialect;
use crate::wire::usage::Usage;

/// Copies of one rollout that are under way at one time.
const MOST_AT_ONCE: u32 = 4;
/// No copy takes longer. The time limit is Serin's, so that it says nothing about the canary.
const LONGEST: Duration = Duration::from_secs(300);
/// What an answer is expected to take where the request allows any length.
const USUAL_OUTPUT: u64 = 4096;
/// After a 429 that names no time.
const REST: Millis = Millis(60_000);
/// A rest is never longer.
const LONGEST_REST: Millis = Millis(3_600_000);

/// What sends copies.
struct Sender {
    shared: Arc<SnapshotCell>,
    upstreams: Rc<Upstreams>,
    memory: Rc<CoreShare>,
    in_use: RefCell<Option<Rc<InUse>>>,
}

/// A sample that may be sent, with what it has taken for that.
struct Admitted {
    in_use: Rc<InUse>,
    canary: ProviderId,
    key: usize,
    permit: Option<Permit>,
    /// What it may cost.
    reserved: PicoUsd,
    price: Option<Price>,
    request: CopiedRequest,
}

/// Sends copies until the process stops.
pub(crate) async fn run(shared: Arc<SnapshotCell>, mut phase: watch::Receiver<DrainPhase>) {
    let sender = Rc::new(Sender {
        upstreams: Upstreams::new(1),
        memory: Rc::new(CoreShare::of(Arc::default())),
        in_use: RefCell::default(),
        shared,
    });
    let queue = Arc::clone(&sender.shared.copies);
    let send = async {
        loop {
            let sample = queue.next().await;
            sender.take(sample);
        }
    };
    tokio::select! {
        () = send => {}
        _ = phase.wait_for(|phase| *phase == DrainPhase::Stopped) => {}
    }
}

impl Sender {
    /// What is in force now.
    fn in_use(&self) -> Rc<InUse> {
        let snapshot = self.shared.load();
        let known = self.in_use.borrow().clone();
        if let Some(known) = &known
            && Arc::ptr_eq(&known.snapshot, &snapshot)
        {
            return Rc::clone(known);
        }
        let same_file = known.filter(|known| Arc::ptr_eq(&known.snapshot.policy, &snapshot.policy));
        let prepared = match same_file {
            Some(known) => Rc::clone(&known.prepared),
            None => {
                self.upstreams.retain(&snapshot.policy);
                let SnapshotCell { sources, state_ids, .. } = &*self.shared;
                Rc::new(Prepared::for_copies(&snapshot.policy, snapshot.generation, sources, state_ids))
            }
        };
        let in_use = Rc::new(InUse { snapshot, prepared });
        *self.in_use.borrow_mut() = Some(Rc::clone(&in_use));
        in_use
    }

    /// Whether a sample may still be sent by what is in force now.
    fn stands(&self, sample: &CopySample, in_use: &InUse) -> bool {
        let snapshot = &in_use.snapshot;
        let known = snapshot.rollouts.get(usize::from(sample.rollout.0)).and_then(|known| known.copies.as_deref());
        let is_same = known.is_some_and(|known| {
            Arc::ptr_eq(&known.gate, &sample.copying.gate) && known.purpose == sample.copying.purpose
        });
        is_same && snapshot.generation == sample.generation && !snapshot.draining
    }

    /// Sends a copy of this sample, if it may be sent.
    fn take(self: &Rc<Self>, sample: CopySample) {
        match self.admit(&sample) {
            Err(why) => sample.copying.gate.skip(why),
            Ok(admitted) => {
                sample.copying.gate.begin();
                let sender = Rc::clone(self);
                spawn_local(async move { sender.send(sample, admitted).await });
            }
        }
    }

    fn admit(&self, sample: &CopySample) -> Result<Admitted, Skip> {
        let in_use = self.in_use();
        let gate = &sample.copying.gate;
        if !self.stands(sample, &in_use) {
            return Err(Skip::Ended);
        }
        let policy = &in_use.snapshot.policy;
        let rollout = &policy.rollouts[usize::from(sample.rollout.0)];
        let Some(canary) = rollout.canary.as_ref().map(|canary| canary.provider) else { return Err(Skip::Ended) };
        let request = request::read(&sample.body)?;
        let (to, now) = (in_use.prepared.provider(canary), clock::now());
        if to.unusable.is_some() {
            return Err(Skip::Ended);
        }
        if gate.is_resting(now) {
            return Err(Skip::Throttled);
        }
        if gate.open() >= MOST_AT_ONCE {
            return Err(Skip::Busy);
        }
        let copy = of(sample);
        let peek = copy.peek(&in_use).ok().flatten().ok_or(Skip::TooLarge)?;
        let request = if to.provider.fields.is_empty() {
            request
        } else {
            // What the canary gets may ask for more than what stable got.
            let rewritten = request::read(&rewrite(&sample.body, &peek, None, &to.provider.fields))?;
            CopiedRequest { expected: request.expected, ..rewritten }
        };
        let model = peek.model().map(|model| to.provider.models.get(model).map_or(model, String::as_str));
        let key = self.key(sample, &in_use, canary, model).ok_or(Skip::NoKey)?;
        let permit = self.room(sample, &copy, peek.model(), &in_use, canary, &request)?;
        let price = model.and_then(|model| to.provider.prices.of(model)).copied();
        let reserved = price.map_or(PicoUsd(0), |price| most_cost(&price, sample, &request));
        let limits = sample.copying.limits;
        if price.is_some() && !gate.record().spending.reserve(reserved, limits.max_cost, clock::unix()) {
            return Err(Skip::Cost);
        }
        if !gate.pace(limits.per_minute, now) {
            gate.record().spending.settle(reserved, PicoUsd(0), clock::unix());
            return Err(Skip::Rate);
        }
        Ok(Admitted { in_use: Rc::clone(&in_use), canary, key, permit, reserved, price, request })
    }

    /// The key that a request of this user would begin with, if it is usable. A copy takes no request's turn to test a
    /// key.
    fn key(&self, sample: &CopySample, in_use: &InUse, canary: ProviderId, model: Option<&str>) -> Option<usize> {
        let to = in_use.prepared.provider(canary);
        if to.keys() == 0 {
            // Its clients' credentials stay where they are.
            return to.provider.forward_headers.is_empty().then_some(0);
        }
        let user = sample.user_hash.unwrap_or_default();
        let home = if to.begins_with_first { 0 } else { to.provider.keys.home(to.keys(), user, clock::unix) };
        if !to.has_api_keys {
            return Some(home + 1);
        }
        let (keys, model, now) = (in_use.snapshot.keys(canary), model_hash(model), clock::now());
        let index = match sample.copying.purpose {
            // Nobody else would test it: requests come after the rehearsal only.
            Purpose::Rehearsal { .. } => keys.not_resting(home, model, now),
            Purpose::Comparison => keys.at_ease(home, model, now),
        };
        index.map(|index| index + 1)
    }

    /// Room within the canary's limit: a copy gives way to every request.
    fn room(
        &self,
        sample: &CopySample,
        copy: &ReadRequest,
        model: Option<&str>,
        in_use: &Rc<InUse>,
        canary: ProviderId,
        request: &CopiedRequest,
    ) -> Result<Option<Permit>, Skip> {
        let Some(limit) = &in_use.prepared.provider(canary).provider.rate_limit else { return Ok(None) };
        let (state, now) = (in_use.snapshot.provider(canary).limit(), clock::nanos());
        if state.is_low(limit, now) || state.queue.waiting() > 0 {
            return Err(Skip::NoRoom);
        }
        let most = request.most_output.map(|most| most.saturating_mul(request.answers));
        let rollout = &in_use.snapshot.policy.rollouts[usize::from(sample.rollout.0)].name;
        let key = estimate::key(rollout, Arm::Canary.as_str(), model.unwrap_or_default());
        let wanted = estimate::reserve(estimate::input(&sample.body), most, state.mean_output(key));
        let tokens = limit.tokens.map_or(0, |rate| wanted.min(rate.depth()));
        let reserved = Reserved { tokens, key, without_cached: copy.dialect == Dialect::Messages };
        state.take(limit, Ask { now, since: now, tokens, yields: true }).map_err(|_| Skip::NoRoom)?;
        Ok(Some(Permit::new(in_use, canary, reserved)))
    }

    async fn send(&self, sample: CopySample, mut admitted: Admitted) {
        let mut under_way = UnderWay { sample: &sample, reserved: admitted.reserved };
        let (in_use, copy) = (Rc::clone(&admitted.in_use), of(&sample));
        let peek = copy.peek(&in_use).ok().flatten();
        // What names state is not copied.
        let named = NamedState::default();
        let client_request = ClientRequest::of(&copy, peek.as_ref(), &named);
        let target = Target {
            in_use: &in_use,
            canary: admitted.canary,
            key: admitted.key,
            upstreams: &self.upstreams,
            memory: &self.memory,
        };
        let stands = || self.stands(&sample, &self.in_use());
        let permit = RefCell::new(admitted.permit.take());
        let is_sent = Cell::new(false);
        let sent = || {
            is_sent.set(true);
            if let Some(permit) = &mut *permit.borrow_mut() {
                permit.sent();
            }
            if let Some(tally) = sample.copying.gate.record().tally(sample.copying.purpose) {
                tally.funnel.sent += 1;
            }
        };
        let answer = tokio::select! {
            answer = timeout(LONGEST, target.ask(&client_request, stands, sent)) => Some(answer),
            () = self.until_ended(&sample) => None,
        };
        let answer = match answer {
            None => CopyAnswer::without(CopyEnd::Ended),
            Some(Err(_)) => CopyAnswer::without(CopyEnd::TooLong),
            Some(Ok(answer)) => answer,
        };
        // From here on the money is settled by what the copy took.
        under_way.reserved = PicoUsd(0);
        let (permit, is_sent) = (permit.into_inner(), is_sent.get());
        self.count((&sample, copy.dialect, is_sent), &admitted, permit, answer, client_request.model());
    }

    /// Until the sample may no longer be sent.
    async fn until_ended(&self, sample: &CopySample) {
        let mut published = self.shared.subscribe();
        while self.stands(sample, &self.in_use()) {
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    fn count(
        &self,
        (sample, dialect, is_sent): (&CopySample, Dialect, bool),
        sent: &Admitted,
        permit: Option<Permit>,
        answer: CopyAnswer,
        model: Option<&str>,
    ) {
        let (gate, now) = (&sample.copying.gate, clock::unix());
        if answer.end == CopyEnd::Throttled {
            gate.rest_until(Millis(clock::now().0 + answer.pause.unwrap_or(REST).min(LONGEST_REST).0));
        }
        let policy = &sent.in_use.snapshot.policy;
        let rollout = &policy.rollouts[usize::from(sample.rollout.0)];
        // A stream that is assembled has its first output at its end, at whichever arm.
        let assembled = rollout.stream_mode == StreamMode::Buffered;
        let times = |times: AnswerTimes| match assembled {
            true => AnswerTimes { first_output: times.total, ..times },
            false => times,
        };
        let expected = &sent.request.expected;
        let good = answer.body.as_deref().map(|body| reading::read(dialect, body, expected, times(answer.times)));
        let stable = reading::decoded(sample.answer.body.clone(), sample.answer.coding.as_deref())
            .map(|body| reading::read(dialect, &body, expected, times(sample.answer.times)));
        let usage = good.as_ref().and_then(|good| good.usage);
        if let Some(permit) = permit
            && let Some(outcome) = answer.outcome
        {
            permit.over(outcome, usage);
        }
        let cost = match (&sent.price, usage, &answer.end) {
            // A connection that had ended took nothing of it.
            (_, _, CopyEnd::Unsent) => PicoUsd(0),
            _ if !is_sent => PicoUsd(0),
            (Some(price), Some(usage), _) => price.of(usage),
            // Of what was refused nothing is billed; what broke off may have been.
            (_, _, CopyEnd::Defect(defect)) if !defect.may_be_billed() => PicoUsd(0),
            (_, _, CopyEnd::Throttled) => PicoUsd(0),
            _ => sent.reserved,
        };
        let of_stable = policy.provider(rollout.stable);
        let stable_model = model.map(|model| of_stable.models.get(model).map_or(model, String::as_str));
        let prices = [stable_model.and_then(|model| of_stable.prices.of(model)), sent.price.as_ref()];
        let mut record = gate.record();
        record.spending.settle(sent.reserved, cost, now);
        let Some(tally) = record.tally(sample.copying.purpose) else { return };
        tally.spent = tally.spent.saturating_add(cost.0);
        tally.unpriced += u64::from(sent.price.is_none() || (usage.is_none() && answer.end == CopyEnd::Good));
        tally.funnel.answered += u64::from(answer.answered);
        match (answer.end, stable, good) {
            (CopyEnd::Throttled, ..) => tally.funnel.skip(Skip::Throttled),
            (CopyEnd::Unsent, ..) => tally.funnel.skip(Skip::Unsent),
            (CopyEnd::Ended, ..) => tally.funnel.skip(Skip::Ended),
            (CopyEnd::Defect(defect), ..) => tally.add_defect(defect),
            (CopyEnd::Filtered, ..) => tally.add_filtered(),
            (CopyEnd::Good, Some(stable), Some(canary)) => {
                tally.add_pair(&stable, &canary, prices);
            }
            (CopyEnd::Good | CopyEnd::TooLong, ..) => tally.funnel.skip(Skip::LongAnswer),
        }
    }
}

/// A copy is under way, until this is dropped. Where that is early, its money is free again.
struct UnderWay<'a> {
    sample: &'a CopySample,
    reserved: PicoUsd,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let gate = &self.sample.copying.gate;
        gate.end();
        if self.reserved > PicoUsd(0) {
            gate.record().spending.settle(self.reserved, PicoUsd(0), clock::unix());
        }
    }
}

/// The request of a sample, as it would be read.
fn of(sample: &CopySample) -> ReadRequest {
    let below = sample.parts.uri.path().get(sample.below_at..).unwrap_or_default();
    ReadRequest::of_copy(sample.parts.clone(), sample.below_at, Dialect::of(below), sample.body.clone())
}

/// The most that a copy costs, as far as that can be told before.
fn most_cost(price: &Price, sample: &CopySample, request: &CopiedRequest) -> PicoUsd {
    let input = estimate::input(&sample.body);
    let output = request.most_output.unwrap_or(USUAL_OUTPUT).saturating_mul(request.answers);
    price.of(Usage { input, output, ..Usage::default() })
}
