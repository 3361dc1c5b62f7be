//! The providers of the file: their state, which is kept over reloads, and the events of their breakers.
//!
//! A provider is the same as long as its name and its `base_url` are. The state of a provider that leaves the file is
//! dropped. Decides nothing: the cores open and close breakers, and each tick looks for changes. Where a stable is
//! unreachable, Serin tries a connection of its own. The log has every opening. The history has at most one opening,
//! and its closing, in ten minutes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::{self, LastMinute, in_nanos};
use crate::control::now::Now;
use crate::decide::breaker::{BreakerPhase, CircuitState, open_for};
use crate::decide::event::{Action, BreakerChange, Reason};
use crate::decide::policy::{BreakerRule, Policy, Provider, RateLimit};
use crate::decide::units::Millis;
use crate::describe::event::breaker as sentence;
use crate::state::provider::{BreakerKind, ProbeToken, ProviderState};
use crate::state::status::{BreakerStatus, KeyStatus, ProviderStatus};

/// Between two openings of a breaker in the history.
const OPENING_INTERVAL: Millis = Millis(600_000);

/// Name and `base_url`.
pub(super) type Identity = (String, String);

#[derive(Debug, Default)]
pub(super) struct Providers(BTreeMap<Identity, ProviderRecord>);

#[derive(Debug)]
struct ProviderRecord {
    state: Arc<ProviderState>,
    // By [`BreakerKind`].
    breakers: [BreakerHistory; 2],
    limit: Option<RateLimit>,
    minute: LastMinute,
}

#[derive(Debug, Default)]
struct BreakerHistory {
    open: bool,
    // Whether the history has the current opening.
    recorded: bool,
    recorded_at: Option<Millis>,
}

impl Providers {
    /// Keeps the states of the providers that a new policy has, and drops the others.
    pub(super) fn retain(&mut self, policy: &Policy, now: Now) {
        let mut before = std::mem::take(&mut self.0);
        for provider in &policy.providers {
            let identity = identity(provider);
            let mut record = before.remove(&identity).unwrap_or_else(|| ProviderRecord {
                state: Arc::new(ProviderState::new(provider.name.clone())),
                breakers: Default::default(),
                limit: None,
                minute: LastMinute::default(),
            });
            if let (Some(before), Some(after)) = (&record.limit, &provider.rate_limit)
                && before != after
            {
                record.state.limit().adopt(before, after, in_nanos(now.mono));
            }
            if let Some(limit) = &provider.rate_limit {
                record.state.limit().put_in_force(limit);
            }
            record.limit.clone_from(&provider.rate_limit);
            if provider.breaker.is_none() {
                record.state.forget_failures();
                record.breakers.iter_mut().for_each(|seen| seen.open = false);
            }
            self.0.insert(identity, record);
        }
    }

    /// In the order of the policy.
    pub(super) fn of(&self, policy: &Policy) -> Box<[Arc<ProviderState>]> {
        let state = |provider: &Arc<Provider>| {
            let unknown = || Arc::new(ProviderState::new(provider.name.clone()));
            self.0.get(&identity(provider)).map_or_else(unknown, |record| Arc::clone(&record.state))
        };
        policy.providers.iter().map(state).collect()
    }

    /// How many requests of this stable its breaker has diverted since the start, and whether it would divert one now.
    pub(super) fn bypassed(&self, provider: &Provider, now: Millis) -> (u64, bool) {
        let count = |record: &ProviderRecord| {
            let shut =
                provider.breaker.is_some() && record.state.phase(BreakerKind::Reach, now) != BreakerPhase::Closed;
            (record.state.bypassed(BreakerKind::Reach), shut)
        };
        self.0.get(&identity(provider)).map_or((0, false), count)
    }

    /// What is known of a provider of the file.
    pub(super) fn state(&self, identity: &Identity) -> Option<&ProviderState> {
        self.0.get(identity).map(|record| &*record.state)
    }

    /// In the order of the policy; `keys`: what is known of a provider's keys.
    pub(super) fn report(
        &self,
        policy: &Policy,
        keys: impl Fn(&Provider) -> Vec<KeyStatus>,
        now: Now,
    ) -> Vec<ProviderStatus> {
        let status_of = |provider: &Arc<Provider>| {
            let ProviderRecord { state, minute, .. } = self.0.get(&identity(provider))?;
            let limit = provider.rate_limit.as_ref();
            let limit = limit.map(|limit| limits::status(limit, state.limit(), minute, now));
            let breaker = provider.breaker.is_some().then(|| status(state, now));
            let diverted = BreakerKind::ALL.iter().map(|breaker| state.diverted(*breaker)).sum();
            Some(ProviderStatus { name: provider.name.clone(), breaker, diverted, keys: keys(provider), limit })
        };
        policy.providers.iter().filter_map(status_of).collect()
    }

