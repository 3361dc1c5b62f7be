//! Room within the limit of a provider, for an attempt that is about to be sent.
//!
//! Takes it, waits for it, or has another candidate asked, as `when_full` says. A request that waits holds no
//! connection and leaves at once when its plan no longer stands, when the guard has withdrawn it, or when Serin ends.
//! Refuses to count a request that found no room as anything the provider did. Invariant: under `fallback` a request is
//! refused by no limit.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::request::Parts;

use super::Failover;
use crate::clock;
use crate::decide::limit::estimate;
use crate::decide::policy::{Auth, RateLimit, WhenFull};
use crate::decide::units::{Arm, Millis, ProviderId};
use crate::proxy::attempt::permit::{Permit, Reserved};
use crate::proxy::attempt::send::AttemptError;
use crate::proxy::attempt::withdrawal::Withdrawable;
use crate::proxy::request::client_request::ClientRequest;
use crate::proxy::request::prepared::PreparedProvider;
use crate::proxy::response::error::ProxyError;
use crate::state::keys::model_hash;
use crate::state::limit::{Ask, Full, LimitKind, LimitState, Turned};
use crate::state::told_limits::{ToldLimits, ToldSample};
use crate::wire::credentials::suggests_secret;
use crate::wire::dialect::Dialect;
use crate::wire::rate_headers::{Measure, Pause, read_rate_report};

const PRIORITY: &str = "x-serin-priority";
/// For how long a provider that refused closes its limit at most.
const LONGEST_CLOSED: u64 = 60_000;
const MILLISECOND: u64 = 1_000_000;
/// After how many milliseconds a client is told to come again where nobody knows when there is room.
const UNKNOWN_WAIT: u64 = 1000;

/// How a wait for room ended.
enum Waited {
    Room,
    /// The turn did not come in time, or too many wait.
    Late,
    Replan,
    /// The provider is down.
    Withdrawn,
    Cut,
}

impl<'a> Failover<'a> {
    /// Takes room for an attempt, if there is some.
    pub(super) fn take_room(&mut self, limit: &RateLimit, id: ProviderId) -> Result<(), Full> {
        let now = clock::nanos();
        let (state, reserved) = (self.limit_of(id), self.reserved(limit, id));
        let yields = (state.is_low(limit, now) || state.queue.waiting() > 0) && self.yields();
        state.take(limit, Ask { now, since: now, tokens: reserved.tokens, yields })?;
        self.hold(id, reserved);
        Ok(())
    }

    /// What becomes of an attempt for which there was none.
    pub(super) async fn without_room(
        &mut self,
        limit: &RateLimit,
        id: ProviderId,
        full: Full,
    ) -> Result<(), AttemptError> {
        let is_chosen = self.account.scope().is_chosen(id);
        match limit.when_full {
            WhenFull::Observe => {
                self.force(limit, id);
                self.turned(id, full.kind, Turned::Observed, Millis(0));
                return Ok(());
            }
            WhenFull::Refuse if is_chosen => return Err(self.refused(id, full, Millis(0))),
            // The request is another provider's, which failed it: this one is passed over.
            WhenFull::Refuse => return Err(self.passed_over(id, full, Millis(0))),
            WhenFull::Fallback if self.others_may_have_room() => {
                self.turned(id, full.kind, Turned::Other, Millis(0));
                return Err(AttemptError::Full { comes_back: true, problem: self.limited(id, full) });
            }
            WhenFull::Fallback | WhenFull::Wait => {}
        }
        let began = clock::nanos();
        let (waited, full) = self.wait_for_room(limit, id, full, began).await;
        let took = Millis(clock::nanos().saturating_sub(began) / MILLISECOND);
        match waited {
            Waited::Late if self.is_expired() => {
                self.turned(id, full.kind, Turned::Refused, took);
                Err(AttemptError::Refused(ProxyError::Expired))
            }
            Waited::Room => {
                self.turned(id, full.kind, Turned::Waited, took);
                Ok(())
            }
            Waited::Replan => Err(AttemptError::Replan),
            Waited::Cut => Err(AttemptError::Cut),
            Waited::Late | Waited::Withdrawn if limit.when_full == WhenFull::Fallback => {
                if self.others_may_have_room() {
                    return Err(self.passed_over(id, full, took));
                }
                self.force(limit, id);
                self.turned(id, full.kind, Turned::Sent, took);
                Ok(())
            }
            Waited::Late | Waited::Withdrawn if !is_chosen || self.others_can_answer() => {
                Err(self.passed_over(id, full, took))
            }
            Waited::Late | Waited::Withdrawn => Err(self.refused(id, full, took)),
        }
    }

