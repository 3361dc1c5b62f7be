//! Whether a rollout's stable can be reached: the only reason for which stable is skipped.
//!
//! An answer or a failed answer may be caused by one request, and must not move other requests. A failed connection is
//! not caused by a request: stable is skipped after a number of consecutive failures to connect, over a second at least
//! and without any response head between them. One response head ends that, and so does a connection of Serin's own,
//! which is tried after 1, 2, 4 seconds and so on up to 15. Requests of users are never used as probes. The state is
//! that of a [`breaker`](super::breaker), in one word. Invariant: while stable is skipped a probe is due or under way.

use super::breaker::{Caller, CircuitState, MOST_COUNTED, MOST_TRIES, doubled, later, one_more};
use super::policy::BreakerRule;
use super::units::Millis;

/// A row of failures to connect is at least this long: one burst is none.
pub const ROW: Millis = Millis(1000);
/// Until the first probe.
pub const FIRST_PAUSE: Millis = Millis(1000);
/// Between two probes, at most.
pub const LONGEST_PAUSE: Millis = Millis(15_000);
/// A probe without a result after this time is lost. Longer than any probe may take.
const LOST: Millis = Millis(30_000);

/// A request could not be connected.
#[must_use]
pub fn after_connect_failure(state: CircuitState, rule: &BreakerRule, now: Millis) -> CircuitState {
    let CircuitState::Closed { failures, first, .. } = state else { return state };
    let (failures, first) = one_more(failures, first, now);
    if failures >= rule.failures.min(MOST_COUNTED) && now.since(first) >= ROW {
        CircuitState::Open { failures, until: later(now, FIRST_PAUSE), tries: 0 }
    } else {
        CircuitState::Closed { failures, first, last: Caller::UNKNOWN }
    }
}

/// With Serin's own attempt to connect begun, if it is time for one.
#[must_use]
pub fn begin_probe(state: CircuitState, now: Millis) -> Option<CircuitState> {
    let (failures, due, tries) = match state {
        CircuitState::Closed { .. } => return None,
        CircuitState::Open { failures, until, tries } => (failures, until, tries),
        CircuitState::HalfOpen { failures, began, tries } => (failures, later(began, LOST), tries),
    };
    (now >= due).then_some(CircuitState::HalfOpen { failures, began: now, tries })
}

/// After the attempt that began at this moment.
#[must_use]
pub fn after_probe(state: CircuitState, began: Millis, connected: bool, now: Millis) -> CircuitState {
    match state {
        CircuitState::HalfOpen { began: present, .. } if present != began => state,
        CircuitState::HalfOpen { .. } if connected => CircuitState::CLOSED,
        CircuitState::HalfOpen { failures, tries, .. } => {
            let tries = (tries + 1).min(MOST_TRIES);
            let until = later(now, doubled(FIRST_PAUSE, tries, LONGEST_PAUSE)).max(began);
            CircuitState::Open { failures: (failures + 1).min(MOST_COUNTED), until, tries }
        }
        CircuitState::Closed { .. } | CircuitState::Open { .. } => state,
    }
}

#[cfg(test)]
mod tests;
