//! A fingerprint of the rules by which a canary is judged, which survives a restart.
//!
//! An edit of guard or ramp begins fresh evidence, also when the edit comes while no process runs. Two files have the
//! same fingerprint exactly when their rules are the same. Written key by key, so that another version of Serin
//! computes the same number for the same rules. FNV-1a (Fowler, Noll and Vo, 1991): it protects nothing.

use std::fmt::Write as _;

use crate::decide::policy::{Answers, Guard, Hours, OnExcess, Ramp};

/// The number of these rules.
#[must_use]
pub fn rules_fingerprint(guard: &Guard, ramp: &Ramp) -> u64 {
    let mut text = String::with_capacity(256);
    let refused = guard.client_errors.as_str();
    // A text takes all that is written to it.
    let _ = write!(
        text,
        "{} {} {} {} {} {} {} {refused} {} {} {} {}",
        guard.false_alarm,
        guard.tolerated_ratio,
        guard.ignore_below,
        guard.patience,
        guard.max_error_rate,
        guard.min_requests,
        guard.done_below,
        guard.ceiling.map_or_else(|| "off".to_owned(), |ceiling| ceiling.to_string()),
        guard.window,
        guard.counting.throttled,
        guard.counting.empty,
    );
    if let Some(slow) = guard.slow {
        let _ = write!(text, " slow {} {} {}", slow.quantile, slow.tolerance, slow.tolerated_ratio);
    }
    // A key that an earlier version did not have is written only where it is not the default.
    if guard.answers != Answers::default() {
        let Answers { empty, length, filtered, pace } = guard.answers;
        let [empty, length, filtered, pace] = [empty, length, filtered, pace].map(OnExcess::as_str);
        let _ = write!(text, " answers {empty} {length} {filtered} {pace}");
    }
    if let Some(limit) = guard.max_first_output {
        let _ = write!(text, " first_output {limit}");
    }
    for stage in &ramp.stages {
        let _ = write!(text, " {stage}");
    }
    let from = ramp.from.map_or(0, |from| from.0);
    let _ = write!(text, " {} {} {} {from}", ramp.hold_start, ramp.every, ramp.max);
    if let Some(Hours { days, from, to, offset }) = ramp.hours {
        let _ = write!(text, " {days:?} {from} {to} {offset}");
    }
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::policy::plain::percent;
    use crate::decide::rollout::tests::canary;

    #[test]
    fn the_number_of_the_same_rules_is_the_same_for_ever_and_any_edit_makes_another() {
        let ramp = canary().ramp;
        let usual = rules_fingerprint(&Guard::default(), &ramp);
        assert_eq!(usual, 4_561_389_019_300_237_289, "a number that is written to disks");
        let edits = [
            Guard { slow: None, ..Guard::default() },
            Guard { patience: 2.0, ..Guard::default() },
            Guard { ceiling: Some(percent(8)), ..Guard::default() },
            Guard { client_errors: OnExcess::Ignore, ..Guard::default() },
            Guard { answers: Answers { pace: OnExcess::Ignore, ..Answers::default() }, ..Guard::default() },
            Guard { min_requests: 101, ..Guard::default() },
            Guard { max_first_output: Some(crate::decide::units::Millis(2000)), ..Guard::default() },
        ];
        assert!(edits.iter().all(|guard| rules_fingerprint(guard, &ramp) != usual));
        assert_ne!(rules_fingerprint(&Guard::default(), &Ramp { max: percent(50), ..ramp }), usual);
    }
}
