//! What a decision was reached by, as names and values, with what would have changed it.
//!
//! The same names for every decision, so that a program reads a promotion as it reads a rollback; what belongs to one rule
//! alone comes on top. What would have changed a decision is told so that somebody can check it against the numbers beside
//! it: where evidence gathers over time it is an estimate, and says so.

use std::fmt::Write as _;

use super::{Grounds, Rule, SHOWN_Z, answers, count, number, percent};
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::measure::{self, Measure};
use crate::decide::guard::numbers::wilson;
use crate::decide::guard::tick::Tally;
use crate::decide::policy::Guard;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The canary is taken back or held.
    Alarm(Rule),
    /// More users follow.
    Promote,
    /// The ramp is over.
    Complete,
    /// Half of the users with each, since the canary fails more often than is usual for stable.
    Confirm,
    /// The same at the ramp's end, since it is not good enough to be done.
    Recheck,
    /// The canary came out as good as stable.
    Confirmed,
    /// Stable went down in the meantime.
    GivenUp,
}

impl Decision {
    const fn rule(self) -> Option<Rule> {
        match self {
            Decision::Alarm(rule) => Some(rule),
            _ => None,
        }
    }
}

/// The numbers a decision was reached by, as name and value.
#[must_use]
pub fn numbers(decision: Decision, grounds: &Grounds<'_>) -> Vec<(String, String)> {
    let Grounds { guard, judge, reading, users, .. } = grounds;
    let rule = decision.rule();
    let aspect = rule.map_or(Aspect::Failing, Rule::aspect);
    // An alarm is told by what came since the doubt began, anything else by the whole step.
    let tally = if rule.is_some() { judge.doubt(aspect) } else { &judge.step };
    let mut list = Vec::new();
    let mut put = |name: &str, value: String| list.push((name.to_owned(), value));
    if let Some(rule) = rule {
        put("rule", rule.as_str().to_owned());
    }
    put("counted", rule.unwrap_or(Rule::Worse).counts().1.to_owned());
    put("seconds", format!("{:.0}", tally.seconds));
    let arms = [
        ("canary", tally.canary, tally.canary_events, users[1]),
        ("stable", tally.stable, tally.stable_events, users[0]),
    ];
    for (arm, requests, events, users) in arms {
        let (low, high) = wilson(events, requests, SHOWN_Z);
        put(&format!("{arm}_requests"), count(requests));
        put(&format!("{arm}_failures"), count(events));
        if aspect == Aspect::Failing {
            put(&format!("{arm}_users_failing"), users.to_string());
        }
        put(&format!("{arm}_error_rate"), if requests > 0.0 { percent(events / requests) } else { "-".to_owned() });
        put(&format!("{arm}_error_rate_low"), percent(low));
        put(&format!("{arm}_error_rate_high"), percent(high));
    }
    let finding = reading.of(aspect);
    put("evidence", number(finding.evidence));
    put("bound", number(finding.bound));
    put("tolerated_ratio", tolerated(guard, aspect).to_string());
    match decision {
        Decision::Alarm(rule) => of_rule(rule, grounds, &mut put),
        Decision::Promote | Decision::Complete | Decision::Recheck | Decision::Confirmed => {
            let Measure { limit, .. } = measured(decision, grounds);
            put("limit", percent(limit));
            put("answered", count(judge.answered));
        }
        Decision::Confirm => {
            put("suspicion", format!("{:.1}", reading.suspicion));
            put("suspicion_bound", guard.constants.suspicion.to_string());
            put("limit", percent(judge.reference(guard)));
        }
        Decision::GivenUp => {}
    }
    if let Some(change) = would_change(decision, grounds) {
        put("would_change", change);
    }
    list
}

fn of_rule(rule: Rule, grounds: &Grounds<'_>, put: &mut impl FnMut(&str, String)) {
    let Grounds { guard, judge, window, refuses, failed_as, .. } = grounds;
    if let (Some(seen), Rule::Down | Rule::Worse | Rule::Ceiling) = (failed_as, rule) {
        put("failed_as", (*seen).to_owned());
    }
    match rule {
        Rule::Down => {
            let run = judge.canary_run();
            put("failures_in_a_row", count(run.failures()));
            put("run_seconds", format!("{:.0}", run.seconds()));
            put("run_evidence", format!("{:.1}", run.evidence()));
            put("run_bound", guard.constants.down_evidence.to_string());
        }
        Rule::Silent => super::silence::numbers(judge.silence(), guard, put),
        Rule::Slower => {
            if let Some(slow) = &guard.slow {
                put("slow_above", judge.slow_threshold.told(slow));
            }
        }
        Rule::Refusing => {
            if let Some(most) = refuses {
                put("refuses_most", (*most).to_owned());
            }
        }
        Rule::Pace => {
            if let Some(limit) = answers::pace_above(guard, grounds) {
                put("pace_above", limit.to_string());
            }
            put("remedy", answers::remedy(rule).to_owned());
        }
        Rule::Empty | Rule::Length | Rule::Filtered => put("remedy", answers::remedy(rule).to_owned()),
        Rule::Ceiling => {
            put("ceiling", guard.ceiling.unwrap_or_default().to_string());
            put("window", guard.window.to_string());
            put("window_requests", window.requests.to_string());
            put("window_failures", window.failures.to_string());
        }
        Rule::Worse => {}
    }
}

