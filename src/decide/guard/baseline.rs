//! Stable's usual failure rate, and whether stable is in an incident now.
//!
//! The usual rate is a decaying average over the last hours. While stable is far above it, the canary's step time
//! stands still and there are no promotions. Counts during an incident are kept separate and do not change the usual
//! rate; an incident that lasts for an hour of traffic becomes the new usual rate. Survives the canary's tries, since
//! it does not depend on the canary.

use serde::{Deserialize, Serialize};

use super::constants::Constants;
use super::cusum::Cusum;
use super::numbers::fading;

/// Stable's past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StableBaseline {
    requests: f64,
    failures: f64,
    incident: Cusum,
    incident_seconds: f64,
    incident_requests: f64,
    incident_failures: f64,
}

impl StableBaseline {
    /// One tick of stable.
    pub fn update(&mut self, constants: &Constants, seconds: f64, requests: f64, failures: f64) {
        let reference = constants.incident_rate.max(constants.incident_ratio * self.rate());
        self.incident.update(constants, constants.incident_cap, reference, requests, failures);
        if self.in_incident(constants) {
            // A stable without traffic is not in trouble for an hour: nothing is known of it.
            self.incident_seconds += if requests > 0.0 { seconds } else { 0.0 };
            self.incident_requests += requests;
            self.incident_failures += failures;
            if self.incident_seconds > constants.incident_seconds {
                (self.requests, self.failures) = (self.incident_requests, self.incident_failures);
                self.incident = Cusum::default();
            }
        }
        if !self.in_incident(constants) {
            (self.incident_seconds, self.incident_requests, self.incident_failures) = (0.0, 0.0, 0.0);
            if requests > 0.0 {
                let fade = fading(seconds, constants.history_half_life);
                self.requests = self.requests * fade + requests;
                self.failures = self.failures * fade + failures;
            }
        }
    }

    /// Whether stable itself is in trouble.
    #[must_use]
    pub fn in_incident(&self, constants: &Constants) -> bool {
        self.incident.largest() >= constants.incident_evidence
    }

    /// Evidence of an incident, in nats.
    #[must_use]
    pub fn incident_evidence(&self) -> f64 {
        self.incident.largest()
    }

    /// Stable has no traffic from now on: whether it is still in trouble cannot be known, and how it usually is stays
    /// as it was before.
    pub fn stop_observing(&mut self) {
        self.incident = Cusum::default();
        (self.incident_seconds, self.incident_requests, self.incident_failures) = (0.0, 0.0, 0.0);
    }

    /// Its usual failure rate, never below one failure; 0 where nothing is known.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.requests > 0.0 { (self.failures + 1.0) / self.requests } else { 0.0 }
    }

    /// This is how stable is nowadays.
    pub const fn reset_to(&mut self, requests: f64, failures: f64) {
        (self.requests, self.failures) = (requests, failures);
    }
}
