//! Whether a rate lies above a given one.
//!
//! A cumulative sum (E. S. Page, "Continuous inspection schemes", 1954) for each of several multiples `m` of the
//! reference: events add `ln m`, requests take `reference * (m - 1)` away, and a sum never falls below zero, so that it
//! begins anew whenever the rate looks well. The logarithm of the likelihood ratio of Poisson counts, which for plain
//! failures and successes is on the safe side (1 + x <= e^x). Owns the sums and no reference: that is the caller's, and
//! may move.

use serde::{Deserialize, Serialize};

use super::constants::{Constants, MULTIPLES};

/// The sums, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cusum([f64; MULTIPLES]);

impl Cusum {
    /// Adds a tick of requests and events; no sum exceeds `cap`. Returns the largest sum.
    pub fn update(&mut self, constants: &Constants, cap: f64, reference: f64, requests: f64, events: f64) -> f64 {
        let mut gains = [0.0; MULTIPLES];
        // What is usual needs no logarithm.
        if events != 0.0 {
            gains = constants.multiples.map(|multiple| events * multiple.ln());
        }
        let expected = requests * reference;
        for ((sum, gain), multiple) in self.0.iter_mut().zip(gains).zip(constants.multiples) {
            *sum = (*sum + gain - expected * (multiple - 1.0)).max(0.0).min(cap);
        }
        self.largest()
    }

    /// The largest sum.
    #[must_use]
    pub fn largest(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}
