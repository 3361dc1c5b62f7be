//! The state of each provider, shared by all cores and kept over reloads: its two breakers, whether its keys are well,
//! and how full its limit is.
//!
//! One breaker counts consecutive failures, where the provider is not a rollout's stable. The other counts failures to
//! connect, where it is a rollout's stable; stable is skipped for no other reason. Each is one atomic word, and no core
//! waits for another. While all is well a request costs one load of each, and so does each response head. Holds no keys
//! and no rules: [`decide::breaker`](crate::decide::breaker) and [`decide::reachability`](crate::decide::reachability)
//! compute each transition. Invariants: at most one core is given the probe; no request is used to find out whether a
//! stable can be reached; whatever is known of a key, the flag says that something is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Relaxed, Ordering::Release};

use super::limit::LimitState;
use crate::decide::breaker::{Admission, AttemptSignal, BreakerPhase, Caller, CircuitState, admits, after};
use crate::decide::policy::BreakerRule;
use crate::decide::reachability;
use crate::decide::units::Millis;
use crate::state::seen_models::SeenModels;
use crate::state::told_limits::ToldLimits;

/// What is known of one provider.
#[derive(Debug)]
pub struct ProviderState {
    name: String,
    breakers: [BreakerCell; 2],
    key_trouble: AtomicBool,
    /// Models that it takes away and that were asked for.
    pub seen_models: SeenModels,
    limit: Box<LimitState>,
    /// What it allows, by its headers.
    pub told_limits: ToldLimits,
}

/// Which of a provider's breakers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerKind {
    /// Of failures in a row.
    Failures,
    /// Of failures to connect, for a rollout's stable.
    Reach,
}

impl BreakerKind {
    /// Both.
    pub const ALL: [BreakerKind; 2] = [BreakerKind::Failures, BreakerKind::Reach];
}

#[derive(Debug, Default)]
struct BreakerCell {
    // A packed `CircuitState`. It carries nothing but itself, so no order with other memory is needed.
    word: AtomicU64,
    stepped_back: AtomicU64,
    diverted: AtomicU64,
}

impl BreakerCell {
    fn look(&self) -> CircuitState {
        CircuitState::unpack(self.word.load(Relaxed))
    }

    /// Changes it; `None`: as it is. Gives what it became.
    fn change(&self, next: impl Fn(CircuitState) -> Option<CircuitState>) -> Option<CircuitState> {
        let mut word = self.word.load(Relaxed);
        loop {
            let state = next(CircuitState::unpack(word))?;
            if state.pack() == word {
                return None;
            }
            match self.word.compare_exchange_weak(word, state.pack(), Relaxed, Relaxed) {
                Ok(_) => return Some(state),
                Err(other) => word = other,
            }
        }
    }
}

/// Whether a request may go to a provider.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum ProviderAdmission {
    /// As any other.
    Yes,
    /// As the probe: its end must be recorded, with this.
    Probe(ProbeToken),
    /// To another provider, if one is left.
    No,
}

/// Says which probe an attempt is; [`ProviderState::end_attempt`] takes it back. One that is lost costs a wait.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct ProbeToken(Millis);

impl ProviderState {
    /// Of a provider that nothing is known of.
    #[must_use]
    pub fn new(name: String) -> ProviderState {
        ProviderState {
            name,
            breakers: Default::default(),
            key_trouble: AtomicBool::new(false),
            seen_models: SeenModels::default(),
            limit: Box::default(),
            told_limits: ToldLimits::default(),
        }
    }

    /// The provider's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How full its limit is.
    #[must_use]
    pub fn limit(&self) -> &LimitState {
        &self.limit
    }

    fn of(&self, breaker: BreakerKind) -> &BreakerCell {
        &self.breakers[breaker as usize]
    }

    /// Whether anything is known of its keys, which are all usable otherwise.
    #[must_use]
    pub fn has_key_trouble(&self) -> bool {
        self.key_trouble.load(Relaxed)
    }

    /// Something was learnt of one of its keys. Called after it was written down.
    pub fn note_key_trouble(&self) {
        self.key_trouble.store(true, Release);
    }

    /// Control only: looks anew whether anything is known of them.
    pub fn review_keys(&self, is_known: impl FnOnce() -> bool) {
        // What is learnt meanwhile sets it again, and what was learnt before is seen.
        if self.key_trouble.swap(false, AcqRel) && is_known() {
            self.note_key_trouble();
        }
    }

