//! How long the guard would take to see a fault at this traffic.
//!
//! The guard's own numbers, shown what is to be expected instead of what happened: so many requests a second on each arm,
//! so many of them failing. Expectations have no luck in them, so what comes out is about the time that half of the
//! cases take. Begins with what the guard knows now, or with an hour of health where nothing is known. Decides nothing,
//! and never changes the numbers it was given.

use super::aspect::Aspect;
use super::judge::{Circumstances, Judge, Schedule};
use super::tick::{ArmTick, Tick};
use crate::decide::policy::Guard;
use crate::decide::units::Millis;

/// What reaches the two arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// Requests a second, both arms together.
    pub per_second: f64,
    /// The canary's part of them, 0 to 1.
    pub share: f64,
    /// Stable's failure rate, 0 to 1.
    pub stable_rate: f64,
}

/// A fault of the canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// Its failure rate, 0 to 1.
    pub rate: f64,
}

/// The faults whose times are told: all, a fifth and a twentieth of the canary's requests fail.
pub const FAULTS: [Fault; 3] = [Fault { rate: 1.0 }, Fault { rate: 0.2 }, Fault { rate: 0.05 }];

/// Beyond this a fault counts as never seen.
const LONGEST: f64 = 14.0 * 86_400.0;
/// What a guard that knows nothing is shown before.
const HEALTH: f64 = 3600.0;
/// The ticks become longer with time, by a fiftieth of it, so that a forecast costs some hundreds of them at most.
const STRETCH: f64 = 50.0;

/// How long it takes until the guard acts on this fault; `None`: two weeks are not enough, or nobody is on the canary.
#[must_use]
pub fn until_seen(
    guard: &Guard,
    known: Option<&Judge>,
    retries: u32,
    schedule: Schedule,
    traffic: Traffic,
    fault: Fault,
) -> Option<Millis> {
    let Traffic { per_second, share, stable_rate } = traffic;
    if per_second <= 0.0 || share <= 0.0 {
        return None;
    }
    let mut judge = known.cloned().unwrap_or_else(|| Judge::new(&guard.constants));
    let now = Circumstances { share, schedule, confirming: false, alone: share >= 1.0 };
    let expected = |seconds: f64, rate: f64| {
        let (stable, canary) = (per_second * (1.0 - share) * seconds, per_second * share * seconds);
        Tick {
            seconds,
            stable: ArmTick::plain(stable, stable * stable_rate),
            canary: ArmTick::plain(canary, canary * rate),
            stable_probes: (if share >= 1.0 { seconds } else { 0.0 }, 0.0),
        }
    };
    if known.is_none() {
        // Longer ticks know no less of health.
        let steps = 360;
        (0..steps).for_each(|_| judge.tick(guard, &now, &expected(HEALTH / f64::from(steps), stable_rate)));
    }
    let mut passed = 0.0;
    while passed < LONGEST {
        let seconds = (passed / STRETCH).max(1.0);
        passed += seconds;
        judge.tick(guard, &now, &expected(seconds, fault.rate));
        let reading = judge.reading(guard, retries);
        // Above half the canary is confirmed first, and judged within seconds after that.
        let confirms = reading.suspicious && share > guard.constants.confirm_share;
        if reading.of(Aspect::Failing).is_alarm() || reading.down || confirms {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below two weeks")]
            return Some(Millis((passed * 1000.0).round() as u64));
        }
    }
    None
}
