//! The guard's findings in words and numbers, for those who were woken by them.
//!
//! What an alarm is told by are the counts since the canary last looked well, with the interval that each rate lies in
//! (95%, Wilson) and the evidence beside its bound. The sentences are for people, [`numbers()`] are for programs, with
//! what would have changed the decision, and both are of the same moment. Users are counted once in each of their pauses,
//! so these counts may be lower than those of the metrics.

mod answers;
mod numbers;
mod silence;
mod words;

use serde::{Deserialize, Serialize};

use super::aspect::Aspect;
use super::judge::{Judge, Reading};
use super::numbers::wilson;
use super::tick::Tally;
use crate::decide::policy::Guard;
use crate::decide::units::{Percent, UnixMillis};
use crate::decide::window::Counts;
pub use numbers::{Decision, numbers, would_change};
pub use silence::shared as shared_silence;
pub use words::{count, number, percent, time};

/// The normal quantile of the intervals that are shown: 95%, both ends together.
pub const SHOWN_Z: f64 = 1.96;

/// Which rule of the guard fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It fails more often than stable.
    Worse,
    /// It fails every request while stable works.
    Down,
    /// It takes requests and never answers while stable does.
    Silent,
    /// It is slower than stable.
    Slower,
    /// It refuses more requests than stable.
    Refusing,
    /// It gives more answers without output than stable.
    Empty,
    /// It cuts more answers at a limit of their length than stable.
    Length,
    /// It filters more answers than stable.
    Filtered,
    /// Its streams come slowly more often than stable's.
    Pace,
    /// It fails more often than `ceiling`.
    Ceiling,
}

impl Rule {
    /// Those that have a word of their own in the file for what follows.
    pub const OF_EXCESS: [Rule; 5] = [Rule::Refusing, Rule::Empty, Rule::Length, Rule::Filtered, Rule::Pace];

    /// Whether whoever was told of this one need not be told of the other: it is the same trouble, and no worse.
    #[must_use]
    pub fn covers(self, other: Rule) -> bool {
        let trouble = |rule| match rule {
            Rule::Slower => 1,
            Rule::Worse | Rule::Ceiling => 2,
            Rule::Down | Rule::Silent => 3,
            Rule::Refusing | Rule::Empty | Rule::Length | Rule::Filtered | Rule::Pace => 0,
        };
        self == other || (trouble(other) > 0 && trouble(self) >= trouble(other))
    }

    /// The word in history and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::Worse => "worse",
            Rule::Down => "down",
            Rule::Silent => "silent",
            Rule::Slower => "slower",
            Rule::Refusing => "refusing",
            Rule::Empty => "empty",
            Rule::Length => "length",
            Rule::Filtered => "filtered",
            Rule::Pace => "pace",
            Rule::Ceiling => "ceiling",
        }
    }

    /// What it compares.
    #[must_use]
    pub const fn aspect(self) -> Aspect {
        match self {
            Rule::Worse | Rule::Down | Rule::Silent | Rule::Ceiling => Aspect::Failing,
            Rule::Slower => Aspect::Slow,
            Rule::Refusing => Aspect::Refusing,
            Rule::Empty => Aspect::Empty,
            Rule::Length => Aspect::Length,
            Rule::Filtered => Aspect::Filtered,
            Rule::Pace => Aspect::Pace,
        }
    }

    /// What it counts: one, and many.
    const fn counts(self) -> (&'static str, &'static str) {
        match self.aspect() {
            Aspect::Failing => ("failure", "failures"),
            Aspect::Slow => ("slow answer", "slow answers"),
            Aspect::Refusing => ("refused request", "refused requests"),
            Aspect::Empty => ("empty answer", "empty answers"),
            Aspect::Length => ("answer cut at a length limit", "answers cut at a length limit"),
            Aspect::Filtered => ("filtered answer", "filtered answers"),
            Aspect::Pace => ("slow stream", "slow streams"),
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
    /// When they say it.
    pub now: UnixMillis,
    /// What a ceiling is held against: the canary within the guard's window, users capped.
    pub window: Counts,
    /// What the canary refuses most, where that is known.
    pub refuses: Option<&'a str>,
    /// What its failures were seen as most often, where more is known than their outcome.
    pub failed_as: Option<&'a str>,
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
    let told = match rule {
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
        Rule::Silent => silence::cause(judge.silence(), guard, grounds.now),
        Rule::Worse => {
            let ratio = guard.tolerated_ratio;
            format!("{}; more than {ratio} times stable's rate ({})", both(doubt, "failed"), against())
        }
        Rule::Slower => {
            let limit = guard.slow.map(|rule| judge.slow_threshold.told(&rule)).unwrap_or_default();
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
        Rule::Empty | Rule::Length | Rule::Filtered | Rule::Pace => answers::cause(rule, grounds),
        Rule::Ceiling => {
            let ceiling = guard.ceiling.unwrap_or(Percent::ALL);
            let Counts { requests, failures } = grounds.window;
            format!(
                "{failures} of {requests} of the canary's requests failed within {}, surely more than the ceiling of \
                 {ceiling}",
                guard.window
            )
        }
    };
    match grounds.failed_as.filter(|_| matches!(rule, Rule::Down | Rule::Worse | Rule::Ceiling)) {
        Some(seen) => format!("{told}; seen: {seen}"),
        None => told,
    }
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