    /// Also gives what there was no room for in the end.
    async fn wait_for_room(&mut self, limit: &RateLimit, id: ProviderId, mut full: Full, began: u64) -> (Waited, Full) {
        let (state, yields) = (self.limit_of(id), self.yields());
        let Some(place) = state.queue.join(yields) else { return (Waited::Late, full) };
        let mut wait = limit.wait.duration();
        if let Some(expiry) = self.client_request.request.grpc.and_then(|call| call.expiry) {
            wait = wait.min(expiry.left(clock::instant()));
        }
        let until = began.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        let reserved = self.reserved(limit, id);
        let no_output = Cell::new(false);
        let rollout = self.plan().rollout.filter(|_| self.candidates.has_others());
        let withdrawable = rollout.and_then(|rollout| Withdrawable::of(self.in_use, rollout, id, &no_output));
        let (core, account) = (self.core, &self.account);
        let mut timer = pin!(tokio::time::sleep(wait));
        let waits = async {
            // When its turn was, by the rates: a turn that came while this one slept is not lost.
            let mut turn = None;
            loop {
                let mut published = pin!(core.until_published());
                let mut woken = pin!(place.woken());
                if !account.still_stands() {
                    return Waited::Replan;
                }
                if withdrawable.is_some_and(Withdrawable::is_withdrawn) {
                    return Waited::Withdrawn;
                }
                let (now, mut due) = (clock::nanos(), until);
                if place.is_first() {
                    let since = turn.unwrap_or(now).min(now);
                    match state.take_as_first(limit, Ask { now, since, tokens: reserved.tokens, yields }) {
                        Ok(()) => return Waited::Room,
                        Err(found) => {
                            full = found;
                            turn = found.not_before;
                            due = due.min(found.not_before.unwrap_or(until));
                        }
                    }
                }
                if now >= until {
                    return Waited::Late;
                }
                let at = clock::instant() + Duration::from_nanos(due.saturating_sub(now));
                timer.as_mut().reset(at.into());
                poll_fn(|context| {
                    let woken = [
                        timer.as_mut().poll(context).is_ready(),
                        woken.as_mut().poll(context).is_ready(),
                        published.as_mut().poll(context).is_ready(),
                    ];
                    if woken.contains(&true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        };
        let waited = core.unless_cut(pin!(waits)).await.unwrap_or(Waited::Cut);
        if matches!(waited, Waited::Room) {
            self.hold(id, reserved);
        }
        (waited, full)
    }

    /// Another candidate is left, and the request can be sent to it.
    fn others_can_answer(&self) -> bool {
        self.candidates.has_others() && self.client_request.can_be_sent()
    }

    /// The same, and it is not known that its limit has no room either.
    fn others_may_have_room(&self) -> bool {
        self.candidates.has_others_with_room() && self.client_request.can_be_sent()
    }

    fn limit_of(&self, id: ProviderId) -> &'a LimitState {
        self.in_use.snapshot.provider(id).limit()
    }

    fn hold(&mut self, id: ProviderId, reserved: Reserved) {
        self.account.hold(Permit::new(self.in_use, id, reserved));
    }

    fn force(&mut self, limit: &RateLimit, id: ProviderId) {
        let (now, reserved) = (clock::nanos(), self.reserved(limit, id));
        self.limit_of(id).force(limit, Ask { now, since: now, tokens: reserved.tokens, yields: false });
        self.hold(id, reserved);
    }

    /// The limit had no room: that is counted and told.
    fn turned(&mut self, id: ProviderId, kind: LimitKind, turned: Turned, waited: Millis) {
        self.limit_of(id).count(kind, turned);
        self.account.note_limit(id, kind, turned, waited);
    }

    /// The client is told to come again.
    fn refused(&mut self, id: ProviderId, full: Full, waited: Millis) -> AttemptError {
        self.turned(id, full.kind, Turned::Refused, waited);
        AttemptError::Refused(self.limited(id, full))
    }

    /// The next candidate is asked, if there is one.
    fn passed_over(&mut self, id: ProviderId, full: Full, waited: Millis) -> AttemptError {
        let turned = if self.others_can_answer() { Turned::Other } else { Turned::Refused };
        self.turned(id, full.kind, turned, waited);
        AttemptError::Full { comes_back: false, problem: self.limited(id, full) }
    }

    fn limited(&self, id: ProviderId, full: Full) -> ProxyError {
        let provider = self.account.scope().name(id).to_owned();
        let left = full.not_before.map(|at| at.saturating_sub(clock::nanos()).div_ceil(MILLISECOND));
        // Where that is over there was no room all the same, and nobody knows when there is.
        let wait = left.filter(|left| *left > 0).unwrap_or(UNKNOWN_WAIT);
        ProxyError::Limited { provider, limit: full.kind.as_str(), wait: Millis(wait) }
    }

    /// Whether the client says that it gives way to others.
    fn yields(&self) -> bool {
        let priority = self.client_request.request.parts.headers.get(PRIORITY);
        priority.is_some_and(|priority| priority.as_bytes().eq_ignore_ascii_case(b"low"))
    }

    /// What the request is expected to take of tokens, where they are limited.
    fn reserved(&self, limit: &RateLimit, id: ProviderId) -> Reserved {
        let (client_request, plan) = (self.client_request, self.plan());
        let dialect = client_request.request.dialect;
        // A file that is uploaded, or a list that is read, has no tokens.
        let Some(rate) = limit.tokens.filter(|_| dialect != Dialect::Plain) else { return Reserved::default() };
        let (input, most) = match client_request.read {
            Some((whole, peek)) => (estimate::input(whole), peek.most_output()),
            None => (estimate::of_bytes(content_length(&client_request.request.parts.headers)), None),
        };
        let rollout = self.rollout.map_or("", |rollout| rollout.name.as_str());
        let key = estimate::key(rollout, plan.arm.map_or("", Arm::as_str), client_request.model().unwrap_or_default());
        // What writes nothing is settled by its usage, and by its bytes where it tells of none.
        let most = if dialect.generates() { most } else { Some(0) };
        let tokens = estimate::reserve(input, most, self.limit_of(id).mean_output(key));
        // One that is larger passes alone. What it took in the end is settled by usage.
        Reserved { tokens: tokens.min(rate.depth()), key, without_cached: dialect == Dialect::Messages }
    }
}

fn content_length(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// The limit follows what the head of an answer says.
pub(crate) fn follow(state: &LimitState, limit: &RateLimit, status: u16, headers: &HeaderMap) {
    let report = read_rate_report(headers, clock::unix().0);
    let now = clock::nanos();
    state.follow(limit, now, [Measure::Requests, Measure::Tokens].map(|measure| report.remaining(measure)));
    if status == 429
        && let Some(Pause::For(millis)) = report.pause(None)
        && (report.asked.is_some() || report.is_used_up())
    {
        state.close_until(limit, now.saturating_add(millis.min(LONGEST_CLOSED) * MILLISECOND));
    }
}

/// What the head of an answer says of the provider's limits.
#[cold]
pub(super) fn note_limits(
    told: &ToldLimits,
    client_request: &ClientRequest<'_>,
    to: &PreparedProvider,
    headers: &HeaderMap,
) {
    let report = read_rate_report(headers, clock::unix().0);
    let model = client_request.model();
    let known_as = model.and_then(|model| to.provider.models.get(model)).map(String::as_str);
    let brings_own = !to.own_key && to.provider.auth != Auth::None;
    told.note(ToldSample {
        model: model_hash(known_as.or(model)),
        client: if brings_own { credentials(&client_request.request.parts) } else { 0 },
        per_minute: [Measure::Requests, Measure::Tokens].map(|measure| report.per_minute(measure)),
    });
}

/// A hash of all credentials that a client may have brought.
fn credentials(parts: &Parts) -> u64 {
    let headers = parts.headers.iter().filter(|(name, _)| suggests_secret(name.as_str()));
    let mut text: String = headers.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    let query = parts.uri.query().unwrap_or_default().split('&');
    text.extend(query.filter(|pair| suggests_secret(&pair.to_ascii_lowercase())));
    model_hash(Some(&text))
}
