//! What is told of a provider's limit: how much of it is used, and what became of requests that it had no room for.
//!
//! Counts what was sent in the last minute, by a look each second. Changes no limit: cores do, and a reload rescales
//! them ([`providers`](super::providers)). Invariant: what is told of the last minute covers a minute at most.

use std::collections::VecDeque;

use crate::control::now::Now;
use crate::decide::policy::{Client, Policy, RateLimit};
use crate::decide::units::Millis;
use crate::state::limit::{LimitKind, LimitState, Turned};
use crate::state::source_table::SourceTable;
use crate::state::status::{ClientLimitStatus, LimitStatus};

const MINUTE: Millis = Millis(60_000);

/// What was sent up to each second of the last minute.
#[derive(Debug, Default)]
pub(super) struct LastMinute(VecDeque<(Millis, u64)>);

impl LastMinute {
    /// So many were sent up to now.
    pub(super) fn note(&mut self, sent: u64, now: Millis) {
        while self.0.get(1).is_some_and(|(at, _)| now.since(*at) >= MINUTE) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(at, _)| now.since(*at) >= Millis(1000)) {
            self.0.push_back((now, sent));
        }
    }

    fn of(&self, sent: u64) -> u64 {
        self.0.front().map_or(sent, |(_, before)| sent.saturating_sub(*before))
    }
}

/// A limit as it stands.
pub(super) fn status(limit: &RateLimit, state: &LimitState, minute: &LastMinute, now: Now) -> LimitStatus {
    let [requests_left, tokens_left] = state.left(limit, in_nanos(now.mono));
    LimitStatus {
        requests_per_minute: limit.requests.map(|rate| rate.per_minute()),
        burst: limit.requests.map(|rate| rate.depth()),
        last_minute: minute.of(state.sent()),
        requests_left,
        tokens_per_minute: limit.tokens.map(|rate| rate.per_minute()),
        tokens_left,
        most_in_flight: limit.in_flight,
        in_flight: state.in_flight(),
        waiting: state.queue.waiting(),
        turned: LimitKind::ALL.map(|kind| Turned::ALL.map(|turned| state.turned(kind, turned))),
    }
}

/// Of the clients that have a limit, in the order of the file.
pub(super) fn clients(policy: &Policy, sources: &SourceTable) -> Vec<ClientLimitStatus> {
    let limits = sources.client_limits();
    let of = |client: &Client| {
        client.rate_limit?;
        let (_, _, state) = limits.iter().find(|(name, _, _)| *name == client.name)?;
        let of = |turned| state.turned(LimitKind::Requests, turned);
        Some(ClientLimitStatus {
            name: client.name.clone(),
            refused: of(Turned::Refused),
            observed: of(Turned::Observed),
        })
    };
    policy.clients.iter().filter_map(of).collect()
}

/// By the clock of limits.
pub(super) const fn in_nanos(now: Millis) -> u64 {
    now.0.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_is_a_minute() {
        let mut minute = LastMinute::default();
        for second in 0..200 {
            minute.note(second * 10, Millis(second * 1000));
        }
        assert_eq!(minute.of(1990), 600);
        assert!(minute.0.len() <= 62);
        assert_eq!(LastMinute::default().of(7), 7, "it began just now");
    }
}
