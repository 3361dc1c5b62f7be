//! The mixture sequential probability ratio test on the difference of two rates, running from the start.
//!
//! R. Johari, P. Koomen, L. Pekelis and D. Walsh, "Always valid inference" (2022): the difference of the arms' mean
//! rates, taken for normal, against a normal mixture of true differences. Back when the ratio reaches 1000 and the
//! canary is the worse one. An approximation, so nothing is decided on fewer than a hundred requests of an arm.

use serin::simulate::rule::{Detector, TickCounts};

const LEAST: f64 = 100.0;

/// The deviation of the mixture: differences of about this size are looked for.
const DEVIATION: f64 = 0.01;

#[derive(Clone, Debug, Default)]
pub(crate) struct Msprt {
    stable: (f64, f64),
    canary: (f64, f64),
}

impl Detector for Msprt {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        self.stable.0 += f64::from(seen.stable.requests);
        self.stable.1 += f64::from(seen.stable.errors);
        self.canary.0 += f64::from(seen.canary.requests);
        self.canary.1 += f64::from(seen.canary.errors);
        let ((n0, e0), (n1, e1)) = (self.stable, self.canary);
        if n0 < LEAST || n1 < LEAST {
            return false;
        }
        let difference = e1 / n1 - e0 / n0;
        let variance = |requests: f64, errors: f64| errors / requests * (1.0 - errors / requests) / requests;
        let variance = variance(n0, e0) + variance(n1, e1);
        if difference <= 0.0 || variance <= 0.0 {
            return difference > 0.0;
        }
        let mixture = DEVIATION * DEVIATION;
        let exponent = mixture * difference * difference / (2.0 * variance * (variance + mixture));
        // The other factor is below 1.
        exponent >= 1000.0_f64.ln() && exponent + 0.5 * (variance / (variance + mixture)).ln() >= 1000.0_f64.ln()
    }
}