const fn tolerated(guard: &Guard, aspect: Aspect) -> f64 {
    match (aspect, &guard.slow) {
        (Aspect::Slow, Some(slow)) => slow.tolerated_ratio,
        _ if aspect.is_of_answers() => guard.constants.answers_ratio,
        _ => guard.tolerated_ratio,
    }
}

fn measured(decision: Decision, grounds: &Grounds<'_>) -> Measure {
    let (guard, judge) = (grounds.guard, grounds.judge);
    match decision {
        Decision::Promote => measure::promotion(guard, judge),
        Decision::Confirmed => measure::confirmation(guard, judge),
        _ => measure::completion(guard, judge),
    }
}

/// What would have led to something else, in a sentence; `None`: nothing that is in anybody's hands.
#[must_use]
pub fn would_change(decision: Decision, grounds: &Grounds<'_>) -> Option<String> {
    let Grounds { guard, judge, .. } = grounds;
    let more = |instead: &str| {
        let failures = measured(decision, grounds).failures_to_miss()?;
        let more =
            if failures < 1.5 { "one more failure".to_owned() } else { format!("{} more failures", count(failures)) };
        Some(format!("{more} of the canary would have {instead}"))
    };
    match decision {
        Decision::Alarm(Rule::Down) => Some("one answered request of the canary would have ended the run".to_owned()),
        Decision::Alarm(Rule::Silent) => Some(super::silence::would_change(judge.silence(), grounds.now)),
        Decision::Alarm(Rule::Ceiling) => Some("a higher `ceiling`, or `ceiling: off`".to_owned()),
        Decision::Alarm(rule) => Some(less_evidence(rule, grounds)),
        Decision::Promote => more("held the share for their rate alone; evidence above 1 would have, too"),
        Decision::Complete => more("kept the rollout from being done"),
        Decision::Confirmed => more("kept half of the users with each"),
        Decision::Confirm => {
            let limit = percent(judge.reference(guard));
            Some(format!("a failure rate of the canary below {limit}: one and a half times stable's, or `done_below`"))
        }
        Decision::Recheck => {
            let limit = percent(measured(decision, grounds).limit);
            Some(format!("a failure rate of the canary below {limit} would have ended the ramp"))
        }
        Decision::GivenUp => None,
    }
}

fn less_evidence(rule: Rule, grounds: &Grounds<'_>) -> String {
    let doubt = grounds.judge.doubt(rule.aspect());
    let (one, many) = rule.counts();
    let mut told = match fewer(rule, grounds) {
        fewer if fewer < 1.5 => format!("one {one} fewer on the canary would have kept the evidence below its bound"),
        fewer => {
            format!("about {} {many} fewer on the canary would have kept the evidence below its bound", count(fewer))
        }
    };
    let canary = doubt.canary_events / doubt.canary.max(1.0);
    if rule.aspect().is_of_answers() {
        let _ = write!(told, "; so would `answers: {{ {}: ignore }}`", rule.as_str());
        return told;
    }
    let key = if rule == Rule::Slower { "slow.tolerated_ratio" } else { "tolerated_ratio" };
    if let Some(stable) = doubt.stable_rate().filter(|rate| *rate > 0.0) {
        let _ = write!(told, "; so would a `{key}` above {:.1}", canary / stable);
    }
    if rule != Rule::Slower {
        let _ = write!(told, "; so would an `ignore_below` above {}", percent(canary));
    }
    told
}

/// How many events less it takes for the evidence to stay below its bound. What a burst gains is limited, so by what was
/// gathered alone it would look like fewer than by what was seen; the larger of both is told.
fn fewer(rule: Rule, grounds: &Grounds<'_>) -> f64 {
    let Grounds { guard, judge, reading, .. } = grounds;
    let aspect = rule.aspect();
    let (finding, doubt) = (reading.of(aspect), judge.doubt(aspect));
    let alternative = judge.detector(aspect).likeliest(&guard.constants);
    let loss = chance(doubt, tolerated(guard, aspect), alternative);
    let gain = (alternative.ln() - loss).max(0.1);
    let seen = doubt.canary_events * alternative.ln() - (doubt.canary_events + doubt.stable_events) * loss;
    let surplus = (finding.evidence.max(1.0) / finding.bound).ln().max(seen - finding.bound.ln()).max(0.0);
    ((surplus / gain).floor() + 1.0).min(doubt.canary_events.max(1.0))
}

/// What any event, whoever's, takes from the evidence for an alternative, in nats.
fn chance(doubt: &Tally, ratio: f64, alternative: f64) -> f64 {
    let share = doubt.canary / (doubt.canary + doubt.stable).max(1.0);
    let theta = ratio * share / (1.0 - share + ratio * share);
    (theta * (alternative - 1.0)).ln_1p()
}
