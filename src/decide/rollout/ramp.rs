//! The schedule of promotions: the next stage, how long each stage lasts, and the hours at which users may be moved.
//!
//! Reads the file's ramp and a time; knows nothing of evidence, locks or pins. The same ramp at the same moment gives
//! the same stage. That is why `ramp.from` works without any stored state.

use crate::decide::guard::analysis::RampLength;
use crate::decide::policy::{Hours, Ramp};
use crate::decide::units::{Millis, Percent, UnixMillis};

const MINUTE: u64 = 60_000;
const DAY_MINUTES: i64 = 1440;

/// The lowest stage above this share.
#[must_use]
pub fn next_stage(ramp: &Ramp, percent: Percent) -> Option<Percent> {
    ramp.stages.iter().copied().find(|stage| *stage > percent && *stage <= ramp.max)
}

/// The highest stage below this share.
#[must_use]
pub fn previous_stage(ramp: &Ramp, percent: Percent) -> Option<Percent> {
    ramp.stages.iter().copied().rfind(|stage| *stage < percent && *stage <= ramp.max)
}

/// How many promotions there are, and how long the whole ramp takes.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below the precision of either")]
pub fn ramp_length(ramp: &Ramp) -> RampLength {
    let stages = ramp.stages.iter().filter(|stage| **stage <= ramp.max).count();
    let promotions = stages.saturating_sub(1).max(1);
    let further = ramp.every.0.saturating_mul(promotions as u64);
    RampLength { promotions: promotions as f64, horizon: ramp.hold_start.0.saturating_add(further) as f64 / 1000.0 }
}

/// How long this share is held at least: the first stage, and anything below it, has its own time.
#[must_use]
pub fn hold_time(ramp: &Ramp, percent: Percent) -> Millis {
    match ramp.stages.first() {
        Some(first) if percent > *first => ramp.every,
        _ => ramp.hold_start,
    }
}

/// Whether users may be moved at this time.
#[must_use]
pub fn may_move(hours: Option<&Hours>, at: UnixMillis) -> bool {
    let Some(hours) = hours else { return true };
    let minutes = i64::try_from(at.0 / MINUTE).unwrap_or(i64::MAX).saturating_add(i64::from(hours.offset));
    let minute = minutes.rem_euclid(DAY_MINUTES);
    // The first day of Unix time was a Thursday; days are counted from Monday.
    let day = (minutes.div_euclid(DAY_MINUTES) + 3).rem_euclid(7);
    let on = |day: i64| usize::try_from(day.rem_euclid(7)).is_ok_and(|day| hours.days[day]);
    let (from, to) = (i64::from(hours.from), i64::from(hours.to));
    if from < to {
        on(day) && (from..to).contains(&minute)
    } else {
        // Over midnight: the early hours belong to the window that opened the day before.
        (on(day) && minute >= from) || (on(day - 1) && minute < to)
    }
}

/// The first moment from `at` on when users may be moved; `None` when no day is allowed.
#[must_use]
pub fn opening(hours: Option<&Hours>, at: UnixMillis) -> Option<UnixMillis> {
    if may_move(hours, at) {
        return Some(at);
    }
    let first = UnixMillis((at.0 / MINUTE + 1) * MINUTE);
    (0..8 * 1440).map(|minutes| first.plus(Millis(minutes * MINUTE))).find(|moment| may_move(hours, *moment))
}

/// Where a ramp stands that follows nothing but the file and the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledStage {
    /// The share.
    pub percent: Percent,
    /// Whether the last stage has had its time.
    pub completed: bool,
}

