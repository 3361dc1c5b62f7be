//! Whether stable serves those who are on it: what is wrong in the file, and what nobody's requests come back from.
//!
//! A stable that Serin itself cannot ask is found by the file; a start with one is refused, and so is a reload that
//! brings one. A stable that a wrong address, path or key keeps from answering looks like an outage to each request, and
//! is told by what became of all of them: no answer since so many attempts. Counts only and tells; moves nobody.

use std::collections::BTreeMap;

use super::engine::{Engine, Tracked};
use super::reconcile::identity;
use crate::decide::file_error::FileError;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Canary, Policy, Rollout};
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::units::{Arm, Percent};
use crate::decide::unserved::{Unserved, is_at_its_end, is_moved, unserved};
use crate::describe::unserved::{problem, remedy};
use crate::state::counters::Series;
use crate::state::status::StableFault;

/// Attempts without any answer after which it is told.
const FEW: u64 = 5;
/// The same where all were refused: a single client can send what nobody accepts.
const MANY: u64 = 20;

/// What a process would begin with, by what is kept.
#[must_use]
pub fn unserved_at_start(policy: &Policy, states: &[(Identity, RolloutState)]) -> Vec<Unserved> {
    unserved(policy, |rollout| {
        let known = rollout.canary.as_ref().and_then(|canary| {
            let identity = identity(policy, rollout, canary);
            Some((canary, &states.iter().find(|(known, _)| *known == identity)?.1))
        });
        known.map_or_else(|| is_moved(rollout), |(canary, state)| has_ended(canary, state))
    })
}

fn has_ended(canary: &Canary, state: &RolloutState) -> bool {
    state.lock.is_none() && is_at_its_end(canary, state)
}

/// What became of the attempts at each rollout's stable, by the rollout's name.
#[derive(Debug, Default)]
pub(super) struct Serving(BTreeMap<String, Watched>);

#[derive(Debug)]
struct Watched {
    provider: (String, String),
    before: Totals,
    // Since the last answer, by kind.
    unanswered: [u64; KINDS.len()],
    told: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Totals {
    answers: u64,
    kinds: [u64; KINDS.len()],
}

impl Totals {
    fn of(series: &Series) -> Totals {
        let sum = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| series.attempts(*outcome)).sum();
        Totals { answers: sum(&ANSWERS), kinds: KINDS.map(|(outcomes, ..)| sum(outcomes)) }
    }
}

/// Why there was no answer: the outcomes, in words, and what mends it.
const KINDS: [(&[Outcome], &str, &str); 6] = [
    (&[Outcome::Connect], "no connection", "check its `base_url` (host, port, http or https), DNS and the network"),
    (&[Outcome::Auth, Outcome::Quota], "its key is refused", "check its `api_keys` and its `auth`"),
    (&[Outcome::Malformed], "no answer of its API", "check its `base_url`: something else than its API answers there"),
    (&[Outcome::ClientError], "refused", "check the path of its `base_url`, and whose key it is sent"),
    (
        &[Outcome::ServerError, Outcome::Reset, Outcome::StreamError, Outcome::Truncated],
        "an error",
        "look at its own status page, and check its `base_url`",
    ),
    (&[Outcome::Timeout, Outcome::Stalled], "silence", "look at its own status page, and check its `base_url`"),
];

/// Which of them is what a client may cause.
const REFUSED: usize = 3;

/// Whatever shows that requests are understood there.
const ANSWERS: [Outcome; 4] = [Outcome::Ok, Outcome::Empty, Outcome::Throttled, Outcome::Unsupported];

impl Watched {
    fn new(tracked: &Tracked) -> Watched {
        let before = Totals::of(tracked.series.own(Arm::Stable));
        Watched { provider: provider_of(tracked), before, unanswered: <[u64; KINDS.len()]>::default(), told: None }
    }

