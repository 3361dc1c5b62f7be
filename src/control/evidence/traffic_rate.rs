//! The request rate of a rollout and the failure rate of its stable, from which a forecast is made.
//!
//! Sums decay exponentially, so the rates are those of the last minute or two, at whatever share. Judges nothing.
//! Invariant: a tick counts by its length.

use crate::decide::guard::numbers::fading;
use crate::decide::guard::tick::Tick;

/// The half-life of the sums, in seconds.
const HALF_LIFE: f64 = 60.0;

#[derive(Clone, Copy, Debug, Default)]
pub(in crate::control) struct TrafficRate {
    pub(in crate::control) per_second: f64,
    pub(in crate::control) stable_rate: f64,
    seconds: f64,
    requests: f64,
    stable: f64,
    stable_failures: f64,
}

impl TrafficRate {
    pub(in crate::control) fn add(&mut self, tick: &Tick) {
        let fade = fading(tick.seconds, HALF_LIFE);
        self.seconds = self.seconds * fade + tick.seconds;
        self.requests = self.requests * fade + tick.stable.exposed() + tick.canary.exposed();
        self.stable = self.stable * fade + tick.stable.exposed();
        self.stable_failures = self.stable_failures * fade + tick.stable.failures();
        self.per_second = self.requests / self.seconds.max(1e-9);
        self.stable_rate = if self.stable > 0.0 { (self.stable_failures / self.stable).min(1.0) } else { 0.0 };
    }
}
