//! Sentences for the guard's decisions, with their numbers and what would have changed them.
//!
//! A finding about responses may have a legitimate reason, so its sentence ends with a remedy. A sentence never quotes
//! a response.

use std::fmt::Write as _;

use super::cause;
use super::format::{count, number, percent, time};
use super::silent;
use crate::decide::event::{ArmCounts, Counterfactual, Decision, DecisionKind, Detail, Regression};
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::rule::Rule;
use crate::decide::rollout::state::Pause;
use crate::decide::units::Millis;

/// The decision and its reason.
#[must_use]
pub fn sentence(decision: &Decision) -> String {
    let text = match (decision.decided, &decision.detail) {
        (DecisionKind::Alarm(rule), detail) => alarm(rule, decision, detail),
        (_, Detail::Held { share, hold, .. }) => {
            let end = if decision.decided == DecisionKind::Complete { " (the end of the ramp)" } else { "" };
            format!("the share was {share}{end} for {hold}: {}", both(decision, "failed"))
        }
        (_, Detail::Suspected { share, .. }) => {
            format!("the canary fails more often than usual for stable, {TOO_LITTLE}: {share} for a while")
        }
        (_, Detail::Rechecked { rate, limit, share, .. }) => {
            let (rate, limit) = (percent(*rate), percent(*limit));
            format!(
                "{rate} of the canary's requests failed at the end of the ramp, not below {limit}, {TOO_LITTLE}: \
                 {share} for a while"
            )
        }
        (DecisionKind::GivenUp, _) => "stable is down: no comparison is possible".to_owned(),
        _ => format!("the canary is not worse than stable: {}", both(decision, "failed")),
    };
    match decision.main_cause() {
        Some(main) => format!("{text}; {}", cause::counted(&main.into(), decision.at)),
        None => text,
    }
}

const TOO_LITTLE: &str = "and stable has too little traffic for a comparison";

fn alarm(rule: Rule, decision: &Decision, detail: &Detail) -> String {
    let ratio = decision.tolerated_ratio;
    let against = || format!("evidence {}, bound {}", number(decision.evidence), number(decision.bound));
    let worse = |happened: &str, what: &str| {
        format!("{}; more than {ratio} times stable's {what} ({})", both(decision, happened), against())
    };
    let text = match (rule, detail) {
        (_, Detail::Run { failures, seconds, evidence, bound }) => format!(
            "the last {} of the canary's requests failed, in {}, while stable answered (evidence {evidence:.1}, bound \
             {bound})",
            count(*failures),
            time(*seconds),
        ),
        (_, Detail::Silence { requests, unanswered, longest, shortest, since, evidence, bound, .. }) => format!(
            "{} sent since {} have had no output for {}; {} (evidence {evidence:.1}, bound {bound})",
            silent::requests(*requests, *unanswered),
            silent::time_of_day(*since),
            silent::waited(*shortest, *longest),
            stable_answers(detail),
        ),
        (_, Detail::Ceiling { ceiling, window, requests, failures }) => format!(
            "{failures} of {requests} of the canary's requests failed within {window}, reliably above the ceiling of \
             {ceiling}"
        ),
        (_, Detail::Slow { streamed, whole }) => {
            let limit = slow_limit(*streamed, *whole);
            format!(
                "{} to their first output; more than {ratio} times stable's share ({})",
                both(decision, &format!("took more than {limit}")),
                against()
            )
        }
        (_, Detail::Refused { most }) => {
            let most = most.as_ref().map_or_else(String::new, |most| format!(" (most: {most})"));
            worse(&format!("were refused as the client's error{most}"), "rate")
        }
        (Rule::Empty, _) => worse("were answered without any output", "share"),
        (Rule::Length, _) => worse("stopped at a length limit", "share"),
        (Rule::Filtered, _) => worse("were stopped by a content filter or refused in the response", "share"),
        (Rule::Feedback, _) => feedback(decision),
        (_, Detail::Pace { above }) => {
            let above = above.map_or_else(|| "stable's usual time".to_owned(), |limit| limit.to_string());
            worse(&format!("were streamed with more than {above} between two outputs"), "share")
        }
        _ => worse("failed", "rate"),
    };
    match remedy(rule) {
        Some(remedy) => format!("{text}: {remedy}"),
        None => text,
    }
}

/// `feedback: 6.1% bad on the canary (61 of 1000 verdicts within 30m), 3% on stable (270 of 9000); more than 1.1 times
/// stable's share (evidence 2100 of 2000)`.
fn feedback(decision: &Decision) -> String {
    let Decision { canary, stable, seconds, evidence, bound, tolerated_ratio, .. } = decision;
    let share = |counts: &ArmCounts| counts.rate.map_or_else(|| "none".to_owned(), percent);
    let of = |counts: &ArmCounts| format!("{} of {}", count(counts.events), count(counts.requests));
    format!(
        "feedback: {} bad on the canary ({} verdicts within {}), {} on stable ({}); more than {tolerated_ratio} times \
         stable's share (evidence {} of {})",
        share(canary),
        of(canary),
        time(*seconds),
        share(stable),
        of(stable),
        number(*evidence),
        number(*bound)
    )
}

fn stable_answers(detail: &Detail) -> String {
    match detail {
        Detail::Silence { probed, stable_answered, stable_unanswered, .. } => {
            silent::stable(*probed, *stable_answered, *stable_unanswered)
        }
        _ => String::new(),
    }
}

/// The limits of both kinds: `6.3s`, or `1.2s (streamed) or 20s (whole)`.
#[must_use]
pub fn slow_limit(streamed: Option<Millis>, whole: Option<Millis>) -> String {
    match (streamed, whole) {
        (Some(streamed), Some(whole)) if streamed != whole => format!("{streamed} (streamed) or {whole} (whole)"),
        (Some(limit), _) | (None, Some(limit)) => limit.to_string(),
        (None, None) => "stable's usual time".to_owned(),
    }
}

