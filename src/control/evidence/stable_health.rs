//! Whether stable answers its users.
//!
//! A stable with a wrong address, path or key looks like an outage to each single request. It is detected by all of
//! them together: no answer in a number of attempts. If another provider becomes stable, counting starts over. Only
//! counts and reports; moves no users.

use crate::decide::outcome::Outcome;
use crate::decide::policy::Provider;
use crate::decide::stable_fault::{NoAnswer, StableFault};
use crate::decide::units::Millis;
use crate::describe::stable_fault::sentence;
use crate::state::counters::Series;

/// Attempts without any answer after which stable is reported.
const FEW: u64 = 5;
/// The same if all were refused, since a single client can send requests that no provider accepts.
const MANY: u64 = 20;

#[derive(Debug, Default)]
pub(in crate::control) struct StableHealth(Option<Watch>);

#[derive(Debug)]
struct Watch {
    provider: (String, String),
    before: Totals,
    // Since the last answer, by kind.
    unanswered: [u64; NoAnswer::ALL.len()],
    reported: Option<StableFault>,
    /// When it was last seen to answer.
    answered: Option<Millis>,
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

/// Outcomes which show that the provider understands requests.
const ANSWERS: [Outcome; 4] = [Outcome::Ok, Outcome::Empty, Outcome::Throttled, Outcome::Unsupported];

impl Watch {
    fn new(provider: (String, String), before: Totals) -> Watch {
        let unanswered = <[u64; NoAnswer::ALL.len()]>::default();
        Watch { provider, before, unanswered, reported: None, answered: None }
    }

    fn add(&mut self, now: Totals, at: Millis) {
        let before = std::mem::replace(&mut self.before, now);
        if now.answers > before.answers {
            self.answered = Some(at);
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

impl StableHealth {
    pub(in crate::control) fn update(&mut self, rollout: &str, stable: &Provider, series: &Series, at: Millis) {
        let (provider, now) = ((stable.name.clone(), stable.base_url.to_string()), Totals::of(series));
        let known = self.0.take().filter(|known| known.provider == provider);
        let mut watch = known.unwrap_or_else(|| Watch::new(provider, now));
        watch.add(now, at);
        let fault = watch.fault();
        match (&watch.reported, &fault) {
            (None, Some(fault)) => tracing::warn!(rollout, "stable is failing: {}", sentence(fault)),
            (Some(_), None) => tracing::info!(rollout, "stable {} answers again", watch.provider.0),
            _ => {}
        }
        watch.reported = fault;
        self.0 = Some(watch);
    }

    /// When stable was last seen to answer; `None`: not since it is stable.
    pub(in crate::control) fn answered(&self) -> Option<Millis> {
        self.0.as_ref()?.answered
    }

    pub(in crate::control) fn fault(&self) -> Option<&StableFault> {
        self.0.as_ref()?.reported.as_ref()
    }
}
