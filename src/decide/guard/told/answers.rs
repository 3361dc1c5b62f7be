//! What is said of answers that are fine by every status, and worse: what differs, and the likeliest remedy.
//!
//! Each of them may be rightly given, so the sentence ends with what an operator can do about it. Reads the same tallies
//! as every other rule and judges nothing. Invariant: it never quotes an answer.

use super::{Grounds, Rule, both, number};
use crate::decide::policy::Guard;
use crate::decide::units::Millis;

/// What a rule of answers found, in a sentence, with the likeliest remedy.
pub(super) fn cause(rule: Rule, grounds: &Grounds<'_>) -> String {
    let Grounds { guard, judge, reading, .. } = grounds;
    let aspect = rule.aspect();
    let finding = reading.of(aspect);
    let happened = match rule {
        Rule::Empty => "were answered without any output".to_owned(),
        Rule::Length => "stopped at a length limit".to_owned(),
        Rule::Filtered => "were stopped by a content filter or refused in the answer".to_owned(),
        _ => format!(
            "were streamed with more than {} between two outputs",
            pace_above(guard, grounds).map_or_else(|| "stable's usual time".to_owned(), |limit| limit.to_string())
        ),
    };
    format!(
        "{}; more than {} times stable's share (evidence {}, bound {}): {}",
        both(judge.doubt(aspect), &happened),
        guard.constants.answers_ratio,
        number(finding.evidence),
        number(finding.bound),
        remedy(rule)
    )
}

/// Above which mean time between two outputs a stream is slow; `None`: not known yet.
pub(super) fn pace_above(guard: &Guard, grounds: &Grounds<'_>) -> Option<Millis> {
    let threshold = &grounds.judge.pace_threshold;
    (threshold.seen() > 0).then(|| threshold.limit(&guard.pace_rule()))
}

/// What helps most often.
pub(super) const fn remedy(rule: Rule) -> &'static str {
    match rule {
        Rule::Empty => {
            "its model may take a field otherwise than stable's: ask both providers the same, and set `models`, \
             `drop_fields` or `set_fields` of the provider"
        }
        Rule::Length => {
            "its limit is lower than stable's, its answers are longer, or its model reasons within the limit: set \
             `max_fields` of the provider, or `set_fields: { max_tokens: ... }`"
        }
        Rule::Filtered => {
            "its filter is stricter than stable's: ease it in the provider's account, or name another model in `models`"
        }
        _ => {
            "its model or its capacity is slower than stable's (name a faster one in `models`, or ask the provider for more), \
             or it sends more at a time (then `answers: { pace: ignore }`)"
        }
    }
}
