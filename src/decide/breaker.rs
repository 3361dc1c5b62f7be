//! The circuit breaker of a provider: when requests stop going there, and how it is probed.
//!
//! Consecutive failures open the breaker. Nothing is sent until a deadline; then ONE request is the probe: its success
//! closes the breaker, its failure opens it again for twice as long. Only the probe decides. Requests that were sent
//! before the breaker opened, or past it because no other provider was left, change nothing. On a rollout's canary the
//! failures of one caller count once until another caller's request fails, so that one user cannot open the breaker.
//! This breaker never applies to a rollout's stable, since one user can make stable fail;
//! [`reachability`](super::reachability) covers that case. Owns no memory and no clock; the state packs into one word
//! that all cores share. Invariants: a deadline is never shortened; no second probe begins before the first has ended
//! or is older than `open_for`.

use super::guard::sources::SourceGroup;
use super::policy::BreakerRule;
use super::units::{Millis, Slot};

/// On a rollout's canary: the guard is to see this many failures before the breaker hides the rest from it.
pub const CANARY_FAILURES: u32 = 10;
/// On a rollout's canary: a row is at least this long, so that the guard has looked at it.
pub const CANARY_ROW: Millis = Millis(3000);

/// However often it is opened again, a breaker stays open no longer than this, or than `open_for` where that is more.
pub const LONGEST_OPEN: Millis = Millis(120_000);

/// What an attempt's outcome means for the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptSignal {
    /// It did what it should.
    Success,
    /// It failed in a way that more requests would only meet again.
    Failure,
    /// Nothing: the client left, the request was at fault, Serin ended it.
    None,
}

/// The caller of a request, as far as a breaker distinguishes callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller(u8);

impl Caller {
    /// Not known, or of no importance, since no request can be what made it fail: each failure counts.
    pub const UNKNOWN: Caller = Caller(0);

    /// By its user. Few of many users are taken for one another; those failures count once as well.
    #[must_use]
    pub fn user(slot: Slot) -> Caller {
        let number = slot.index() % usize::from(MOST_CALLERS);
        u8::try_from(number).map_or(Caller::UNKNOWN, |number| Caller(number + 1))
    }

    /// By where it comes from, whatever users it names.
    #[must_use]
    pub fn source(group: SourceGroup) -> Caller {
        u8::try_from(group.index()).map_or(Caller::UNKNOWN, |number| Caller(number + 1))
    }
}

/// Where a breaker stands, as the surfaces tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerPhase {
    /// Requests go to the provider.
    Closed,
    /// One request may try, or does.
    HalfOpen,
    /// Nothing goes there.
    Open,
}

impl BreakerPhase {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            BreakerPhase::Closed => "closed",
            BreakerPhase::HalfOpen => "half_open",
            BreakerPhase::Open => "open",
        }
    }
}

/// Everything that a breaker remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// Requests go to the provider.
    Closed {
        /// Failures in a row; 0: there is nothing to forget.
        failures: u32,
        /// When the first of them ended; 0 without one.
        first: Millis,
        /// Of a canary: whose the last of them was.
        last: Caller,
    },
    /// Nothing goes there until the deadline, and then one request.
    Open {
        /// Failures that opened it, failed probes among them.
        failures: u32,
        /// The deadline.
        until: Millis,
        /// Probes that failed since it was closed.
        tries: u32,
    },
    /// One request tries.
    HalfOpen {
        /// As when it was open.
        failures: u32,
        /// When the probe began; also which probe it is.
        began: Millis,
        /// As when it was open.
        tries: u32,
    },
}

/// Whether a request may go to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// As any other.
    Yes,
    /// As the probe, if this state takes the place of the one that was asked.
    Probe(CircuitState),
    /// Not before this moment.
    No {
        /// When one may try.
        until: Millis,
    },
}

const TRIES_BITS: u32 = 5;
const COUNT_BITS: u32 = 14;
const CALLER_BITS: u32 = 6;
const MILLIS_BITS: u32 = 37;
pub(super) const MOST_TRIES: u32 = (1 << TRIES_BITS) - 1;
pub(super) const MOST_COUNTED: u32 = (1 << COUNT_BITS) - 1;
/// Besides the unknown one.
const MOST_CALLERS: u8 = (1 << CALLER_BITS) - 1;
/// Four years.
const LATEST: u64 = (1 << MILLIS_BITS) - 1;

impl CircuitState {
    /// Nothing has failed.
    pub const CLOSED: CircuitState = CircuitState::Closed { failures: 0, first: Millis(0), last: Caller::UNKNOWN };

    /// The state in one word; [`CircuitState::CLOSED`] is 0. Failures are counted up to 16,383, tries up to 31.
    #[must_use]
    pub fn pack(self) -> u64 {
        let (tag, failures, at, tries, last) = match self {
            CircuitState::Closed { failures, first, last } => (0, failures, first, 0, last),
            CircuitState::Open { failures, until, tries } => (1, failures, until, tries, Caller::UNKNOWN),
            CircuitState::HalfOpen { failures, began, tries } => (2, failures, began, tries, Caller::UNKNOWN),
        };
        let head = (tag << TRIES_BITS) | u64::from(tries.min(MOST_TRIES));
        let head = (head << CALLER_BITS) | u64::from(last.0);
        let head = (head << COUNT_BITS) | u64::from(failures.min(MOST_COUNTED));
        (head << MILLIS_BITS) | at.0.min(LATEST)
    }

