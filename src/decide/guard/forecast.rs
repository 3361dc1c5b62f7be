//! How long the guard would take to detect a fault at the current traffic.
//!
//! Runs the guard's own numbers on expected counts: requests per second on each arm, and the part of them that fails.
//! Expected counts have no variance, so the result is close to the median time. Starts from the guard's present
//! numbers, or from an hour of healthy traffic where there are none. Decides nothing and never changes the numbers that
//! it was given.

use super::analysis::{Analysis, RampLength, TickContext};
use super::aspect::Aspect;
use super::tick::{ArmTick, Tick};
use crate::decide::policy::Guard;
use crate::decide::units::Millis;

/// What reaches the two arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedTraffic {
    /// Requests a second, both arms together.
    pub per_second: f64,
    /// The canary's part of them, 0 to 1.
    pub share: f64,
    /// Stable's failure rate, 0 to 1.
    pub stable_rate: f64,
}

/// What else the guard goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForecastRollout {
    /// What the ramp looks like.
    pub schedule: RampLength,
    /// Whether a canary that looks bad is confirmed where stable has too little traffic: not where its share is pinned.
    pub confirms: bool,
    /// How many tries of this attempt there were before.
    pub retries: u32,
}

/// A fault of the canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// Its failure rate, 0 to 1.
    pub rate: f64,
}

/// The faults that are forecast: all, a fifth and a twentieth of the canary's requests fail.
pub const FAULTS: [Fault; 3] = [Fault { rate: 1.0 }, Fault { rate: 0.2 }, Fault { rate: 0.05 }];

/// Beyond this a fault counts as never seen.
const LONGEST: f64 = 14.0 * 86_400.0;
/// The length of healthy traffic before the fault, where the guard has no numbers yet.
const HEALTH: f64 = 3600.0;
/// The ticks become longer with time, by a fiftieth of it, so that a forecast costs some hundreds of them at most.
const STRETCH: f64 = 50.0;

/// How long it takes until the guard acts on this fault; `None`: more than two weeks, or the canary has no users.
#[must_use]
pub fn time_to_detect(
    guard: &Guard,
    known: Option<&Analysis>,
    course: ForecastRollout,
    traffic: ExpectedTraffic,
    fault: Fault,
) -> Option<Millis> {
    let ExpectedTraffic { per_second, share, stable_rate } = traffic;
    let ForecastRollout { schedule, confirms, retries } = course;
    if per_second <= 0.0 || share <= 0.0 {
        return None;
    }
    let constants = &guard.constants;
    let mut analysis = known.cloned().unwrap_or_else(|| Analysis::new(constants));
    let mut now = TickContext { share, schedule, confirming: false, alone: share >= 1.0 && !confirms };
    let expected = |share: f64, seconds: f64, rate: f64| {
        let (stable, canary) = (per_second * (1.0 - share) * seconds, per_second * share * seconds);
        Tick {
            seconds,
            stable: ArmTick::plain(stable, stable * stable_rate),
            canary: ArmTick::plain(canary, canary * rate),
            stable_probes: (if share >= 1.0 { seconds } else { 0.0 }, 0.0),
            ..Tick::default()
        }
    };
    if known.is_none() {
        // Longer ticks carry the same information about health.
        let steps = 360;
        (0..steps)
            .for_each(|_| analysis.tick(guard, &now, &expected(share, HEALTH / f64::from(steps), stable_rate), None));
    }
    let mut passed = 0.0;
    while passed < LONGEST {
        let seconds = (passed / STRETCH).max(1.0);
        passed += seconds;
        analysis.tick(guard, &now, &expected(now.share, seconds, fault.rate), None);
        let result = analysis.result(guard, retries);
        if result.of(Aspect::Failing).is_alarm() || result.down {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below two weeks")]
            return Some(Millis((passed * 1000.0).round() as u64));
        }
        if confirms && result.suspicious && now.share > constants.confirm_share {
            analysis.expect_confirmation();
            analysis.share_changed(constants.confirm_share);
            now = TickContext { share: constants.confirm_share, confirming: true, ..now };
        }
    }
    None
}

