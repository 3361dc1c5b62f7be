//! How long faults of a canary would take to be seen at its traffic: worked out seldom, and kept for whoever shows it.
//!
//! Tells and decides nothing. Whoever asks for it takes the rollout that has waited longest, one at a time, so that many
//! rollouts hold nothing up.

use crate::control::evidence::traffic_rate::Traffic as Seen;
use crate::decide::guard::forecast::{Course, FAULTS, Traffic, until_seen, until_silent};
use crate::decide::guard::judge::fraction;
use crate::decide::guard::waiting::Kind;
use crate::decide::policy::{Canary, Intent};
use crate::decide::rollout::ramp;
use crate::decide::rollout::state::RolloutState;
use crate::decide::units::Millis;

/// Between two forecasts.
const PAUSE: Millis = Millis(10_000);

/// The last forecast of a rollout.
#[derive(Debug, Default)]
pub(in crate::control) struct Foresight {
    made: Option<Millis>,
    /// How long each of [`FAULTS`] would take to be seen; `None`: too long.
    pub(in crate::control) faults: [Option<Millis>; FAULTS.len()],
    /// The same of a canary that never answers.
    pub(in crate::control) silent: Option<Millis>,
}

impl Foresight {
    /// When it was made, if it is time for another; the earlier, the longer it has waited.
    pub(in crate::control) fn due(&self, now: Millis) -> Option<Option<Millis>> {
        let is_due = self.made.is_none_or(|at| now.since(at) >= PAUSE);
        is_due.then_some(self.made)
    }

    /// Works it out for the rollout as it stands.
    pub(in crate::control) fn renew(&mut self, canary: &Canary, state: &RolloutState, seen: &Seen, now: Millis) {
        self.made = Some(now);
        let share = fraction(state.in_force);
        let traffic = Traffic { per_second: seen.per_second, share, stable_rate: seen.stable_rate };
        let course = Course {
            schedule: ramp::schedule(&canary.ramp),
            confirms: canary.percent == Intent::Auto,
            retries: state.tries(),
        };
        let rule = canary.guard.slow.unwrap_or_default();
        let slowest = Kind::ALL.into_iter().filter_map(|kind| state.judge.slow_threshold.limit(&rule, kind)).max();
        self.silent = until_silent(&canary.guard, slowest, traffic);
        self.faults = FAULTS.map(|fault| until_seen(&canary.guard, Some(&state.judge), course, traffic, fault));
    }
}
