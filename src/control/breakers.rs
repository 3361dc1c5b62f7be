//! Each provider's health, kept over reloads, and what is told of its breaker.
//!
//! A provider is the same as long as its name and its `base_url` are; one that leaves the file is forgotten. Decides
//! nothing: the cores open and close breakers, control looks on with every tick. Every opening is logged. The history,
//! which is kept for ever, has one opening and its closing in ten minutes, however often a breaker goes to and fro.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::{Engine, Now};
use crate::decide::breaker::{BreakerState, State};
use crate::decide::policy::{BreakerRule, Policy, Provider};
use crate::decide::units::Millis;
use crate::state::health::ProviderHealth;
use crate::state::status::{BreakerStatus, ProviderStatus};

/// Between two openings of a breaker that the history has.
const PAUSE: Millis = Millis(600_000);

/// Name and `base_url`.
type Identity = (String, String);

/// All breakers of the file in force.
#[derive(Debug, Default)]
pub(super) struct Breakers(BTreeMap<Identity, Watched>);

#[derive(Debug)]
struct Watched {
    health: Arc<ProviderHealth>,
    open: bool,
    // Whether the history has the opening that is not over.
    recorded: bool,
    recorded_at: Option<Millis>,
}

impl Breakers {
    /// A policy takes the place of another.
    pub(super) fn keep(&mut self, policy: &Policy) {
        let mut before = std::mem::take(&mut self.0);
        for provider in &policy.providers {
            let identity = identity(provider);
            let mut watched = before.remove(&identity).unwrap_or_else(|| Watched {
                health: Arc::new(ProviderHealth::new(provider.name.clone())),
                open: false,
                recorded: false,
                recorded_at: None,
            });
            if provider.breaker.is_none() {
                watched.health.forget();
                watched.open = false;
            }
            self.0.insert(identity, watched);
        }
    }

    /// By the provider's place in the policy that was kept last.
    pub(super) fn of(&self, policy: &Policy) -> Box<[Arc<ProviderHealth>]> {
        let health = |provider: &Arc<Provider>| {
            let unknown = || Arc::new(ProviderHealth::new(provider.name.clone()));
            self.0.get(&identity(provider)).map_or_else(unknown, |watched| Arc::clone(&watched.health))
        };
        policy.providers.iter().map(health).collect()
    }

    /// How many requests this provider's breaker ever kept from it, and whether it would keep one from it now.
    pub(super) fn diverted(&self, provider: &Provider, now: Millis) -> (u64, bool) {
        let told = |watched: &Watched| {
            let shut = provider.breaker.is_some() && watched.health.state(now) != BreakerState::Closed;
            (watched.health.diverted(), shut)
        };
        self.0.get(&identity(provider)).map_or((0, false), told)
    }

    /// What the surfaces tell, in the file's order.
    pub(super) fn report(&self, policy: &Policy, now: Now) -> Vec<ProviderStatus> {
        let told = |provider: &Arc<Provider>| {
            let health = &self.0.get(&identity(provider))?.health;
            let breaker = provider.breaker.is_some().then(|| status(health, now));
            Some(ProviderStatus { name: provider.name.clone(), breaker, diverted: health.diverted() })
        };
        policy.providers.iter().filter_map(told).collect()
    }
}

impl Engine {
    /// Looks for breakers that were opened or closed since the last time.
    pub(super) fn watch_breakers(&mut self, now: Now) {
        let policy = Arc::clone(&self.policy);
        for provider in &policy.providers {
            let (Some(rule), Some(watched)) = (&provider.breaker, self.breakers.0.get_mut(&identity(provider))) else {
                continue;
            };
            let state = watched.health.look();
            let open = state.seen(now.mono) != BreakerState::Closed;
            if open == watched.open {
                continue;
            }
            watched.open = open;
            let (action, reason) = told(&provider.name, state, rule);
            if open {
                watched.recorded = watched.recorded_at.is_none_or(|at| now.mono.since(at) >= PAUSE);
                if watched.recorded {
                    watched.recorded_at = Some(now.mono);
                }
            }
            if watched.recorded {
                self.own_event("breaker", action, reason, now);
            } else {
                tracing::warn!(provider = provider.name, "{action}: {reason}");
            }
        }
    }
}

fn told(name: &str, state: State, rule: &BreakerRule) -> (&'static str, String) {
    match state {
        State::Closed { .. } => ("close", format!("the breaker of {name} is closed: it answers again")),
        State::Open { failures, .. } | State::HalfOpen { failures, .. } => {
            let length = rule.open_for;
            let reason = format!(
                "the breaker of {name} is open after {failures} failures in a row: for {length} nothing is sent there \
                 that somebody else can answer"
            );
            ("open", reason)
        }
    }
}

fn status(health: &ProviderHealth, now: Now) -> BreakerStatus {
    let state = health.look();
    let seen = state.seen(now.mono);
    let open_until = match state {
        State::Open { until, .. } if seen == BreakerState::Open => Some(now.unix.plus(until.since(now.mono))),
        _ => None,
    };
    BreakerStatus { state: seen, failures: state.failures(), open_until }
}

fn identity(provider: &Provider) -> Identity {
    (provider.name.clone(), provider.base_url.to_string())
}
