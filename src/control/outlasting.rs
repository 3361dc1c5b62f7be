//! When what the guard knows is written, so that a restart goes on with the same try.
//!
//! Every action writes the whole state with it. Between two actions evidence gathers, and is written once a minute and
//! when the process begins to stop: a crash loses a minute of it at most. Also keeps what is told of the guard's speed,
//! which is worked out seldom. Never writes over a proposal that is on its way to the disk.

use super::engine::{Engine, Now};
use crate::decide::guard::forecast::{Course, FAULTS, Traffic, until_seen};
use crate::decide::guard::judge::fraction;
use crate::decide::policy::Intent;
use crate::decide::rollout::ramp;
use crate::decide::units::Millis;

/// Between two writings of evidence.
const BETWEEN: Millis = Millis(60_000);
/// Between two forecasts.
const FORECAST: Millis = Millis(10_000);

/// When what was done last.
#[derive(Debug, Default)]
pub(super) struct Outlasting {
    written: Option<Millis>,
    forecast_at: Option<Millis>,
    /// How long each of [`FAULTS`] would take to be seen; `None`: too long.
    pub(super) forecast: [Option<Millis>; FAULTS.len()],
}

impl Engine {
    /// After a tick: has evidence written whose time has come.
    pub(super) fn keep_evidence(&mut self, index: usize, now: Now) {
        self.forecast(index, now);
        let Some(moving) = &mut self.rollouts[index].moving else { return };
        let due = now.mono.since(*moving.outlasting.written.get_or_insert(now.mono)) >= BETWEEN;
        if due {
            moving.outlasting.written = Some(now.mono);
            self.write_evidence(index);
        }
    }

    /// Has a rollout's state written as it is.
    pub(super) fn write_evidence(&mut self, index: usize) {
        let Some(moving) = &self.rollouts[index].moving else { return };
        if moving.proposed.is_none() {
            self.outbox.states.insert(moving.identity.clone(), moving.state.clone());
        }
    }

    fn forecast(&mut self, index: usize, now: Now) {
        let tracked = &mut self.rollouts[index];
        let (Some(moving), Some(canary)) = (&mut tracked.moving, &tracked.rollout.canary) else { return };
        let outlasting = &mut moving.outlasting;
        if outlasting.forecast_at.is_some_and(|at| now.mono.since(at) < FORECAST) {
            return;
        }
        outlasting.forecast_at = Some(now.mono);
        let (seen, state) = (moving.observer.traffic(), &moving.state);
        let share = fraction(state.in_force);
        let traffic = Traffic { per_second: seen.per_second, share, stable_rate: seen.stable_rate };
        let course = Course {
            schedule: ramp::schedule(&canary.ramp),
            confirms: canary.percent == Intent::Auto,
            retries: state.retries,
        };
        outlasting.forecast = FAULTS.map(|fault| until_seen(&canary.guard, Some(&state.judge), course, traffic, fault));
    }
}
