//! Room within the limit of a provider, for an attempt that is about to be sent.
//!
//! Takes it, waits for it, or has another candidate asked, as `when_full` says. A request that waits holds no connection
//! and leaves at once when its plan no longer stands, when the guard has withdrawn it, or when Serin ends. Refuses to
//! count a request that found no room as anything the provider did. Invariant: under `fallback` a request is refused by
//! no limit.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::Failover;
use crate::clock;
use crate::decide::limit::estimate;
use crate::decide::policy::{RateLimit, WhenFull};
use crate::decide::units::{Arm, Millis, ProviderId};
use crate::proxy::attempt::permit::{Permit, Reserved};
use crate::proxy::attempt::send::AttemptError;
use crate::proxy::attempt::withdrawal::Withdrawable;
use crate::proxy::response::error::ProxyError;
use crate::state::limit::{Ask, Full, LimitKind, LimitState, Turned};
use crate::state::told_limits::ToldLimits;
use crate::wire::dialect::Dialect;
use crate::wire::rate_headers::{Measure, Pause, read_rate_report};

const PRIORITY: &str = "x-serin-priority";
/// For how long a provider that refused closes its limit at most.
const LONGEST_CLOSED: u64 = 60_000;
const MILLISECOND: u64 = 1_000_000;

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
        let yields = state.is_low(limit, now) && self.yields();
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
        match limit.when_full {
            WhenFull::Observe => {
                self.force(limit, id);
                self.turned(id, full.kind, Turned::Observed, Millis(0));
                return Ok(());
            }
            WhenFull::Refuse => return Err(self.refused(id, full)),
            WhenFull::Fallback if self.others_can_answer() => {
                self.turned(id, full.kind, Turned::Other, Millis(0));
                return Err(AttemptError::Full { comes_back: true });
            }
            WhenFull::Fallback | WhenFull::Wait => {}
        }
        let began = clock::nanos();
        let waited = self.wait_for_room(limit, id, began).await;
        let took = Millis(clock::nanos().saturating_sub(began) / MILLISECOND);
        match waited {
            Waited::Room => {
                self.turned(id, full.kind, Turned::Waited, took);
                Ok(())
            }
            Waited::Replan => Err(AttemptError::Replan),
            Waited::Cut => Err(AttemptError::Cut),
            Waited::Late | Waited::Withdrawn if self.others_can_answer() => {
                self.turned(id, full.kind, Turned::Other, took);
                Err(AttemptError::Full { comes_back: false })
            }
            Waited::Late | Waited::Withdrawn if limit.when_full == WhenFull::Fallback => {
                self.force(limit, id);
                self.turned(id, full.kind, Turned::Sent, took);
                Ok(())
            }
            Waited::Late | Waited::Withdrawn => Err(self.refused(id, full)),
        }
    }

    async fn wait_for_room(&mut self, limit: &RateLimit, id: ProviderId, began: u64) -> Waited {
        let state = self.limit_of(id);
        let Some(place) = state.queue.join() else { return Waited::Late };
        let until = began.saturating_add(limit.wait.0.saturating_mul(MILLISECOND));
        let (reserved, yields) = (self.reserved(limit, id), self.yields());
        let no_output = Cell::new(false);
        let rollout = self.plan().rollout.filter(|_| self.candidates.has_others());
        let withdrawable = rollout.and_then(|rollout| Withdrawable::of(self.in_use, rollout, id, &no_output));
        let (core, account) = (self.core, &self.account);
        let mut timer = pin!(tokio::time::sleep(limit.wait.duration()));
        let waits = async {
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
                    let ask = Ask { now, since: began, tokens: reserved.tokens, yields };
                    match state.take_as_first(limit, ask) {
                        Ok(()) => return Waited::Room,
                        Err(Full { not_before, .. }) => due = due.min(not_before.unwrap_or(until)),
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
        waited
    }

    /// Another candidate is left, and the request can be sent to it.
    fn others_can_answer(&self) -> bool {
        self.candidates.has_others() && self.client_request.can_be_sent()
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

    fn refused(&mut self, id: ProviderId, full: Full) -> AttemptError {
        self.turned(id, full.kind, Turned::Refused, Millis(0));
        let wait = full.not_before.map_or(1000, |at| at.saturating_sub(clock::nanos()).div_ceil(MILLISECOND));
        let provider = self.account.scope().name(id).to_owned();
        AttemptError::Refused(ProxyError::Limited { provider, limit: full.kind.as_str(), wait: Millis(wait.max(1)) })
    }

    /// Whether the client says that it gives way to others.
    fn yields(&self) -> bool {
        let priority = self.client_request.request.parts.headers.get(PRIORITY);
        priority.is_some_and(|priority| priority.as_bytes().eq_ignore_ascii_case(b"low"))
    }

    /// What the request is expected to take of tokens, where they are limited.
    fn reserved(&self, limit: &RateLimit, id: ProviderId) -> Reserved {
        if limit.tokens.is_none() {
            return Reserved::default();
        }
        let (client_request, plan) = (self.client_request, self.plan());
        let (bytes, most) = match client_request.read {
            Some((whole, peek)) => (whole.len() as u64, peek.most_output()),
            None => (content_length(&client_request.request.parts.headers), None),
        };
        let rollout = self.rollout.map_or("", |rollout| rollout.name.as_str());
        let key = estimate::key(rollout, plan.arm.map_or("", Arm::as_str), client_request.model().unwrap_or_default());
        let dialect = client_request.request.dialect;
        // What writes nothing is settled by its usage, and by its bytes where it tells of none.
        let most = if dialect.generates() { most } else { Some(0) };
        let tokens = estimate::reserve(bytes, most, self.limit_of(id).mean_output(key));
        Reserved { tokens, key, without_cached: dialect == Dialect::Messages }
    }
}

fn content_length(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// The limit follows what the head of an answer says.
pub(super) fn follow(state: &LimitState, limit: &RateLimit, status: u16, headers: &HeaderMap) {
    let report = read_rate_report(headers, clock::unix().0);
    let now = clock::nanos();
    state.follow(limit, now, [Measure::Requests, Measure::Tokens].map(|measure| report.remaining(measure)));
    if status == 429
        && let Some(Pause::For(millis)) = report.pause(None)
    {
        state.close_until(limit, now.saturating_add(millis.min(LONGEST_CLOSED) * MILLISECOND));
    }
}

/// What the head of an answer says of the provider's limits.
#[cold]
pub(super) fn note_limits(told: &ToldLimits, headers: &HeaderMap) {
    let report = read_rate_report(headers, clock::unix().0);
    told.note([Measure::Requests, Measure::Tokens].map(|measure| report.per_minute(measure)));
}
