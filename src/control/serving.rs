//! Whether stable answers those who are on it: what nobody's requests come back from.
//!
//! A stable that a wrong address, path or key keeps from answering looks like an outage to each request, and is told by
//! what became of all of them: no answer since so many attempts. Another provider in its place is watched anew. Counts only
//! and tells; moves nobody.

use crate::decide::outcome::Outcome;
use crate::decide::policy::Provider;
use crate::decide::stable_fault::{NoAnswer, StableFault};
use crate::describe::stable_fault::sentence;
use crate::state::counters::Series;

/// Attempts without any answer after which it is told.
const FEW: u64 = 5;
/// The same where all were refused: a single client can send what nobody accepts.
const MANY: u64 = 20;

/// What became of the attempts at a rollout's stable.
#[derive(Debug, Default)]
pub(super) struct Serving(Option<Watched>);

#[derive(Debug)]
struct Watched {
    provider: (String, String),
    before: Totals,
    // Since the last answer, by kind.
    unanswered: [u64; NoAnswer::ALL.len()],
    told: Option<StableFault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Totals {
    answers: u64,
    kinds: [u64; NoAnswer::ALL.len()],
}

impl Totals {
    fn of(series: &Series) -> Totals {
        let sum = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| series.attempts(*outcome)).sum();
        Totals { answers: sum(&ANSWERS), kinds: NoAnswer::ALL.map(|kind| sum(kind.outcomes())) }
    }
}

/// Whatever shows that requests are understood there.
const ANSWERS: [Outcome; 4] = [Outcome::Ok, Outcome::Empty, Outcome::Throttled, Outcome::Unsupported];

impl Watched {
    fn new(provider: (String, String), before: Totals) -> Watched {
        Watched { provider, before, unanswered: <[u64; NoAnswer::ALL.len()]>::default(), told: None }
    }

    fn look(&mut self, now: Totals) {
        let before = std::mem::replace(&mut self.before, now);
        if now.answers > before.answers {
            self.unanswered = <[u64; NoAnswer::ALL.len()]>::default();
            return;
        }
        for (kind, count) in self.unanswered.iter_mut().enumerate() {
            *count += now.kinds[kind].saturating_sub(before.kinds[kind]);
        }
    }

    fn fault(&self) -> Option<StableFault> {
        let all: u64 = self.unanswered.iter().sum();
        let refused = self.unanswered[NoAnswer::Refused as usize];
        if all - refused < FEW && all < MANY {
            return None;
        }
        let attempts = NoAnswer::ALL.into_iter().zip(self.unanswered).filter(|(_, count)| *count > 0).collect();
        Some(StableFault::Unanswered { provider: self.provider.0.clone(), attempts })
    }
}

impl Serving {
    /// Looks at what became of requests since the last time.
    pub(super) fn look(&mut self, rollout: &str, stable: &Provider, series: &Series) {
        let (provider, now) = ((stable.name.clone(), stable.base_url.to_string()), Totals::of(series));
        let known = self.0.take().filter(|known| known.provider == provider);
        let mut watched = known.unwrap_or_else(|| Watched::new(provider, now));
        watched.look(now);
        let fault = watched.fault();
        match (&watched.told, &fault) {
            (None, Some(fault)) => tracing::warn!(rollout, "stable is failing: {}", sentence(fault)),
            (Some(_), None) => tracing::info!(rollout, "stable {} answers again", watched.provider.0),
            _ => {}
        }
        watched.told = fault;
        self.0 = Some(watched);
    }

    /// What is wrong, as far as it is known.
    pub(super) fn fault(&self) -> Option<&StableFault> {
        self.0.as_ref()?.told.as_ref()
    }
}
