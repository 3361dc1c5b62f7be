//! What is known of each provider, kept over reloads, and what is told of its breakers.
//!
//! A provider is the same as long as its name and its `base_url` are; one that leaves the file is forgotten. Decides
//! nothing: the cores open and close breakers, control looks on with every tick, and has a connection tried where a stable
//! could not be reached. Every opening is logged. The history, which is kept for ever, has one opening and its closing in
//! ten minutes, however often a breaker goes to and fro.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::now::Now;
use crate::decide::breaker::{BreakerState, State, open_for};
use crate::decide::event::{Action, Reason, Turn};
use crate::decide::policy::{BreakerRule, Policy, Provider};
use crate::decide::units::Millis;
use crate::describe::event::breaker as told;
use crate::state::provider::{Breaker, ProviderState, Ticket};
use crate::state::status::{BreakerStatus, ProviderStatus};

/// Between two openings of a breaker that the history has.
const PAUSE: Millis = Millis(600_000);

/// Name and `base_url`.
type Identity = (String, String);

/// All providers of the file in force.
#[derive(Debug, Default)]
pub(in crate::control) struct Providers(BTreeMap<Identity, Watched>);

#[derive(Debug)]
struct Watched {
    known: Arc<ProviderState>,
    // By [`Breaker`].
    seen: [Seen; 2],
}

/// What was seen of a breaker.
#[derive(Debug, Default)]
struct Seen {
    open: bool,
    // Whether the history has the opening that is not over.
    recorded: bool,
    recorded_at: Option<Millis>,
}

impl Providers {
    /// A policy takes the place of another.
    pub(in crate::control) fn keep(&mut self, policy: &Policy) {
        let mut before = std::mem::take(&mut self.0);
        for provider in &policy.providers {
            let identity = identity(provider);
            let mut watched = before.remove(&identity).unwrap_or_else(|| Watched {
                known: Arc::new(ProviderState::new(provider.name.clone())),
                seen: Default::default(),
            });
            if provider.breaker.is_none() {
                watched.known.forget_failures();
                watched.seen.iter_mut().for_each(|seen| seen.open = false);
            }
            self.0.insert(identity, watched);
        }
    }

    /// By the provider's place in the policy that was kept last.
    pub(in crate::control) fn of(&self, policy: &Policy) -> Box<[Arc<ProviderState>]> {
        let known = |provider: &Arc<Provider>| {
            let unknown = || Arc::new(ProviderState::new(provider.name.clone()));
            self.0.get(&identity(provider)).map_or_else(unknown, |watched| Arc::clone(&watched.known))
        };
        policy.providers.iter().map(known).collect()
    }

    /// How many requests ever asked somebody else before this provider as a rollout's stable, and whether one would now.
    pub(in crate::control) fn stepped_back(&self, provider: &Provider, now: Millis) -> (u64, bool) {
        let told = |watched: &Watched| {
            let shut = provider.breaker.is_some() && watched.known.state(Breaker::Reach, now) != BreakerState::Closed;
            (watched.known.stepped_back(Breaker::Reach), shut)
        };
        self.0.get(&identity(provider)).map_or((0, false), told)
    }

    /// What the surfaces tell, in the file's order.
    pub(in crate::control) fn report(&self, policy: &Policy, now: Now) -> Vec<ProviderStatus> {
        let told = |provider: &Arc<Provider>| {
            let known = &self.0.get(&identity(provider))?.known;
            let breaker = provider.breaker.is_some().then(|| status(known, now));
            let diverted = Breaker::ALL.iter().map(|breaker| known.diverted(*breaker)).sum();
            Some(ProviderStatus { name: provider.name.clone(), breaker, diverted })
        };
        policy.providers.iter().filter_map(told).collect()
    }

    /// Looks for breakers that were opened or closed since the last time; returns what the history is told.
    pub(in crate::control) fn watch(&mut self, policy: &Policy, now: Now) -> Vec<(Action, Reason)> {
        let mut told_of = Vec::new();
        for provider in &policy.providers {
            let Some(rule) = &provider.breaker else { continue };
            let Some(watched) = self.0.get_mut(&identity(provider)) else { continue };
            for breaker in Breaker::ALL {
                let (state, seen) = (watched.known.look(breaker), &mut watched.seen[breaker as usize]);
                let open = state.seen(now.mono) != BreakerState::Closed;
                if open == seen.open {
                    continue;
                }
                seen.open = open;
                let (action, turn) = turned(breaker, state, rule);
                if open {
                    seen.recorded = seen.recorded_at.is_none_or(|at| now.mono.since(at) >= PAUSE);
                    if seen.recorded {
                        seen.recorded_at = Some(now.mono);
                    }
                }
                if seen.recorded {
                    told_of.push((action, Reason::Breaker { provider: provider.name.clone(), turn }));
                } else {
                    tracing::warn!(provider = provider.name, "{action}: {}", told(&provider.name, turn));
                }
            }
        }
        told_of
    }

    /// Whom a connection should be made to now; each counts as begun.
    pub(in crate::control) fn due_connections(&self, policy: &Policy, now: Now) -> Vec<Connection> {
        let due = |provider: &Arc<Provider>| {
            let known = &self.0.get(&identity(provider))?.known;
            let ticket = known.begins_to_connect(now.mono)?;
            Some(Connection { provider: Arc::clone(provider), known: Arc::clone(known), ticket })
        };
        policy.providers.iter().filter_map(due).collect()
    }
}

/// A connection of Serin's own, to a stable that could not be reached.
#[derive(Debug)]
pub struct Connection {
    /// To whom.
    pub provider: Arc<Provider>,
    known: Arc<ProviderState>,
    ticket: Ticket,
}

impl Connection {
    /// Whether it was made.
    pub fn came_to(self, connected: bool, now: Now) {
        self.known.connected(self.ticket, connected, now.mono);
    }
}

fn turned(breaker: Breaker, state: State, rule: &BreakerRule) -> (Action, Turn) {
    match (state, breaker) {
        (State::Closed { .. }, Breaker::Failures) => (Action::Close, Turn::Closed),
        (State::Closed { .. }, Breaker::Reach) => (Action::Close, Turn::Reached),
        (State::Open { failures, tries, .. } | State::HalfOpen { failures, tries, .. }, Breaker::Failures) => {
            (Action::Open, Turn::Opened { failures, open_for: open_for(rule, tries) })
        }
        (State::Open { failures, .. } | State::HalfOpen { failures, .. }, Breaker::Reach) => {
            (Action::Open, Turn::OutOfReach { failures })
        }
    }
}

/// Of the two, the one that keeps more from it: what cannot be reached answers nobody.
fn status(known: &ProviderState, now: Now) -> BreakerStatus {
    let [failures, reach] = Breaker::ALL.map(|breaker| known.state(breaker, now.mono));
    let is_out = reach == BreakerState::Open || (reach == BreakerState::HalfOpen && failures != BreakerState::Open);
    let state = known.look(if is_out { Breaker::Reach } else { Breaker::Failures });
    let seen = state.seen(now.mono);
    let open_until = match state {
        State::Open { until, .. } if seen == BreakerState::Open => Some(now.unix.plus(until.since(now.mono))),
        _ => None,
    };
    BreakerStatus { state: seen, failures: state.failures(), open_until, unreachable: is_out }
}

fn identity(provider: &Provider) -> Identity {
    (provider.name.clone(), provider.base_url.to_string())
}
