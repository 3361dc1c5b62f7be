//! Whether stable answers those who are on it: what nobody's requests come back from.
//!
//! A stable that a wrong address, path or key keeps from answering looks like an outage to each request, and is told by
//! what became of all of them: no answer since so many attempts. Another provider in its place is watched anew. Counts only
//! and tells; moves nobody.

use crate::decide::outcome::Outcome;
use crate::decide::policy::Provider;
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
    fn new(provider: (String, String), before: Totals) -> Watched {
        Watched { provider, before, unanswered: <[u64; KINDS.len()]>::default(), told: None }
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

impl Serving {
    /// Looks at what became of requests since the last time.
    pub(super) fn look(&mut self, rollout: &str, stable: &Provider, series: &Series) {
        let (provider, now) = ((stable.name.clone(), stable.base_url.to_string()), Totals::of(series));
        let known = self.0.take().filter(|known| known.provider == provider);
        let mut watched = known.unwrap_or_else(|| Watched::new(provider, now));
        watched.look(now);
        let fault = watched.fault();
        match (&watched.told, &fault) {
            (None, Some(fault)) => tracing::warn!(rollout, "stable does not serve: {fault}"),
            (Some(_), None) => tracing::info!(rollout, "stable {} answers again", watched.provider.0),
            _ => {}
        }
        watched.told = fault;
        self.0 = Some(watched);
    }

    /// What is wrong, as far as it is known.
    pub(super) fn fault(&self) -> Option<&str> {
        self.0.as_ref()?.told.as_deref()
    }
}
