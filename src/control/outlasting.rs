//! When what the guard knows is written, so that a restart goes on with the same try.
//!
//! Every action writes the whole state with it. Between two actions evidence gathers, and is written once a minute and
//! when the process begins to stop: a crash loses a minute of it at most. Rollouts take turns, in some groups a minute and
//! not one by one, since each group is a write of its own to the disk; one in which nothing has gathered is left out. Also
//! keeps what is told of the guard's speed, which is worked out seldom. Never writes over a proposal that is on its way to
//! the disk.

use super::engine::{Engine, Moving, Now, Tracked};
use crate::decide::guard::forecast::{Course, FAULTS, Traffic, until_seen, until_silent};
use crate::decide::guard::judge::fraction;
use crate::decide::guard::waiting::Kind;
use crate::decide::policy::Intent;
use crate::decide::rollout::ramp;
use crate::decide::rollout::retry::waits_before_retry;
use crate::decide::rollout::state::RolloutState;
use crate::decide::units::Millis;

/// Between two writings of a rollout's evidence.
const BETWEEN: u64 = 60_000;
/// In how many groups all of them are written in that time.
const GROUPS: usize = 12;
/// Between two forecasts.
const FORECAST: Millis = Millis(10_000);

/// When what was done last.
#[derive(Debug, Default)]
pub(super) struct Outlasting {
    due: Option<Millis>,
    // What was written at the last time.
    written: Option<Box<RolloutState>>,
    forecast_at: Option<Millis>,
    /// How long each of [`FAULTS`] would take to be seen; `None`: too long.
    pub(super) forecast: [Option<Millis>; FAULTS.len()],
    /// The same of a canary that never answers.
    pub(super) silent: Option<Millis>,
}

/// When a rollout of this place in the file is written first.
const fn first(index: usize, now: Millis) -> Millis {
    Millis(now.0 + BETWEEN - (index % GROUPS) as u64 * (BETWEEN / GROUPS as u64))
}

impl Engine {
    /// After a tick: has evidence written whose time has come.
    pub(super) fn keep_evidence(&mut self, index: usize, now: Now) {
        let Tracked { rollout, moving: Some(moving), .. } = &mut self.rollouts[index] else { return };
        let outlasting = &mut moving.outlasting;
        let due = outlasting.due.get_or_insert_with(|| first(index, now.mono));
        if now.mono < *due {
            return;
        }
        due.0 += (now.mono.since(*due).0 / BETWEEN + 1) * BETWEEN;
        if moving.proposed.is_some() {
            return;
        }
        moving.state.pauses = moving.observer.pauses(now.mono);
        let mut gathered = moving.state.clone();
        if !rollout.canary.as_ref().is_some_and(|canary| waits_before_retry(canary, &gathered)) {
            // Time passes for those who wait for nothing as well, and is nothing to remember.
            gathered.waited = Millis(0);
        }
        if outlasting.written.as_deref() != Some(&gathered) {
            outlasting.written = Some(Box::new(gathered));
            self.write(index);
        }
    }

    /// Has a rollout's state written as it is.
    pub(super) fn write_evidence(&mut self, index: usize, now: Now) {
        let Some(moving) = &mut self.rollouts[index].moving else { return };
        moving.state.pauses = moving.observer.pauses(now.mono);
        self.write(index);
    }

    fn write(&mut self, index: usize) {
        let Some(moving) = &self.rollouts[index].moving else { return };
        if moving.proposed.is_none() {
            self.outbox.states.insert(moving.identity.clone(), moving.state.clone());
        }
    }

    /// Works out how long faults would take to be seen, for the rollout that has waited for it longest: one a tick, so
    /// that many rollouts hold nothing up.
    pub(super) fn forecast(&mut self, now: Now) {
        let waits = |moving: &Moving| match moving.outlasting.forecast_at {
            None => true,
            Some(at) => now.mono.since(at) >= FORECAST,
        };
        let moving = self.rollouts.iter_mut().filter_map(|tracked| Some((tracked.moving.as_mut()?, &tracked.rollout)));
        let due = moving.filter(|(moving, _)| waits(moving)).min_by_key(|(moving, _)| moving.outlasting.forecast_at);
        let Some((moving, rollout)) = due else { return };
        let Some(canary) = &rollout.canary else { return };
        let (seen, state, outlasting) = (moving.observer.traffic(), &moving.state, &mut moving.outlasting);
        outlasting.forecast_at = Some(now.mono);
        let share = fraction(state.in_force);
        let traffic = Traffic { per_second: seen.per_second, share, stable_rate: seen.stable_rate };
        let course = Course {
            schedule: ramp::schedule(&canary.ramp),
            confirms: canary.percent == Intent::Auto,
            retries: state.tries(),
        };
        let rule = canary.guard.slow.unwrap_or_default();
        let slowest = Kind::ALL.into_iter().filter_map(|kind| state.judge.slow_threshold.limit(&rule, kind)).max();
        outlasting.silent = until_silent(&canary.guard, slowest, traffic);
        outlasting.forecast = FAULTS.map(|fault| until_seen(&canary.guard, Some(&state.judge), course, traffic, fault));
    }
}