/// The stage at `now` of a ramp whose first stage began at `from`.
#[must_use]
pub fn scheduled(ramp: &Ramp, from: UnixMillis, now: UnixMillis) -> ScheduledStage {
    let mut stage_now = ScheduledStage { percent: Percent::ZERO, completed: false };
    let mut begins = Some(from);
    for stage in ramp.stages.iter().filter(|stage| **stage <= ramp.max) {
        let Some(began) = begins.and_then(|at| opening(ramp.hours.as_ref(), at)).filter(|began| *began <= now) else {
            return stage_now;
        };
        stage_now.percent = *stage;
        begins = Some(began.plus(hold_time(ramp, *stage)));
    }
    stage_now.completed = stage_now.percent > Percent::ZERO && begins.is_some_and(|end| end <= now);
    stage_now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::policy::plain::{self, percent};

    const HOUR: u64 = 3_600_000;

    fn ramp() -> Ramp {
        Ramp { hold_start: Millis(7 * HOUR), ..plain::ramp(&[10, 25, 40], Millis(HOUR)) }
    }

    fn office() -> Hours {
        Hours { days: [true, true, true, true, true, false, false], from: 540, to: 1020, offset: 60 }
    }

    #[test]
    fn a_share_between_stages_goes_to_the_next_higher_one() {
        assert_eq!(next_stage(&ramp(), percent(0)), Some(percent(10)));
        assert_eq!(next_stage(&ramp(), percent(30)), Some(percent(40)));
        assert_eq!(next_stage(&ramp(), percent(40)), None);
        assert_eq!(next_stage(&Ramp { max: percent(25), ..ramp() }, percent(25)), None);
    }

    #[test]
    fn only_the_first_stage_has_the_long_hold() {
        assert_eq!(hold_time(&ramp(), percent(10)), Millis(7 * HOUR));
        assert_eq!(hold_time(&ramp(), percent(25)), Millis(HOUR));
    }

    #[test]
    fn hours_are_local_and_of_the_right_weekday() {
        // Friday 2026-11-20 08:00 UTC is 09:00 at +01:00.
        let friday = UnixMillis(1_795_161_600_000);
        assert!(may_move(Some(&office()), friday));
        assert!(!may_move(Some(&office()), UnixMillis(friday.0 - 1)));
        assert!(may_move(Some(&office()), friday.plus(Millis(8 * HOUR - 1))));
        assert!(!may_move(Some(&office()), friday.plus(Millis(8 * HOUR))));
        assert!(!may_move(Some(&office()), friday.plus(Millis(24 * HOUR))));
        let monday = friday.plus(Millis(72 * HOUR));
        assert_eq!(opening(Some(&office()), friday.plus(Millis(9 * HOUR))), Some(monday));
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_open() {
        let only_friday =
            Hours { days: [false, false, false, false, true, false, false], from: 1320, to: 120, offset: 0 };
        let friday_22 = UnixMillis(1_795_161_600_000).plus(Millis(14 * HOUR));
        assert!(may_move(Some(&only_friday), friday_22));
        assert!(may_move(Some(&only_friday), friday_22.plus(Millis(3 * HOUR))));
        assert!(!may_move(Some(&only_friday), friday_22.plus(Millis(4 * HOUR))));
        assert!(!may_move(Some(&only_friday), UnixMillis(friday_22.0 - 21 * HOUR)));
    }

    #[test]
    fn no_allowed_day_never_opens() {
        assert_eq!(opening(Some(&Hours { days: [false; 7], ..office() }), UnixMillis(0)), None);
    }

    #[test]
    fn a_schedule_is_a_function_of_file_and_clock() {
        let from = UnixMillis(1_000 * HOUR);
        let at = |hours: u64| scheduled(&ramp(), from, UnixMillis((1_000 + hours) * HOUR));
        assert_eq!(scheduled(&ramp(), from, UnixMillis(0)).percent, Percent::ZERO);
        assert_eq!((at(0).percent, at(6).percent, at(7).percent), (percent(10), percent(10), percent(25)));
        assert_eq!(at(8), ScheduledStage { percent: percent(40), completed: false });
        assert_eq!(at(9), ScheduledStage { percent: percent(40), completed: true });
    }
}
