//! The guard's findings in words and numbers, for those who were woken by them.
//!
//! What an alarm is told by are the counts since the canary last looked well, with the interval that each rate lies in
//! (95%, Wilson), the evidence beside its bound, and what would have changed it. The sentences are for people, the
//! numbers for programs, and both are of the same moment. Users are counted once in each of their pauses, so these counts
//! may be lower than those of the metrics.

use std::fmt::Write as _;

use super::aspect::Aspect;
use super::judge::{Judge, Reading};
use super::numbers::wilson;
use super::tick::Tally;
use crate::decide::policy::Guard;
use crate::decide::units::Percent;
use crate::decide::window::Counts;

/// The normal quantile of the intervals that are shown: 95%, both ends together.
const SHOWN_Z: f64 = 1.96;

/// Which rule of the guard fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It fails more often than stable.
    Worse,
    /// It fails every request while stable works.
    Down,
    /// It is slower than stable.
    Slower,
    /// It refuses more requests than stable.
    Refusing,
    /// It fails more often than `ceiling`.
    Ceiling,
}

impl Rule {
    /// The word in history and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::Worse => "worse",
            Rule::Down => "down",
            Rule::Slower => "slower",
            Rule::Refusing => "refusing",
            Rule::Ceiling => "ceiling",
        }
    }

    const fn aspect(self) -> Aspect {
        match self {
            Rule::Worse | Rule::Down | Rule::Ceiling => Aspect::Failing,
            Rule::Slower => Aspect::Slow,
            Rule::Refusing => Aspect::Refusing,
        }
    }
}

/// What a finding is told from.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// The file's rules.
    pub guard: &'a Guard,
    /// The numbers.
    pub judge: &'a Judge,
    /// What they say.
    pub reading: &'a Reading,
    /// The canary within the guard's window, users capped.
    pub window: Counts,
    /// What the canary refuses most, where that is known.
    pub refuses: Option<&'a str>,
    /// Users behind the failures of stable and canary at this share.
    pub users: [u32; 2],
}

/// What a rule found, in a sentence.
#[must_use]
pub fn cause(rule: Rule, grounds: &Grounds<'_>) -> String {
    let Grounds { guard, judge, reading, .. } = grounds;
    let aspect = rule.aspect();
    let doubt = judge.doubt(aspect);
    let against = || {
        let finding = reading.of(aspect);
        format!("evidence {}, bound {}", number(finding.evidence), number(finding.bound))
    };
    match rule {
        Rule::Down => {
            let run = judge.canary_run();
            format!(
                "the last {} of the canary's requests failed, in {}, while stable answered (evidence {:.1}, bound {})",
                count(run.failures()),
                time(run.seconds()),
                run.evidence(),
                guard.constants.down_evidence,
            )
        }
        Rule::Worse => {
            let ratio = guard.tolerated_ratio;
            format!("{}; more than {ratio} times stable's rate ({})", both(doubt, "failed"), against())
        }
        Rule::Slower => {
            let limit = guard.slow.map(|rule| judge.slow_threshold.limit(&rule)).unwrap_or_default();
            let ratio = guard.slow.map_or(1.0, |rule| rule.tolerated_ratio);
            format!(
                "{} to their first output; more than {ratio} times stable's share ({})",
                both(doubt, &format!("took more than {limit}")),
                against()
            )
        }
        Rule::Refusing => {
            let most = grounds.refuses.map_or_else(String::new, |most| format!(" (most: {most})"));
            let told = both(doubt, &format!("were refused as the client's error{most}"));
            format!("{told}; more than {} times stable's rate ({})", guard.tolerated_ratio, against())
        }
        Rule::Ceiling => {
            let ceiling = guard.ceiling.unwrap_or(Percent::ALL);
            let Counts { requests, failures } = grounds.window;
            format!(
                "{failures} of {requests} of the canary's requests failed within {}, surely more than the ceiling of \
                 {ceiling}",
                guard.window
            )
        }
    }
}

/// What would have kept the guard from it, in a sentence.
#[must_use]
pub fn would_change(rule: Rule, grounds: &Grounds<'_>) -> String {
    let Grounds { guard, judge, reading, .. } = grounds;
    let aspect = rule.aspect();
    let doubt = judge.doubt(aspect);
    match rule {
        Rule::Down => {
            "one success of the canary would have ended the run; `on_regression: hold` would have moved nobody"
                .to_owned()
        }
        Rule::Ceiling => "a higher `ceiling`, or `ceiling: off`".to_owned(),
        Rule::Worse | Rule::Slower | Rule::Refusing => {
            let finding = reading.of(aspect);
            let gain = judge.detector(aspect).likeliest(&guard.constants).ln().max(0.1);
            let surplus = (finding.evidence.max(1.0) / finding.bound).ln().max(0.0) / gain;
            let fewer = surplus.floor() + 1.0;
            let mut told = format!(
                "{} fewer on the canary would have kept the evidence below its bound",
                if fewer < 1.5 { "one".to_owned() } else { count(fewer) }
            );
            let canary = doubt.canary_events / doubt.canary.max(1.0);
            let key = if rule == Rule::Slower { "slow.tolerated_ratio" } else { "tolerated_ratio" };
            if let Some(stable) = doubt.stable_rate().filter(|rate| *rate > 0.0) {
                let _ = write!(told, "; so would a `{key}` above {:.1}", canary / stable);
            }
            if rule != Rule::Slower {
                let _ = write!(told, "; so would an `ignore_below` above {}", percent(canary));
            }
            told
        }
    }
}

