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
use crate::decide::units::{Millis, Percent};

/// Between two forecasts of a rollout.
const REFRESH_INTERVAL: Millis = Millis(10_000);

#[derive(Debug, Default)]
pub(in crate::control) struct ForecastCache {
    made_at: Option<Millis>,
    /// The share that it was made for, and whether there was traffic.
    made_for: (Percent, bool),
    /// The time to detection of each of [`FAULTS`]. `None`: too long.
    pub(in crate::control) faults: [Option<Millis>; FAULTS.len()],
    /// The same for a canary that never answers.
    pub(in crate::control) silent: Option<Millis>,
}

impl ForecastCache {
    /// When the forecast was made, if it is due for a refresh. The smallest value is the oldest forecast; one that was
    /// made for another share, or before there was traffic, is as old as none.
    pub(super) fn due(&self, state: &RolloutState, rate: &TrafficRate, now: Millis) -> Option<Option<Millis>> {
        let made_at = self.made_at.filter(|_| self.made_for == made_for(state, rate));
        made_at.is_none_or(|at| now.since(at) >= REFRESH_INTERVAL).then_some(made_at)
    }

    pub(super) fn refresh(&mut self, canary: &Canary, state: &RolloutState, rate: &TrafficRate, now: Millis) {
        self.made_at = Some(now);
        self.made_for = made_for(state, rate);
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

fn made_for(state: &RolloutState, rate: &TrafficRate) -> (Percent, bool) {
    (state.in_force, rate.per_second > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::units::UnixMillis;

    #[test]
    fn another_share_and_the_first_traffic_make_it_due() {
        let (mut cache, mut rate) = (ForecastCache::default(), TrafficRate::default());
        let mut state = RolloutState::new(1, UnixMillis(0));
        assert_eq!(cache.due(&state, &rate, Millis(0)), Some(None));
        (cache.made_at, cache.made_for) = (Some(Millis(0)), made_for(&state, &rate));
        assert_eq!(cache.due(&state, &rate, Millis(9_999)), None);
        assert_eq!(cache.due(&state, &rate, Millis(10_000)), Some(Some(Millis(0))));
        rate.per_second = 5.0;
        assert_eq!(cache.due(&state, &rate, Millis(1)), Some(None));
        (cache.made_at, cache.made_for) = (Some(Millis(1)), made_for(&state, &rate));
        assert_eq!(cache.due(&state, &rate, Millis(2)), None);
        state.in_force = Percent::ALL;
        assert_eq!(cache.due(&state, &rate, Millis(2)), Some(None));
    }
}
