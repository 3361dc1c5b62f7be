//! What judges the canary: one pure question, asked at every tick of every phase.
//!
//! This judge compares windowed failure rates. The canary fails when it has at least `min_requests` judged requests in
//! the window, more than `max_error_rate` of them failures, and stable is not as bad. When both are bad nothing moves.
//! Stable may have few requests or none (a canary at 100% leaves it no traffic): moving users back to a healthy stable
//! is cheap and leaving them on a broken canary is not, so few stable requests speak for stable unless they are as bad
//! as the canary's, provided that stable has just answered a probe. Nobody is moved to a provider that has not just
//! answered. Owns no state: everything it knows is handed in, and belongs to one evidence period.

pub mod aspect;
pub mod constants;

use super::policy::Guard;
use super::units::Percent;
use super::window::Counts;

/// Fewer stable requests than this cannot show that stable is as bad as the canary.
const FEWEST_STABLE: u64 = 10;

/// Both arms over the guard's window, in the current evidence period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arms {
    /// The old provider's.
    pub stable: Counts,
    /// The new one's.
    pub canary: Counts,
}

/// What the guard says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Enough was seen and it is good.
    Pass,
    /// Not enough was seen; nothing moves, in either direction.
    TooFew,
    /// The canary looks bad, and so does stable.
    BothBad,
    /// The canary looks bad, and stable has too few requests to tell; whether it answers a probe must be known first.
    AskStable,
    /// The canary is worse than stable: take it back.
    Fail(String),
}

/// Judges the canary. `stable_answers`: whether stable has just answered a probe; `None` when it was not asked.
#[must_use]
pub fn judge(guard: &Guard, arms: &Arms, stable_answers: Option<bool>) -> Verdict {
    let least = u64::from(guard.min_requests).max(1);
    let Arms { stable, canary } = *arms;
    if canary.requests < least {
        return Verdict::TooFew;
    }
    if !exceeds(canary, guard.max_error_rate) {
        return Verdict::Pass;
    }
    if stable.requests >= least {
        if exceeds(stable, guard.max_error_rate) { Verdict::BothBad } else { Verdict::Fail(cause(guard, arms)) }
    } else if stable.requests >= FEWEST_STABLE && rate_reaches(stable, canary) {
        Verdict::BothBad
    } else {
        match stable_answers {
            None => Verdict::AskStable,
            Some(false) => Verdict::BothBad,
            Some(true) => Verdict::Fail(cause(guard, arms)),
        }
    }
}

/// Whether more than `limit` of these are failures.
#[must_use]
pub fn exceeds(counts: Counts, limit: Percent) -> bool {
    u128::from(counts.failures) * 10_000 > u128::from(counts.requests) * u128::from(limit.hundredths())
}

/// The numbers a verdict was reached by, as the history keeps them.
#[must_use]
pub fn numbers(guard: &Guard, arms: &Arms) -> Vec<(String, String)> {
    let mut list = Vec::new();
    for (arm, counts) in [("canary", arms.canary), ("stable", arms.stable)] {
        list.push((format!("{arm}_requests"), counts.requests.to_string()));
        list.push((format!("{arm}_failures"), counts.failures.to_string()));
        list.push((format!("{arm}_error_rate"), rate(counts)));
    }
    list.push(("max_error_rate".into(), guard.max_error_rate.to_string()));
    list.push(("window".into(), guard.window.to_string()));
    list
}

/// Both arms' failures in a sentence, for a canary that goes on.
#[must_use]
pub fn told(arms: &Arms) -> String {
    let of = |counts: Counts| format!("{} ({} of {})", rate(counts), counts.failures, counts.requests);
    let canary = match arms.canary.requests {
        0 => "no request of the canary was judged".to_owned(),
        _ => format!("{} of the canary's requests failed", of(arms.canary)),
    };
    match arms.stable.requests {
        0 => format!("{canary}, and stable had no traffic to compare with"),
        _ => format!("{canary}, and {} of stable's", of(arms.stable)),
    }
}

