//! Two cumulative sums, as statistical process control would do it.
//!
//! E. S. Page, "Continuous inspection schemes" (1954). [`Absolute`] looks at the canary alone, for a rise from 0.5% to
//! 5%. [`Relative`] looks at whose request failed, for five ratios at once; its threshold gives about as many
//! false alarms as the others have in a rollout, but has no bound for one: a sum begins anew for ever.

use serin::simulate::rule::{Detector, TickCounts};

use super::share::Share;

const BEFORE: f64 = 0.005;
const AFTER: f64 = 0.05;
const ABSOLUTE: f64 = 11.5;

/// The canary's rate against a fixed one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Absolute(f64);

impl Detector for Absolute {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        let (requests, errors) = (f64::from(seen.canary.requests), f64::from(seen.canary.errors));
        let gain = errors * (AFTER / BEFORE).ln() + (requests - errors) * ((1.0 - AFTER) / (1.0 - BEFORE)).ln();
        self.0 = (self.0 + gain).max(0.0);
        self.0 >= ABSOLUTE
    }
}

const RATIOS: [f64; 5] = [1.6, 2.5, 5.0, 12.0, 50.0];
const RELATIVE: f64 = 17.0;

/// The canary's failures against stable's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relative {
    share: Share,
    sums: [f64; RATIOS.len()],
}

impl Detector for Relative {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        let share = self.share.tick(seen);
        let (e0, e1) = (f64::from(seen.stable.errors), f64::from(seen.canary.errors));
        if e0 + e1 == 0.0 {
            return false;
        }
        let mut largest = 0.0_f64;
        for (sum, ratio) in self.sums.iter_mut().zip(RATIOS) {
            let gain = e1 * ratio.ln() - (e0 + e1) * (share * (ratio - 1.0)).ln_1p();
            *sum = (*sum + gain).max(0.0);
            largest = largest.max(*sum);
        }
        largest >= RELATIVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serin::simulate::rule::SimulatedArm;

    #[test]
    fn what_fails_on_both_is_nobodys_fault_to_one_and_the_canarys_to_the_other() {
        let both = TickCounts {
            seconds: 1.0,
            share: 0.1,
            stable: SimulatedArm::counted(630, 270),
            canary: SimulatedArm::counted(70, 30),
            ..TickCounts::default()
        };
        let (mut absolute, mut relative) = (Absolute::default(), Relative::default());
        assert!(absolute.is_bad(&both));
        assert!((0..1000).all(|_| !relative.is_bad(&both)));
        let canary = TickCounts { stable: SimulatedArm::counted(900, 0), ..both };
        assert!(relative.is_bad(&canary));
    }
}