    /// Whether its breakers remember nothing: requests may go there, and a success changes nothing.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let [failures, reach] = &self.breakers;
        failures.word.load(Relaxed) | reach.word.load(Relaxed) == 0
    }

    /// Whether a request may go there now, where it is no rollout's stable. Without a rule always.
    pub fn admits(&self, rule: Option<&BreakerRule>, now: Millis) -> ProviderAdmission {
        let Some(rule) = rule else { return ProviderAdmission::Yes };
        let cell = &self.of(BreakerKind::Failures).word;
        let mut word = cell.load(Relaxed);
        loop {
            let next = match admits(CircuitState::unpack(word), rule, now) {
                Admission::Yes => return ProviderAdmission::Yes,
                Admission::No { .. } => return ProviderAdmission::No,
                Admission::Probe(next) => next,
            };
            match cell.compare_exchange_weak(word, next.pack(), Relaxed, Relaxed) {
                Ok(_) => return ProviderAdmission::Probe(ProbeToken(now)),
                Err(other) => word = other,
            }
        }
    }

    /// The same where it is a rollout's stable.
    pub fn admits_to_stable(&self, rule: Option<&BreakerRule>) -> ProviderAdmission {
        self.admits_where_closed(BreakerKind::Reach, rule)
    }

    /// The same where it is no rollout's stable, for a request that is no test of it.
    pub fn admits_unprobed(&self, rule: Option<&BreakerRule>) -> ProviderAdmission {
        self.admits_where_closed(BreakerKind::Failures, rule)
    }

    fn admits_where_closed(&self, breaker: BreakerKind, rule: Option<&BreakerRule>) -> ProviderAdmission {
        match self.of(breaker).look() {
            CircuitState::Open { .. } | CircuitState::HalfOpen { .. } if rule.is_some() => ProviderAdmission::No,
            _ => ProviderAdmission::Yes,
        }
    }

    /// What an attempt there came to; `canary`: the provider is a rollout's canary, and this is whose request it was.
    /// Without a rule nothing is counted.
    pub fn end_attempt(
        &self,
        rule: Option<&BreakerRule>,
        canary: Option<Caller>,
        probe: Option<ProbeToken>,
        verdict: AttemptSignal,
        now: Millis,
    ) {
        let Some(rule) = rule else { return };
        let probe = probe.map(|ProbeToken(began)| began);
        self.of(BreakerKind::Failures).change(|state| Some(after(state, verdict, rule, canary, probe, now)));
    }

    /// A request to a rollout's stable could not be connected.
    pub fn record_connect_failure(&self, rule: Option<&BreakerRule>, now: Millis) {
        let Some(rule) = rule else { return };
        self.of(BreakerKind::Reach).change(|state| Some(reachability::after_connect_failure(state, rule, now)));
    }

    /// The head of an answer came: it can be reached.
    pub fn record_response_head(&self) {
        let cell = &self.of(BreakerKind::Reach).word;
        if cell.load(Relaxed) != 0 {
            cell.store(0, Relaxed);
        }
    }

    /// Control only: whether it is time for a connection of Serin's own. It counts as begun then; its end is recorded
    /// with the value that this returns.
    pub fn begin_connect_probe(&self, now: Millis) -> Option<ProbeToken> {
        self.of(BreakerKind::Reach).change(|state| reachability::begin_probe(state, now)).map(|_| ProbeToken(now))
    }

    /// Control only: whether that connection was made.
    pub fn end_connect_probe(&self, ProbeToken(began): ProbeToken, connected: bool, now: Millis) {
        self.of(BreakerKind::Reach).change(|state| Some(reachability::after_probe(state, began, connected, now)));
    }

    /// Where a breaker stands, for the surfaces.
    #[must_use]
    pub fn phase(&self, breaker: BreakerKind, now: Millis) -> BreakerPhase {
        self.circuit(breaker).phase(now)
    }

    /// Everything that a breaker remembers.
    #[must_use]
    pub fn circuit(&self, breaker: BreakerKind) -> CircuitState {
        self.of(breaker).look()
    }

    /// Control only, where the file turned the breakers off.
    pub fn forget_failures(&self) {
        self.breakers.iter().for_each(|cell| cell.word.store(0, Relaxed));
    }

    /// Another provider was tried first because of a breaker. Counted at once.
    pub fn count_bypass(&self, breaker: BreakerKind) {
        self.of(breaker).stepped_back.fetch_add(1, Relaxed);
    }

    /// Requests for which another provider was tried first because of a breaker.
    #[must_use]
    pub fn bypassed(&self, breaker: BreakerKind) -> u64 {
        self.of(breaker).stepped_back.load(Relaxed)
    }

    /// Such a request is over, and it never came back for want of an answer elsewhere.
    pub fn count_diverted(&self, breaker: BreakerKind) {
        self.of(breaker).diverted.fetch_add(1, Relaxed);
    }

    /// Requests that went elsewhere because of a breaker, and did not come back.
    #[must_use]
    pub fn diverted(&self, breaker: BreakerKind) -> u64 {
        self.of(breaker).diverted.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
