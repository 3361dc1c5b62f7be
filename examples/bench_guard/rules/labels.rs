//! Whose request failed, from the start and never restarted.
//!
//! The labels of all failures are judged by a mixture of likelihood ratios, one for each of a dozen ratios of the two
//! rates from 1.15 to 100 (a discrete mixture of the kind of M. Lindon and A. Malek's multinomial test, 2022). The same
//! labels as Serin's guard looks at, without its restarts: it shows what a healthy week costs a test that cannot
//! forget. Back when the mean of the products reaches 1000.

use serin::simulate::rule::{Detector, TickCounts};

use super::share::Share;

const RATIOS: [f64; 12] = [1.15, 1.3, 1.6, 2.0, 3.0, 4.5, 7.0, 10.0, 16.0, 25.0, 50.0, 100.0];

#[derive(Clone, Debug, Default)]
pub(crate) struct Labels {
    share: Share,
    nats: [f64; RATIOS.len()],
}

impl Detector for Labels {
    fn is_bad(&mut self, seen: &TickCounts) -> bool {
        let share = self.share.tick(seen);
        let (e0, e1) = (f64::from(seen.stable.errors), f64::from(seen.canary.errors));
        if e0 + e1 == 0.0 {
            return false;
        }
        for (nats, ratio) in self.nats.iter_mut().zip(RATIOS) {
            *nats += e1 * ratio.ln() - (e0 + e1) * (share * (ratio - 1.0)).ln_1p();
        }
        let largest = self.nats.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let rest: f64 = self.nats.iter().map(|nats| (nats - largest).exp()).sum();
        largest + (rest / RATIOS.len() as f64).ln() >= 1000.0_f64.ln()
    }
}