fn rate_reaches(left: Counts, right: Counts) -> bool {
    u128::from(left.failures) * u128::from(right.requests) >= u128::from(right.failures) * u128::from(left.requests)
}

fn cause(guard: &Guard, arms: &Arms) -> String {
    let Arms { stable, canary } = arms;
    let theirs = match stable.requests {
        0 => "stable had no traffic to compare with, and answered a probe".to_owned(),
        all => format!("{} ({} of {all}) of stable's did", rate(*stable), stable.failures),
    };
    format!(
        "{} ({} of {}) of the canary's requests failed within {}, more than max_error_rate {}, while {theirs}",
        rate(*canary),
        canary.failures,
        canary.requests,
        guard.window,
        guard.max_error_rate,
    )
}

/// The share of failures as text, rounded down to hundredths of a percent; `-` where nothing was counted.
#[must_use]
pub fn rate(counts: Counts) -> String {
    let share = (u128::from(counts.failures) * 10_000).checked_div(u128::from(counts.requests));
    let percent = share.and_then(|share| u16::try_from(share).ok()).and_then(Percent::from_hundredths);
    percent.map_or_else(|| "-".to_owned(), |percent| percent.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let five = Percent::from_hundredths(500).unwrap();
        Guard { max_error_rate: five, ..Guard::default() }
    }

    fn arms(canary: (u64, u64), stable: (u64, u64)) -> Arms {
        let counts = |(failures, requests)| Counts { requests, failures };
        Arms { stable: counts(stable), canary: counts(canary) }
    }

    fn judged(canary: (u64, u64), stable: (u64, u64), probe: Option<bool>) -> Verdict {
        judge(&guard(), &arms(canary, stable), probe)
    }

    fn is_fail(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Fail(_))
    }

    #[test]
    fn the_limit_itself_is_still_good() {
        assert_eq!(judged((5, 100), (0, 900), None), Verdict::Pass);
        assert!(is_fail(&judged((6, 100), (0, 900), None)));
    }

    #[test]
    fn too_few_canary_requests_hold() {
        assert_eq!(judged((99, 99), (0, 900), Some(true)), Verdict::TooFew);
    }

    #[test]
    fn when_both_are_bad_nothing_moves() {
        assert_eq!(judged((60, 100), (200, 900), Some(true)), Verdict::BothBad);
        assert_eq!(judged((60, 100), (40, 50), Some(true)), Verdict::BothBad);
    }

    #[test]
    fn few_stable_requests_speak_for_stable_unless_they_are_as_bad() {
        assert!(is_fail(&judged((60, 100), (3, 50), Some(true))));
        // One failed stable request of one is no proof.
        assert!(is_fail(&judged((60, 100), (1, 1), Some(true))));
    }

    #[test]
    fn without_stable_traffic_its_probe_decides() {
        assert_eq!(judged((60, 100), (0, 0), None), Verdict::AskStable);
        assert_eq!(judged((60, 100), (0, 0), Some(false)), Verdict::BothBad);
        assert!(is_fail(&judged((60, 100), (0, 0), Some(true))));
    }

    #[test]
    fn what_lets_it_go_on_is_told_with_its_numbers() {
        let told = |canary, stable| told(&arms(canary, stable));
        assert_eq!(
            told((1, 100), (3, 900)),
            "1% (1 of 100) of the canary's requests failed, and 0.33% (3 of 900) of stable's"
        );
        assert_eq!(
            told((0, 0), (0, 0)),
            "no request of the canary was judged, and stable had no traffic to compare with"
        );
    }

    #[test]
    fn the_cause_is_a_sentence_with_its_numbers() {
        let Verdict::Fail(cause) = judged((50, 100), (3, 900), None) else { panic!("no failure") };
        assert_eq!(
            cause,
            "50% (50 of 100) of the canary's requests failed within 30m, more than max_error_rate 5%, \
             while 0.33% (3 of 900) of stable's did"
        );
    }
}
