//! Whether one provider fails every request while the other works.
//!
//! The evidence is a run of consecutive failures, in nats: each failure is weighed by the other provider's failure rate
//! during the run. In an outage of both in which 70% of the requests still succeed it takes twenty consecutive
//! failures; in an outage in which all fail it never fires. A run lasts some seconds at least, the other provider must
//! have had successes in it, and most of the requests sent must have come back as failures: a provider whose successes
//! take half a minute is not down. Knows nothing of arms: the caller chooses which provider is which.

use serde::{Deserialize, Serialize};

use super::constants::Constants;

/// More evidence than any run has.
pub(super) const DOWN: f64 = 1e12;

/// A run of failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DownDetector {
    failures: f64,
    sent: f64,
    seconds: f64,
    other_successes: f64,
    other_failures: f64,
    evidence: f64,
}

/// What one tick has seen of both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DownTick {
    /// Requests sent to the provider in question.
    pub sent: f64,
    /// Its successes, of all users.
    pub successes: f64,
    /// Its failures, each user's counted once in a while.
    pub failures: f64,
    /// Connections that it did not take: no user can cause them, so none is left out.
    pub connections_refused: f64,
    /// The other provider's successes.
    pub other_successes: f64,
    /// The other provider's failures.
    pub other_failures: f64,
}

impl DownDetector {
    /// One tick; true while the provider is down.
    pub fn update(&mut self, constants: &Constants, seconds: f64, seen: &DownTick) -> bool {
        if seen.successes > 0.0 {
            *self = DownDetector::default();
            return false;
        }
        self.failures += seen.failures.max(seen.connections_refused);
        if self.failures == 0.0 {
            return false;
        }
        self.sent += seen.sent;
        self.seconds += seconds;
        self.other_successes += seen.other_successes.max(0.0);
        self.other_failures += seen.other_failures;
        let rate = (self.other_failures + 1.0) / (self.other_failures + self.other_successes + 2.0);
        self.evidence = self.failures * -rate.max(constants.down_least_rate).ln();
        self.is_down(constants)
    }

    /// Whether the run has gone on for long enough.
    #[must_use]
    pub fn is_down(&self, constants: &Constants) -> bool {
        self.evidence >= constants.down_evidence
            && self.seconds >= constants.down_seconds
            && self.other_successes >= constants.down_stable_successes
            && self.failures >= constants.down_fraction * self.sent
    }

    /// What weighs more is worse: any that is down weighs more than any that is not.
    pub(super) fn weight(&self, constants: &Constants) -> f64 {
        if self.is_down(constants) { DOWN + self.evidence } else { self.evidence.min(DOWN) }
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn failures(&self) -> f64 {
        self.failures
    }

    /// For how long, in seconds.
    #[must_use]
    pub const fn seconds(&self) -> f64 {
        self.seconds
    }

    /// In nats.
    #[must_use]
    pub const fn evidence(&self) -> f64 {
        self.evidence
    }
}