    /// What [`CircuitState::pack`] made a word of.
    #[must_use]
    pub fn unpack(word: u64) -> CircuitState {
        let part = |shift: u32, most: u32| u32::try_from((word >> shift) & u64::from(most)).unwrap_or(most);
        let at = Millis(word & LATEST);
        let failures = part(MILLIS_BITS, MOST_COUNTED);
        let last = part(MILLIS_BITS + COUNT_BITS, u32::from(MOST_CALLERS));
        let tries = part(MILLIS_BITS + COUNT_BITS + CALLER_BITS, MOST_TRIES);
        match word >> (MILLIS_BITS + COUNT_BITS + CALLER_BITS + TRIES_BITS) {
            1 => CircuitState::Open { failures, until: at, tries },
            2 => CircuitState::HalfOpen { failures, began: at, tries },
            _ => CircuitState::Closed { failures, first: at, last: Caller(u8::try_from(last).unwrap_or_default()) },
        }
    }

    /// As the surfaces tell it. A breaker whose deadline has passed waits for its probe.
    #[must_use]
    pub const fn phase(self, now: Millis) -> BreakerPhase {
        match self {
            CircuitState::Closed { .. } => BreakerPhase::Closed,
            CircuitState::Open { until, .. } if until.0 > now.0 => BreakerPhase::Open,
            CircuitState::Open { .. } | CircuitState::HalfOpen { .. } => BreakerPhase::HalfOpen,
        }
    }

    /// Failures in a row.
    #[must_use]
    pub const fn failures(self) -> u32 {
        match self {
            CircuitState::Closed { failures, .. }
            | CircuitState::Open { failures, .. }
            | CircuitState::HalfOpen { failures, .. } => failures,
        }
    }
}

/// Whether a request may go to the provider now. A probe without a result for as long as the breaker stays open
/// is lost, and another takes its place.
#[must_use]
pub fn admits(state: CircuitState, rule: &BreakerRule, now: Millis) -> Admission {
    let (failures, until, tries) = match state {
        CircuitState::Closed { .. } => return Admission::Yes,
        CircuitState::Open { failures, until, tries } => (failures, until, tries),
        // At least a tick later: when it began is what a probe is known by.
        CircuitState::HalfOpen { failures, began, tries } => {
            (failures, later(began, Millis(rule.open_for.0.max(1))), tries)
        }
    };
    if now < until {
        Admission::No { until }
    } else {
        Admission::Probe(CircuitState::HalfOpen { failures, began: now, tries })
    }
}

/// What follows from an attempt's end. `canary`: the provider is a rollout's canary, and this is whose request it was.
/// `probe`: when it began, if the attempt was a probe.
#[must_use]
pub fn after(
    state: CircuitState,
    verdict: AttemptSignal,
    rule: &BreakerRule,
    canary: Option<Caller>,
    probe: Option<Millis>,
    now: Millis,
) -> CircuitState {
    match (state, verdict) {
        (CircuitState::Closed { .. }, AttemptSignal::Success) => CircuitState::CLOSED,
        (CircuitState::Closed { failures, last, .. }, AttemptSignal::Failure)
            if failures > 0 && is_same(canary, last) =>
        {
            state
        }
        (CircuitState::Closed { failures, first, .. }, AttemptSignal::Failure) => {
            let (failures, first) = one_more(failures, first, now);
            if is_enough(rule, canary.is_some(), failures, now.since(first)) {
                CircuitState::Open { failures, until: later(now, rule.open_for), tries: 0 }
            } else {
                CircuitState::Closed { failures, first, last: canary.unwrap_or_default() }
            }
        }
        (CircuitState::HalfOpen { failures, began, tries }, verdict) if probe == Some(began) => match verdict {
            AttemptSignal::Success => CircuitState::CLOSED,
            AttemptSignal::Failure => {
                let (failures, tries) = ((failures + 1).min(MOST_COUNTED), (tries + 1).min(MOST_TRIES));
                CircuitState::Open { failures, until: later(now, open_for(rule, tries)).max(began), tries }
            }
            // It was due when that probe began, so the next request may try at once.
            AttemptSignal::None => CircuitState::Open { failures, until: began, tries },
        },
        (CircuitState::Closed { .. } | CircuitState::Open { .. } | CircuitState::HalfOpen { .. }, _) => state,
    }
}

/// Whether the caller of this failure is known, and was that of the one before.
fn is_same(caller: Option<Caller>, last: Caller) -> bool {
    caller.is_some_and(|caller| caller != Caller::UNKNOWN && caller == last)
}

/// How long the breaker stays open after this many failed probes.
#[must_use]
pub fn open_for(rule: &BreakerRule, tries: u32) -> Millis {
    doubled(rule.open_for, tries, LONGEST_OPEN.max(rule.open_for))
}

/// A length that was doubled so often, up to a bound.
pub(super) fn doubled(length: Millis, times: u32, most: Millis) -> Millis {
    Millis(length.0.saturating_mul(1 << times.min(MOST_TRIES))).min(most)
}

/// A row of failures with one more, and when its first was.
pub(super) fn one_more(failures: u32, first: Millis, now: Millis) -> (u32, Millis) {
    if failures == 0 { (1, now) } else { ((failures + 1).min(MOST_COUNTED), first) }
}

fn is_enough(rule: &BreakerRule, canary: bool, failures: u32, row: Millis) -> bool {
    let (needed, length) =
        if canary { (rule.failures.max(CANARY_FAILURES), CANARY_ROW) } else { (rule.failures, Millis(0)) };
    failures >= needed.min(MOST_COUNTED) && row >= length
}

/// A moment that a word can hold.
pub(super) fn later(at: Millis, length: Millis) -> Millis {
    Millis(at.0.saturating_add(length.0).min(LATEST))
}

#[cfg(test)]
mod tests;
