//! When a provider that keeps failing is left alone for a while, and how it is tried again.
//!
//! Failures in a row open the breaker; nothing goes to the provider until a deadline, after which ONE request may try:
//! its success closes the breaker, its failure opens it again. Only that probe decides: whatever was sent before the
//! breaker opened, or past it because nobody else was left, may end as it likes. Owns no memory and no clock; the
//! state packs into one word, so that all cores can share it. Invariant: a deadline is never shortened, and no second
//! probe begins before the first has ended or is older than `open_for`.

use super::policy::BreakerRule;
use super::units::Millis;

/// On a rollout's canary: the guard is to see this many failures before the breaker hides the rest from it.
pub const CANARY_FAILURES: u32 = 10;
/// On a rollout's canary: a row is at least this long, so that the guard has looked at it.
pub const CANARY_ROW: Millis = Millis(3000);

/// What an attempt says about its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what it should.
    Success,
    /// It failed in a way that more requests would only meet again.
    Failure,
    /// Nothing: the client left, the request was at fault, Serin ended it.
    None,
}

/// Where a breaker stands, as the surfaces tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go to the provider.
    Closed,
    /// One request may try, or does.
    HalfOpen,
    /// Nothing goes there.
    Open,
}

impl BreakerState {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::HalfOpen => "half_open",
            BreakerState::Open => "open",
        }
    }
}

/// Everything that a breaker remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Requests go to the provider.
    Closed {
        /// Failures in a row; 0: there is nothing to forget.
        failures: u32,
        /// When the first of them ended; 0 without one.
        first: Millis,
    },
    /// Nothing goes there until the deadline, and then one request.
    Open {
        /// Failures that opened it, failed probes among them.
        failures: u32,
        /// The deadline.
        until: Millis,
    },
    /// One request tries.
    HalfOpen {
        /// As when it was open.
        failures: u32,
        /// When the probe began; also which probe it is.
        began: Millis,
    },
}

/// Whether a request may go to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// As any other.
    Yes,
    /// As the probe, if this state takes the place of the one that was asked.
    Probe(State),
    /// Not before this moment.
    No {
        /// When one may try.
        until: Millis,
    },
}

const COUNT_BITS: u32 = 20;
const MILLIS_BITS: u32 = 42;
const MOST_COUNTED: u32 = (1 << COUNT_BITS) - 1;
/// 139 years.
const LATEST: u64 = (1 << MILLIS_BITS) - 1;

impl State {
    /// Nothing has failed.
    pub const CLOSED: State = State::Closed { failures: 0, first: Millis(0) };

    /// The state in one word; [`State::CLOSED`] is 0. Counts stop at a million.
    #[must_use]
    pub fn pack(self) -> u64 {
        let (tag, failures, at) = match self {
            State::Closed { failures, first } => (0, failures, first),
            State::Open { failures, until } => (1, failures, until),
            State::HalfOpen { failures, began } => (2, failures, began),
        };
        let failures = u64::from(failures.min(MOST_COUNTED));
        (tag << (COUNT_BITS + MILLIS_BITS)) | (failures << MILLIS_BITS) | at.0.min(LATEST)
    }

    /// What [`State::pack`] made a word of.
    #[must_use]
    pub fn unpack(word: u64) -> State {
        let at = Millis(word & LATEST);
        let failures = u32::try_from((word >> MILLIS_BITS) & u64::from(MOST_COUNTED)).unwrap_or(MOST_COUNTED);
        match word >> (COUNT_BITS + MILLIS_BITS) {
            1 => State::Open { failures, until: at },
            2 => State::HalfOpen { failures, began: at },
            _ => State::Closed { failures, first: at },
        }
    }

    /// As the surfaces tell it. A breaker whose deadline has passed waits for its probe.
    #[must_use]
    pub const fn seen(self, now: Millis) -> BreakerState {
        match self {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until, .. } if until.0 > now.0 => BreakerState::Open,
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Failures in a row.
    #[must_use]
    pub const fn failures(self) -> u32 {
        match self {
            State::Closed { failures, .. } | State::Open { failures, .. } | State::HalfOpen { failures, .. } => {
                failures
            }
        }
    }
}

/// Whether a request may go to the provider now. A probe that was not heard of for as long as the breaker is open for
/// is given up, and another takes its place.
#[must_use]
pub fn admits(state: State, rule: &BreakerRule, now: Millis) -> Admission {
    let (failures, until) = match state {
        State::Closed { .. } => return Admission::Yes,
        State::Open { failures, until } => (failures, until),
        // At least a tick later: when it began is what a probe is known by.
        State::HalfOpen { failures, began } => (failures, later(began, Millis(rule.open_for.0.max(1)))),
    };
    if now < until { Admission::No { until } } else { Admission::Probe(State::HalfOpen { failures, began: now }) }
}

/// What follows from an attempt's end. `canary`: the provider is a rollout's canary. `probe`: when it began, if the
/// attempt was a probe.
#[must_use]
pub fn after(
    state: State,
    verdict: Verdict,
    rule: &BreakerRule,
    canary: bool,
    probe: Option<Millis>,
    now: Millis,
) -> State {
    match (state, verdict) {
        (State::Closed { .. }, Verdict::Success) => State::CLOSED,
        (State::Closed { failures, first }, Verdict::Failure) => {
            let (failures, first) = if failures == 0 { (1, now) } else { ((failures + 1).min(MOST_COUNTED), first) };
            if is_enough(rule, canary, failures, now.since(first)) {
                State::Open { failures, until: later(now, rule.open_for) }
            } else {
                State::Closed { failures, first }
            }
        }
        (State::HalfOpen { failures, began }, verdict) if probe == Some(began) => match verdict {
            Verdict::Success => State::CLOSED,
            Verdict::Failure => {
                let failures = (failures + 1).min(MOST_COUNTED);
                State::Open { failures, until: later(now, rule.open_for).max(began) }
            }
            // It was due when that probe began, so the next request may try at once.
            Verdict::None => State::Open { failures, until: began },
        },
        (State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. }, _) => state,
    }
}

fn is_enough(rule: &BreakerRule, canary: bool, failures: u32, row: Millis) -> bool {
    let (needed, length) =
        if canary { (rule.failures.max(CANARY_FAILURES), CANARY_ROW) } else { (rule.failures, Millis(0)) };
    failures >= needed.min(MOST_COUNTED) && row >= length
}

// A moment that a word can hold.
fn later(at: Millis, length: Millis) -> Millis {
    Millis(at.0.saturating_add(length.0).min(LATEST))
}

#[cfg(test)]
mod tests;