/// How long it takes until a canary that accepts requests and never answers is seen; `None`: nobody is on it. `limit`:
/// above which time answers are slow, where that is known.
#[must_use]
pub fn time_to_detect_silence(guard: &Guard, limit: Option<Millis>, traffic: ExpectedTraffic) -> Option<Millis> {
    let ExpectedTraffic { per_second, share, .. } = traffic;
    let constants = &guard.constants;
    let (canary, stable) = (per_second * share, per_second * (1.0 - share));
    if canary <= 0.0 {
        return None;
    }
    let seconds = |time: Millis| time.duration().as_secs_f64();
    let limit = limit.map_or(0.0, seconds);
    // The number of requests that it takes, if stable gave as many answers in the same time.
    let enough = |requests: f64, answers: f64| {
        let rate = (1.0 / (answers + 2.0)).max(constants.down_least_rate);
        answers >= constants.down_stable_successes
            && requests >= constants.silent_requests
            && requests * -rate.ln() >= constants.down_evidence
    };
    let least = constants.silent_requests / canary;
    let seen = if share < 1.0 {
        let patience = limit.max(seconds(constants.silent_least));
        let lasts = (0..).map(|step| least + f64::from(step) * 0.5 / canary);
        let span = lasts.take(100_000).find(|span| enough((canary * span).floor(), stable * span))?;
        (span + patience).max(patience + constants.down_seconds)
    } else {
        let patience = (3.0 * limit).max(seconds(constants.silent_alone));
        let probed = (3..).map(f64::from).take(100).find(|probes| enough((canary * probes).max(8.0), *probes))?;
        patience + least.max(probed)
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and weeks at most")]
    Some(Millis(((seen + 1.0) * 1000.0).round() as u64)).filter(|seen| seconds(*seen) < LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_canary_is_seen_after_its_requests_have_waited() {
        let guard = Guard::default();
        let seen = |per_second, share| {
            let traffic = ExpectedTraffic { per_second, share, stable_rate: 0.0 };
            time_to_detect_silence(&guard, Some(Millis(9500)), traffic).map(|seen| seen.0.div_ceil(1000))
        };
        // As simulated: 26 s and 12 to 14 s.
        assert_eq!((seen(5.0, 0.1), seen(50.0, 0.1)), (Some(27), Some(14)));
        assert_eq!((seen(0.0, 0.1), seen(50.0, 0.0)), (None, None));
        assert!(matches!(seen(50.0, 1.0), Some(61..=75)));
        assert!(matches!(seen(0.5, 0.9), Some(20..=120)), "{:?}", seen(0.5, 0.9));
    }

    /// Seconds until each of [`FAULTS`] is seen.
    fn seen(per_second: f64, share: f64, confirms: bool) -> [Option<f64>; 3] {
        let schedule = RampLength { promotions: 6.0, horizon: 13.0 * 86_400.0 };
        let course = ForecastRollout { schedule, confirms, retries: 0 };
        let traffic = ExpectedTraffic { per_second, share, stable_rate: 0.004 };
        let guard = Guard::default();
        FAULTS.map(|fault| {
            let seen = time_to_detect(&guard, None, course, traffic, fault);
            assert_eq!(seen, time_to_detect(&guard, None, course, traffic, fault), "the same again");
            seen.map(|after| after.duration().as_secs_f64())
        })
    }

    #[test]
    fn a_dead_canary_is_seen_in_seconds_and_a_mild_fault_in_minutes() {
        let [dead, fifth, twentieth] = seen(50.0, 0.1, true).map(Option::unwrap);
        assert!((3.0..=4.0).contains(&dead), "{dead}");
        assert!((8.0..=25.0).contains(&fifth), "{fifth}");
        assert!((40.0..=150.0).contains(&twentieth), "{twentieth}");
        let slow = seen(1.0, 0.1, true).map(Option::unwrap);
        assert!(slow[0] > 30.0 && slow[2] > 10.0 * twentieth, "{slow:?}");
    }

    #[test]
    fn nobody_is_judged_without_traffic_and_a_pinned_canary_is_not_confirmed() {
        assert_eq!(seen(0.0, 0.1, true), [None; 3]);
        assert_eq!(seen(50.0, 0.0, true), [None; 3]);
        // Without any traffic of stable there is nothing to compare a mild fault with, unless half is given back to it.
        let (auto, pinned) = (seen(50.0, 1.0, true), seen(50.0, 1.0, false));
        let [dead, fifth, twentieth] = auto.map(Option::unwrap);
        assert!((3.0..=6.0).contains(&dead) && fifth <= 15.0 && twentieth <= 60.0, "{auto:?}");
        assert_eq!(pinned, [Some(3.0), None, None]);
    }
}