    /// The breakers that opened or closed since the last call, for the history. Called each second, it also looks at what
    /// limits let pass.
    pub(super) fn breaker_events(&mut self, policy: &Policy, now: Now) -> Vec<(Action, Reason)> {
        let mut events = Vec::new();
        for record in self.0.values_mut().filter(|record| record.limit.is_some()) {
            record.minute.note(record.state.limit().sent(), now.mono);
        }
        for provider in &policy.providers {
            let Some(rule) = &provider.breaker else { continue };
            let Some(record) = self.0.get_mut(&identity(provider)) else { continue };
            for breaker in BreakerKind::ALL {
                let (state, seen) = (record.state.circuit(breaker), &mut record.breakers[breaker as usize]);
                let open = state.phase(now.mono) != BreakerPhase::Closed;
                if open == seen.open {
                    continue;
                }
                seen.open = open;
                let (action, turn) = transition(breaker, state, rule);
                if open {
                    seen.recorded = seen.recorded_at.is_none_or(|at| now.mono.since(at) >= OPENING_INTERVAL);
                    if seen.recorded {
                        seen.recorded_at = Some(now.mono);
                    }
                }
                if seen.recorded {
                    events.push((action, Reason::Breaker { provider: provider.name.clone(), turn }));
                } else {
                    tracing::warn!(provider = provider.name, "{action}: {}", sentence(&provider.name, turn));
                }
            }
        }
        events
    }

    /// The checks to start now. Each counts as started.
    pub(super) fn due_reachability_checks(&self, policy: &Policy, now: Now) -> Vec<ReachabilityCheck> {
        let due = |provider: &Arc<Provider>| {
            let state = &self.0.get(&identity(provider))?.state;
            let ticket = state.begin_connect_probe(now.mono)?;
            Some(ReachabilityCheck { provider: Arc::clone(provider), state: Arc::clone(state), ticket })
        };
        policy.providers.iter().filter_map(due).collect()
    }
}

/// A connection that Serin tries by itself, to a stable that was unreachable.
#[derive(Debug)]
pub(in crate::control) struct ReachabilityCheck {
    /// The stable.
    pub(in crate::control) provider: Arc<Provider>,
    state: Arc<ProviderState>,
    ticket: ProbeToken,
}

impl ReachabilityCheck {
    /// Reports whether the connection was made.
    pub(in crate::control) fn finish(self, connected: bool, now: Now) {
        self.state.end_connect_probe(self.ticket, connected, now.mono);
    }
}

fn transition(breaker: BreakerKind, state: CircuitState, rule: &BreakerRule) -> (Action, BreakerChange) {
    match (state, breaker) {
        (CircuitState::Closed { .. }, BreakerKind::Failures) => (Action::Close, BreakerChange::Closed),
        (CircuitState::Closed { .. }, BreakerKind::Reach) => (Action::Close, BreakerChange::Reached),
        (
            CircuitState::Open { failures, tries, .. } | CircuitState::HalfOpen { failures, tries, .. },
            BreakerKind::Failures,
        ) => (Action::Open, BreakerChange::Opened { failures, open_for: open_for(rule, tries) }),
        (CircuitState::Open { failures, .. } | CircuitState::HalfOpen { failures, .. }, BreakerKind::Reach) => {
            (Action::Open, BreakerChange::OutOfReach { failures })
        }
    }
}

/// Shows the breaker that diverts more requests: an unreachable provider answers none.
fn status(known: &ProviderState, now: Now) -> BreakerStatus {
    let [failures, reach] = BreakerKind::ALL.map(|breaker| known.phase(breaker, now.mono));
    let is_out = reach == BreakerPhase::Open || (reach == BreakerPhase::HalfOpen && failures != BreakerPhase::Open);
    let state = known.circuit(if is_out { BreakerKind::Reach } else { BreakerKind::Failures });
    let seen = state.phase(now.mono);
    let open_until = match state {
        CircuitState::Open { until, .. } if seen == BreakerPhase::Open => Some(now.unix.plus(until.since(now.mono))),
        _ => None,
    };
    BreakerStatus { state: seen, failures: state.failures(), open_until, unreachable: is_out }
}

pub(super) fn identity(provider: &Provider) -> Identity {
    (provider.name.clone(), provider.base_url.to_string())
}
