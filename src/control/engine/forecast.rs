//! How soon a fault of the canary would be detected at the rollout's traffic.
//!
//! The computation is slow, so its result is cached, and the engine refreshes one rollout per tick: the one with the
//! oldest forecast. For display only: nothing is decided from it.

use crate::control::evidence::traffic_rate::TrafficRate;
use crate::decide::guard::analysis::fraction;
use crate::decide::guard::forecast::{
    ExpectedTraffic, FAULTS, ForecastRollout, time_to_detect, time_to_detect_silence,
};
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::policy::{Canary, Intent};
use crate::decide::rollout::ramp;
use crate::decide::rollout::state::RolloutState;
use crate::decide::units::Millis;

/// Between two forecasts of a rollout.
const REFRESH_INTERVAL: Millis = Millis(10_000);

#[derive(Debug, Default)]
pub(in crate::control) struct ForecastCache {
    made_at: Option<Millis>,
    /// The time to detection of each of [`FAULTS`]. `None`: too long.
    pub(in crate::control) faults: [Option<Millis>; FAULTS.len()],
    /// The same for a canary that never answers.
    pub(in crate::control) silent: Option<Millis>,
}

impl ForecastCache {
    /// When the forecast was made, if it is due for a refresh. The smallest value is the oldest forecast.
    pub(super) fn due(&self, now: Millis) -> Option<Option<Millis>> {
        let is_due = self.made_at.is_none_or(|at| now.since(at) >= REFRESH_INTERVAL);
        is_due.then_some(self.made_at)
    }

    pub(super) fn refresh(&mut self, canary: &Canary, state: &RolloutState, rate: &TrafficRate, now: Millis) {
        self.made_at = Some(now);
        let share = fraction(state.in_force);
        let traffic = ExpectedTraffic { per_second: rate.per_second, share, stable_rate: rate.stable_rate };
        let course = ForecastRollout {
            schedule: ramp::ramp_length(&canary.ramp),
            confirms: canary.percent == Intent::Auto,
            retries: state.tries(),
        };
        let rule = canary.guard.slow.unwrap_or_default();
        let slowest =
            ResponseKind::ALL.into_iter().filter_map(|kind| state.analysis.slow_threshold.limit(&rule, kind)).max();
        self.silent = time_to_detect_silence(&canary.guard, slowest, traffic);
        self.faults = FAULTS.map(|fault| time_to_detect(&canary.guard, Some(&state.analysis), course, traffic, fault));
    }
}