/// Both arms' rates with their intervals: `14 of 68 of the canary's requests failed (20.6%, 12.6% to 31.6%), and ...`.
fn both(decision: &Decision, happened: &str) -> String {
    let Decision { canary, stable, seconds, .. } = decision;
    let canary = match share(canary) {
        None => format!("no request of the canary {happened}"),
        Some(share) => format!("{share} of the canary's requests {happened} within {}", time(*seconds)),
    };
    match share(stable) {
        None => format!("{canary}, and stable had no traffic to compare with"),
        Some(share) => format!("{canary}, and {share} of stable's"),
    }
}

fn share(counts: &ArmCounts) -> Option<String> {
    let ArmCounts { events, requests, rate, low, high, .. } = *counts;
    let rate = rate.filter(|_| requests > 0.0)?;
    let (all, rate, low, high) = (count(requests), percent(rate), percent(low), percent(high));
    Some(format!("{} of {all} ({rate}, between {low} and {high})", count(events)))
}

/// The most frequent remedy for worse responses.
#[must_use]
pub const fn remedy(rule: Rule) -> Option<&'static str> {
    match rule {
        Rule::Empty => Some(
            "its model may interpret a field differently from stable's: send both providers the same request, and set \
             `models`, `drop_fields` or `set_fields` of the provider",
        ),
        Rule::Length => Some(
            "its limit is lower than stable's, its responses are longer, or its model reasons within the limit: set \
             `max_fields` of the provider, or `set_fields: { max_tokens: ... }`",
        ),
        Rule::Filtered => Some(
            "its filter is stricter than stable's: relax it in the provider's account, or set another model in \
             `models`",
        ),
        Rule::Pace => Some(
            "its model is slower or its capacity is lower than stable's (set a faster model in `models`, or ask the \
             provider for more capacity), or it sends more in one event (then set `answers: { pace: ignore }`)",
        ),
        _ => None,
    }
}

/// The name of what was counted: singular and plural.
#[must_use]
pub const fn counted(aspect: Aspect) -> (&'static str, &'static str) {
    match aspect {
        Aspect::Failing => ("failure", "failures"),
        Aspect::Slow => ("slow response", "slow responses"),
        Aspect::Refusing => ("refused request", "refused requests"),
        Aspect::Empty => ("empty response", "empty responses"),
        Aspect::Length => ("response cut at a length limit", "responses cut at a length limit"),
        Aspect::Filtered => ("filtered response", "filtered responses"),
        Aspect::Pace => ("slow stream", "slow streams"),
        Aspect::Feedback => ("bad verdict", "bad verdicts"),
    }
}

/// What would have changed the decision; `None`: nothing that an operator can change.
#[must_use]
pub fn would_change(decision: &Decision) -> Option<String> {
    let decided = decision.decided;
    Some(match decision.would_change? {
        Counterfactual::Answered => "one answered request of the canary would have prevented this".to_owned(),
        Counterfactual::Output { since } => {
            let since = silent::time_of_day(since);
            format!("output of the canary for one request sent since {since} would have prevented this")
        }
        Counterfactual::Ceiling => "a higher `ceiling`, or `ceiling: off`".to_owned(),
        Counterfactual::Fewer { events, tolerated_ratio, ignore_below } => {
            fewer(decided.rule()?, events, tolerated_ratio, ignore_below)
        }
        Counterfactual::More { failures } => {
            let more = match failures {
                failures if failures < 1.5 => "one more failure".to_owned(),
                failures => format!("{} more failures", count(failures)),
            };
            let instead = match decided {
                DecisionKind::Promote => "kept the share by their rate alone; evidence above 1 also would have",
                DecisionKind::Complete => "prevented the completion",
                _ => "kept half of the users on each provider",
            };
            format!("{more} of the canary would have {instead}")
        }
        Counterfactual::LowerRate { limit } => {
            let then = match decided {
                DecisionKind::Recheck => " would have ended the ramp",
                _ => ": one and a half times stable's, or `done_below`",
            };
            format!("a failure rate of the canary below {}{then}", percent(limit))
        }
    })
}

fn fewer(rule: Rule, events: f64, tolerated_ratio: Option<f64>, ignore_below: Option<f64>) -> String {
    let (one, many) = counted(rule.aspect());
    let mut text = match events {
        events if events < 1.5 => format!("one {one} fewer"),
        events => format!("about {} {many} fewer", count(events)),
    };
    text.push_str(" on the canary would have kept the evidence below its bound");
    if rule.aspect().is_of_answers() {
        let _ = write!(text, "; so would `answers: {{ {}: ignore }}`", rule.as_str());
    }
    let key = match rule {
        Rule::Slower => "slow.tolerated_ratio",
        Rule::Feedback => "feedback.tolerated_ratio",
        _ => "tolerated_ratio",
    };
    if let Some(ratio) = tolerated_ratio {
        let _ = write!(text, "; so would a `{key}` above {ratio:.1}");
    }
    if let Some(rate) = ignore_below {
        let _ = write!(text, "; so would an `ignore_below` above {}", percent(rate));
    }
    text
}

/// The reason of an automatic rollback.
#[must_use]
pub fn regression(regression: &Regression) -> String {
    match regression {
        Regression::Found(decision) => sentence(decision),
        Regression::Text(text) => text.clone(),
    }
}

/// The reason of a pause; empty: none was given.
#[must_use]
pub fn pause(pause: &Pause) -> String {
    let said = Some(pause.reason.clone()).filter(|reason| !reason.is_empty());
    said.into_iter().chain(pause.found.iter().map(sentence)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
