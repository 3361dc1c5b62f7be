//! How each provider fares, shared by all cores and kept over reloads: its breaker.
//!
//! One word a provider, changed by whichever core has news; nobody waits for anybody. While all is well a request costs
//! one load and its end another. What follows from what is [`decide::breaker`](crate::decide::breaker)'s to say.
//! Invariant: of the cores that ask at one time, at most one is given the probe.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::decide::breaker::{Admission, BreakerState, State, Verdict, admits, after};
use crate::decide::policy::BreakerRule;
use crate::decide::units::Millis;

/// What is known of one provider.
#[derive(Debug)]
pub struct ProviderHealth {
    name: String,
    // A packed `State`. It carries nothing but itself, so no order with other memory is needed.
    cell: AtomicU64,
    diverted: AtomicU64,
}

/// Whether a request may go to a provider.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Admit {
    /// As any other.
    Yes,
    /// As the one that finds out: its end must be told, with this.
    Probe(Ticket),
    /// Elsewhere, if somebody else is left.
    No,
}

/// Says which probe an attempt is; [`ProviderHealth::tell`] takes it back. One that is lost costs a wait.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket(Millis);

impl ProviderHealth {
    /// Of a provider that nothing is known of.
    #[must_use]
    pub fn new(name: String) -> ProviderHealth {
        ProviderHealth { name, cell: AtomicU64::new(0), diverted: AtomicU64::new(0) }
    }

    /// The provider's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is nothing to remember of it: requests may go there, and a success changes nothing.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.cell.load(Relaxed) == 0
    }

    /// Whether a request may go there now. Without a rule always.
    pub fn admits(&self, rule: Option<&BreakerRule>, now: Millis) -> Admit {
        let Some(rule) = rule else { return Admit::Yes };
        let mut word = self.cell.load(Relaxed);
        loop {
            let next = match admits(State::unpack(word), rule, now) {
                Admission::Yes => return Admit::Yes,
                Admission::No { .. } => return Admit::No,
                Admission::Probe(next) => next,
            };
            match self.cell.compare_exchange_weak(word, next.pack(), Relaxed, Relaxed) {
                Ok(_) => return Admit::Probe(Ticket(now)),
                Err(other) => word = other,
            }
        }
    }

    /// What an attempt there came to; `canary`: the provider is a rollout's canary. Without a rule nothing is counted.
    pub fn tell(&self, rule: Option<&BreakerRule>, canary: bool, probe: Option<Ticket>, verdict: Verdict, now: Millis) {
        let Some(rule) = rule else { return };
        let probe = probe.map(|Ticket(began)| began);
        let mut word = self.cell.load(Relaxed);
        loop {
            let next = after(State::unpack(word), verdict, rule, canary, probe, now).pack();
            if next == word {
                return;
            }
            match self.cell.compare_exchange_weak(word, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// Where the breaker stands, for the surfaces.
    #[must_use]
    pub fn state(&self, now: Millis) -> BreakerState {
        self.look().seen(now)
    }

    /// Everything that the breaker remembers.
    #[must_use]
    pub fn look(&self) -> State {
        State::unpack(self.cell.load(Relaxed))
    }

    /// Control only, where the file turned the breaker off.
    pub fn forget(&self) {
        self.cell.store(0, Relaxed);
    }

    /// A request went elsewhere because of the breaker, whether or not it came back for want of an answer there.
    pub fn count_diverted(&self) {
        self.diverted.fetch_add(1, Relaxed);
    }

    /// Requests that went elsewhere because of the breaker.
    #[must_use]
    pub fn diverted(&self) -> u64 {
        self.diverted.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