    fn look(&mut self, now: Totals) {
        let before = std::mem::replace(&mut self.before, now);
        if now.answers > before.answers {
            self.unanswered = <[u64; KINDS.len()]>::default();
            return;
        }
        for (kind, count) in self.unanswered.iter_mut().enumerate() {
            *count += now.kinds[kind].saturating_sub(before.kinds[kind]);
        }
    }

    fn fault(&self) -> Option<String> {
        let all: u64 = self.unanswered.iter().sum();
        let refused = self.unanswered[REFUSED];
        if all - refused < FEW && all < MANY {
            return None;
        }
        let commonest = (0..KINDS.len()).max_by_key(|kind| self.unanswered[*kind])?;
        let kinds = KINDS.iter().zip(self.unanswered).filter(|(_, count)| *count > 0);
        let told: Vec<String> = kinds.map(|((_, what, _), count)| format!("{what}: {count}")).collect();
        let (provider, _) = &self.provider;
        Some(format!(
            "{provider} answered none of the last {all} attempts ({}); {}; `serin check --probe` says more",
            told.join(", "),
            KINDS[commonest].2
        ))
    }
}

fn provider_of(tracked: &Tracked) -> (String, String) {
    (tracked.stable.name.clone(), tracked.stable.base_url.to_string())
}

impl Engine {
    /// Why a reload is refused: it takes users of stable, who are served now, to one that cannot be asked.
    pub(super) fn brings_unserved(&self, policy: &Policy) -> Option<FileError> {
        let now: Vec<Option<String>> =
            self.unserved(&self.policy).into_iter().map(|unserved| unserved.rollout).collect();
        let new = self.unserved(policy).into_iter().find(|unserved| !now.contains(&unserved.rollout))?;
        let remedy = format!("{}; until then `serin rollback` takes users back whatever the file says", remedy(&new));
        let path = format!("providers.{}", new.provider);
        Some(FileError { path, problem: problem(&new), remedy, ..FileError::default() })
    }

    fn unserved(&self, policy: &Policy) -> Vec<Unserved> {
        unserved(policy, |rollout: &Rollout| {
            let known = rollout.canary.as_ref().and_then(|canary| {
                let identity = identity(policy, rollout, canary);
                let moving = self.rollouts.iter().filter_map(|tracked| tracked.moving.as_ref());
                let state = moving.filter(|moving| moving.identity == identity).map(|moving| &moving.state).next();
                Some((canary, state.or_else(|| self.elsewhere.get(&identity))?))
            });
            known.map_or_else(|| is_moved(rollout), |(canary, state)| has_ended(canary, state))
        })
    }

    /// Looks at what became of requests at each stable since the last time.
    pub(super) fn watch_serving(&mut self) {
        let mut before = std::mem::take(&mut self.serving.0);
        for tracked in &self.rollouts {
            let known = before.remove(&tracked.rollout.name).filter(|known| known.provider == provider_of(tracked));
            let mut watched = known.unwrap_or_else(|| Watched::new(tracked));
            watched.look(Totals::of(tracked.series.own(Arm::Stable)));
            let fault = watched.fault();
            let rollout = &tracked.rollout.name;
            match (&watched.told, &fault) {
                (None, Some(fault)) => tracing::warn!(rollout, "stable does not serve: {fault}"),
                (Some(_), None) => tracing::info!(rollout, "stable {} answers again", watched.provider.0),
                _ => {}
            }
            watched.told = fault;
            self.serving.0.insert(rollout.clone(), watched);
        }
    }

    /// Why a rollout's users of stable are not served, as far as that is known and there are any.
    pub(super) fn stable_fault(&self, tracked: &Tracked, on_canary: Percent) -> Option<StableFault> {
        if on_canary == Percent::ALL {
            return None;
        }
        let unusable = tracked.stable.unusable.as_ref();
        unusable
            .map(|why| StableFault { unasked: true, text: format!("{} cannot be used: {why}", tracked.stable.name) })
            .or_else(|| {
                let text = self.serving.0.get(&tracked.rollout.name)?.told.clone()?;
                Some(StableFault { unasked: false, text })
            })
    }
}