/// The numbers a decision was reached by, as name and value.
#[must_use]
pub fn numbers(rule: Option<Rule>, grounds: &Grounds<'_>) -> Vec<(String, String)> {
    let Grounds { guard, judge, reading, users, .. } = grounds;
    let aspect = rule.map_or(Aspect::Failing, Rule::aspect);
    // An alarm is told by what came since the doubt began, anything else by the whole step.
    let tally = if rule.is_some() { judge.doubt(aspect) } else { &judge.step };
    let mut list = Vec::new();
    let mut put = |name: &str, value: String| list.push((name.to_owned(), value));
    if let Some(rule) = rule {
        put("rule", rule.as_str().to_owned());
    }
    put("seconds", format!("{:.0}", tally.seconds));
    let arms = [
        ("canary", tally.canary, tally.canary_events, users[1]),
        ("stable", tally.stable, tally.stable_events, users[0]),
    ];
    for (arm, requests, events, users) in arms {
        let (low, high) = wilson(events, requests, SHOWN_Z);
        put(&format!("{arm}_requests"), count(requests));
        put(&format!("{arm}_failures"), count(events));
        put(&format!("{arm}_users_failing"), users.to_string());
        put(&format!("{arm}_error_rate"), if requests > 0.0 { percent(events / requests) } else { "-".to_owned() });
        put(&format!("{arm}_error_rate_low"), percent(low));
        put(&format!("{arm}_error_rate_high"), percent(high));
    }
    let finding = reading.of(aspect);
    put("evidence", number(finding.evidence));
    put("bound", number(finding.bound));
    put("tolerated_ratio", guard.tolerated_ratio.to_string());
    if rule == Some(Rule::Down) {
        let run = judge.canary_run();
        put("failures_in_a_row", count(run.failures()));
        put("run_seconds", format!("{:.0}", run.seconds()));
        put("run_evidence", format!("{:.1}", run.evidence()));
        put("run_bound", guard.constants.down_evidence.to_string());
    }
    if let Some(rule) = rule {
        put("would_change", would_change(rule, grounds));
    }
    list
}

/// Both arms' rates with their intervals: `14 of 68 of the canary's requests failed (20.6%, 12.6% to 31.6%), and ...`.
#[must_use]
pub fn both(tally: &Tally, happened: &str) -> String {
    let canary = match tally.canary {
        0.0 => format!("no request of the canary {happened}"),
        _ => {
            let events = share(tally.canary_events, tally.canary);
            format!("{events} of the canary's requests {happened} within {}", time(tally.seconds))
        }
    };
    match tally.stable {
        0.0 => format!("{canary}, and stable had no traffic to compare with"),
        _ => format!("{canary}, and {} of stable's", share(tally.stable_events, tally.stable)),
    }
}

fn share(events: f64, requests: f64) -> String {
    // What was sent before the count began may have failed since.
    let requests = requests.max(events);
    let (low, high) = wilson(events, requests, SHOWN_Z);
    let rate = percent(events / requests);
    format!("{} of {} ({rate}, between {} and {})", count(events), count(requests), percent(low), percent(high))
}

/// A count: requests and events are whole unless they are expectations.
#[must_use]
pub fn count(number: f64) -> String {
    format!("{:.0}", number.max(0.0))
}

/// A rate with as many digits as tell something: `20.6%`, `0.43%`, `0.012%`.
#[must_use]
pub fn percent(rate: f64) -> String {
    let percent = rate.clamp(0.0, 1.0) * 100.0;
    let text = match percent {
        p if p >= 10.0 => format!("{p:.1}"),
        p if p >= 0.1 => format!("{p:.2}"),
        p => format!("{p:.3}"),
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// Evidence: whole from ten on.
#[must_use]
pub fn number(evidence: f64) -> String {
    if evidence >= 10.0 { format!("{evidence:.0}") } else { format!("{evidence:.2}") }
}

/// A length of time: the two largest units.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
pub fn time(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let two = |large: u64, unit: &str, small: u64, below: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{below}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, minutes) => two(minutes, "m", rest, "s"),
        (0, hours, minutes) => two(hours, "h", minutes, "m"),
        (days, hours, _) => two(days, "d", hours, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_failures_are_told_than_requests() {
        let tally = Tally { seconds: 3.0, stable: 9.0, stable_events: 0.0, canary: 5.0, canary_events: 7.0 };
        let told = both(&tally, "failed");
        assert!(told.starts_with("7 of 7 (100%, between 64.6% and 100%) of the canary's requests failed"), "{told}");
    }
}
