//! What is told of the limits of providers and clients: how much is used, and what became of requests that were too many.
//!
//! Counts what was let pass in the last minute, by a look each second. Changes no limit: cores do, and a reload rescales
//! them ([`providers`](super::providers)). Invariant: what is told of the last minute covers a minute at most.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::control::now::Now;
use crate::decide::limit::Rate;
use crate::decide::policy::{Client, Policy, RateLimit};
use crate::decide::units::Millis;
use crate::state::limit::{LimitKind, LimitState, Turned, left_of_client};
use crate::state::source_table::SourceTable;
use crate::state::status::{ClientLimitStatus, LimitStatus};

const MINUTE: Millis = Millis(60_000);

/// What was sent up to each second of the last minute, and before it.
#[derive(Debug, Default)]
pub(super) struct LastMinute {
    before: u64,
    seconds: VecDeque<(Millis, u64)>,
}

impl LastMinute {
    /// So many were sent up to now.
    pub(super) fn note(&mut self, sent: u64, now: Millis) {
        while let Some((_, sent)) = self.seconds.pop_front_if(|(at, _)| now.since(*at) >= MINUTE) {
            self.before = sent;
        }
        if self.seconds.back().is_none_or(|(at, _)| now.since(*at) >= Millis(1000)) {
            self.seconds.push_back((now, sent));
        }
    }

    fn of(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.before)
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

/// The last minute of each client that has a limit.
#[derive(Debug, Default)]
pub(super) struct ClientLimits(BTreeMap<String, LastMinute>);

impl ClientLimits {
    /// Called each second.
    pub(super) fn note(&mut self, policy: &Policy, sources: &SourceTable, now: Millis) {
        let limits = limits_of(policy, sources);
        self.0.retain(|name, _| limits.iter().any(|(client, _, _)| client.name == *name));
        for (client, _, state) in limits {
            self.0.entry(client.name.clone()).or_default().note(state.sent(), now);
        }
    }

    /// Of the clients that have a limit, in the order of the file.
    pub(super) fn report(&self, policy: &Policy, sources: &SourceTable, now: Now) -> Vec<ClientLimitStatus> {
        let status = |(client, rate, state): (&Client, Rate, Arc<LimitState>)| {
            let sent = state.sent();
            ClientLimitStatus {
                name: client.name.clone(),
                requests_per_minute: rate.per_minute(),
                burst: rate.depth(),
                last_minute: self.0.get(&client.name).map_or(sent, |minute| minute.of(sent)),
                requests_left: left_of_client(&state, rate, in_nanos(now.mono)),
                refused: state.turned(LimitKind::Requests, Turned::Refused),
                observed: state.turned(LimitKind::Requests, Turned::Observed),
            }
        };
        limits_of(policy, sources).into_iter().map(status).collect()
    }
}

fn limits_of<'a>(policy: &'a Policy, sources: &SourceTable) -> Vec<(&'a Client, Rate, Arc<LimitState>)> {
    let mut known = sources.client_limits();
    let of = |client: &'a Client| {
        let rate = client.rate_limit?.requests;
        let (_, _, state) = known.swap_remove(known.iter().position(|(name, _, _)| *name == client.name)?);
        Some((client, rate, state))
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
    use crate::decide::policy::{ClientLimit, Secret, plain};
    use crate::decide::units::UnixMillis;
    use crate::state::limit::take_of_client;

    #[test]
    fn a_client_is_told_of_what_it_sent_and_of_what_is_left() {
        let now = Now { mono: Millis(5000), unix: UnixMillis(0) };
        let rate = Rate::new(60, 3);
        let client = |name: &str, rate_limit| Client {
            name: name.to_owned(),
            key: Secret::new(format!("key-of-{name}")),
            rate_limit,
        };
        let limit = Some(ClientLimit { requests: rate, observe: false });
        let policy = Policy {
            clients: vec![client("search", None), client("shop", limit)],
            ..plain::policy(Vec::new(), Vec::new())
        };
        let sources = SourceTable::default();
        let state = sources.client_limit("shop", rate, in_nanos(now.mono));
        let mut limits = ClientLimits::default();
        for _ in 0..2 {
            take_of_client(&state, rate, in_nanos(now.mono)).unwrap();
        }
        // What was sent before the first look was sent in this minute as well.
        limits.note(&policy, &sources, now.mono);
        state.count(LimitKind::Requests, Turned::Refused);
        let told = |requests_left, last_minute| ClientLimitStatus {
            name: "shop".to_owned(),
            requests_per_minute: 60,
            burst: 3,
            last_minute,
            requests_left,
            refused: 1,
            observed: 0,
        };
        assert_eq!(limits.report(&policy, &sources, now), [told(1, 2)]);
        // More than a minute later.
        for second in 6..=66 {
            limits.note(&policy, &sources, Millis(second * 1000));
        }
        let later = Now { mono: Millis(66_000), ..now };
        assert_eq!(limits.report(&policy, &sources, later), [told(3, 0)]);
    }

    #[test]
    fn the_last_minute_is_a_minute() {
        let mut minute = LastMinute::default();
        for second in 0..200 {
            minute.note(second * 10, Millis(second * 1000));
        }
        assert_eq!(minute.of(1990), 600);
        assert!(minute.seconds.len() <= 61);
        assert_eq!(LastMinute::default().of(7), 7, "it began just now");
    }
}
