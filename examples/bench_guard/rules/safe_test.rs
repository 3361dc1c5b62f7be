//! A safe test for two proportions, running from the start and never restarted.
//!
//! R. Turner, A. Ly and P. Grunwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
//! stopping" (2024). Each tick is a block of both arms. Both rates are estimated from all ticks before (Beta prior,
//! 0.18 each, as the authors suggest), and the block's likelihood under them is divided by that under their common
//! mean. It bets only while the canary's estimate is the higher one. Back when the product reaches 1000.

use serin::simulate::rule::{Detector, TickCounts};

const PRIOR: f64 = 0.18;

#[derive(Clone, Debug, Default)]
pub(crate) struct SafeTest {
    // Requests and errors of each arm, in all ticks before.
    stable: (f64, f64),
    canary: (f64, f64),
    nats: f64,
}

impl Detector for SafeTest {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        let estimate = |(requests, errors): (f64, f64)| (errors + PRIOR) / (requests + 2.0 * PRIOR);
        let (stable_rate, canary_rate) = (estimate(self.stable), estimate(self.canary));
        let (n0, e0) = (f64::from(seen.stable.requests), f64::from(seen.stable.errors));
        let (n1, e1) = (f64::from(seen.canary.requests), f64::from(seen.canary.errors));
        if canary_rate > stable_rate && n0 + n1 > 0.0 {
            let common = (n0 * stable_rate + n1 * canary_rate) / (n0 + n1);
            let gain = |requests: f64, errors: f64, rate: f64| {
                let of_errors = if errors > 0.0 { errors * (rate / common).ln() } else { 0.0 };
                of_errors + (requests - errors) * ((1.0 - rate) / (1.0 - common)).ln()
            };
            self.nats += gain(n0, e0, stable_rate) + gain(n1, e1, canary_rate);
        }
        self.stable = (self.stable.0 + n0, self.stable.1 + e0);
        self.canary = (self.canary.0 + n1, self.canary.1 + e1);
        self.nats >= 1000.0_f64.ln()
    }
}
