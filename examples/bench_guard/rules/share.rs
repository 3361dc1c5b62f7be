//! Which part of the requests the canary really has.
//!
//! Users are sticky and some send more than others, so it is not the share that was asked for. All requests since the
//! start count, drawn towards the nominal share while there are few.

use serin::simulate::rule::TickCounts;

const WEIGHT: f64 = 50.0;

#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    stable: f64,
    canary: f64,
}

impl Share {
    /// The share, this tick included.
    pub(super) fn tick(&mut self, seen: &TickCounts) -> f64 {
        self.stable += f64::from(seen.stable.requests);
        self.canary += f64::from(seen.canary.requests);
        (WEIGHT * seen.share + self.canary) / (WEIGHT + self.stable + self.canary)
    }
}
