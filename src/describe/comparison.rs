//! Sentences about copies to a canary: what blocks its first step, and what to write into flags.yaml.
//!
//! From typed findings. The rules are those of [`incompatibility`](super::incompatibility), where a request was
//! refused. Decides nothing. Invariant: no sentence has a word of a request or an answer.

use super::incompatibility;
use crate::decide::comparison::defect::Defect;
use crate::decide::comparison::funnel::Skip;
use crate::decide::comparison::mode::CopyMode;
use crate::decide::comparison::rehearsal::{Blocking, QUIET_AFTER, RehearsalProgress, RehearsalWait, TOO_SLOW};
use crate::decide::units::Millis;

/// Whether requests are copied, in a sentence. `passed`: whether the rehearsal was.
#[must_use]
pub const fn state(mode: CopyMode, passed: bool) -> &'static str {
    match mode {
        CopyMode::Off if passed => "no request is copied: the rehearsal is passed",
        CopyMode::Off => "no request is copied: users have been on the canary, and flags.yaml has no `compare`",
        CopyMode::Rehearsing => "stable's requests are copied to the canary before its first user",
        CopyMode::RehearsalFailed => {
            "no request is copied: the rehearsal is not passed, and is repeated every 10m and when the provider is edited"
        }
        CopyMode::Comparing => "a share of stable's requests is copied to the canary",
        CopyMode::TakenBack => {
            "no request is copied: the rollout was taken back, is at `percent: 0`, or its canary cannot be used"
        }
        CopyMode::NothingOnStable => "no request is copied: everybody is on the canary, so stable has none",
    }
}

/// What the first step waits for, behind "it waits for".
pub(super) fn waits_for(name: &str, wait: &RehearsalWait) -> String {
    let RehearsalWait { compared, needed, progress, skipped } = wait;
    let skipped = skipped.map(|(why, count)| format!("; {count} requests were not copied: {}", skip(why)));
    let text = match progress {
        RehearsalProgress::NoTraffic => {
            format!(
                "traffic to rehearse with: no request of stable that can be copied has come in the last {QUIET_AFTER} \
                 ({compared} of {needed})"
            )
        }
        RehearsalProgress::UnderWay(found) if found.is_empty() => {
            format!("the rehearsal ({compared} of {needed} copies compared)")
        }
        RehearsalProgress::UnderWay(found) => format!(
            "the rehearsal ({compared} of {needed} copies compared), which so far does not pass: {}",
            list(found)
        ),
        RehearsalProgress::Cost => {
            format!("the rehearsal ({compared} of {needed} copies compared): `rehearse.max_cost` of the day is used up")
        }
        RehearsalProgress::Failed(found, left) => format!(
            "a rehearsal that passes: {} (`serin compare {name}`); it is repeated in {} or when the provider is \
             edited",
            list(found),
            Millis(left.0.div_ceil(1000) * 1000)
        ),
    };
    text + &skipped.unwrap_or_default()
}

/// Why a request is not copied, or not compared.
#[must_use]
pub const fn skip(why: Skip) -> &'static str {
    match why {
        Skip::Rate => "more than `per_minute`",
        Skip::Busy => "too many copies wait or are under way",
        Skip::TooLarge => "the body is larger than 1MiB, or no JSON",
        Skip::NotSplit => "no bucket would choose their arm",
        Skip::State => "they continue or leave state",
        Skip::Background => "they ask for a background response",
        Skip::ServerTools => "they have tools that the provider runs",
        Skip::StableFailed => "stable's own response was no success",
        Skip::LongAnswer => "a response is longer than 1MiB or 5m, or its encoding cannot be read",
        Skip::Cost => "`max_cost` of the day is used up",
        Skip::NoRoom => "the canary's `rate_limit` has no room to spare",
        Skip::NoKey => "no key of the canary is usable",
        Skip::Throttled => "the canary answered 429",
        Skip::Unsent => "no connection of Serin's was free, or it had ended",
        Skip::Ended => "the rollout was taken back, or the file changed",
    }
}

/// How a round ended, in a sentence with the rules to write.
pub(super) fn verdict((canary, stable): (&str, &str), rollout: &str, compared: u64, found: &[Blocking]) -> String {
    if found.is_empty() {
        return format!("the rehearsal is passed: {compared} copies of requests of {stable} were answered by {canary}");
    }
    let advised: Vec<String> = found
        .iter()
        .map(|blocking| match advice(blocking, canary, rollout) {
            Some(advice) => format!("{} ({advice})", short(blocking)),
            None => short(blocking),
        })
        .collect();
    format!("the rehearsal is not passed after {compared} copies to {canary}: {}", advised.join("; "))
}

fn list(found: &[Blocking]) -> String {
    found.iter().map(short).collect::<Vec<_>>().join("; ")
}

/// What blocks, in a few words.
#[must_use]
pub fn short(blocking: &Blocking) -> String {
    match blocking {
        Blocking::Defect { defect, count } => {
            format!("{}, {count} {}", self::defect(defect), if *count == 1 { "copy" } else { "copies" })
        }
        Blocking::Slow { first_output, medians: [stable, canary] } => {
            let what = if *first_output { "first output" } else { "response" };
            let [stable, canary] = [stable, canary].map(|median| Millis(u64::from(*median)));
            format!("the median {what} takes {canary}, and {stable} at stable (at most {TOO_SLOW} times as long)")
        }
    }
}

/// A defect in a few words.
#[must_use]
pub fn defect(defect: &Defect) -> String {
    match defect {
        Defect::Key { status } => format!("the key is not accepted ({status})"),
        Defect::Quota => "the quota behind the key is spent".to_owned(),
        Defect::Refused { finding } => incompatibility::refused(finding),
        Defect::Malformed => "the response is malformed or empty".to_owned(),
        Defect::Server { status } => format!("the canary failed with {status}"),
        Defect::Unreachable => "no connection to the canary".to_owned(),
        Defect::TimedOut => "no response in time".to_owned(),
        Defect::BrokenOff => "the response broke off".to_owned(),
    }
}

/// What to do about it; `None`: nothing that a file could say.
#[must_use]
pub fn advice(blocking: &Blocking, canary: &str, rollout: &str) -> Option<String> {
    match blocking {
        Blocking::Defect { defect: Defect::Key { .. }, .. } => {
            Some(format!("write a valid key to providers.{canary}.api_keys"))
        }
        Blocking::Defect { defect: Defect::Quota, .. } => {
            Some(format!("top up the account, or add a key of another to providers.{canary}.api_keys"))
        }
        Blocking::Defect { defect: Defect::Refused { finding }, .. } => {
            Some(incompatibility::advice(finding, canary, rollout))
        }
        Blocking::Defect { .. } | Blocking::Slow { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::incompatibility::Incompatibility;

    fn refused(finding: Incompatibility) -> Blocking {
        Blocking::Defect { defect: Defect::Refused { finding }, count: 3 }
    }

    #[test]
    fn a_verdict_names_what_blocks_and_the_rule_to_write() {
        let found = [
            Blocking::Defect { defect: Defect::Key { status: 401 }, count: 1 },
            refused(Incompatibility::Parameter("logit_bias".to_owned())),
            refused(Incompatibility::Model("gpt-4".to_owned())),
            Blocking::Slow { first_output: true, medians: [100, 900] },
        ];
        assert_eq!(
            verdict(("new", "old"), "chat", 50, &found),
            "the rehearsal is not passed after 50 copies to new: the key is not accepted (401), 1 copy (write a valid \
             key to providers.new.api_keys); `logit_bias` is refused, 3 copies (write providers.new.drop_fields: \
             [logit_bias]); the model `gpt-4` is not known, 3 copies (write providers.new.models: { gpt-4: \
             ITS_NAME_THERE }); the median first output takes 900ms, and 100ms at stable (at most 5 times as long)"
        );
        assert_eq!(
            verdict(("new", "old"), "chat", 50, &[]),
            "the rehearsal is passed: 50 copies of requests of old were answered by new"
        );
    }

    #[test]
    fn what_is_waited_for_says_why() {
        let all = |progress, skipped| waits_for("chat", &RehearsalWait { compared: 3, needed: 50, progress, skipped });
        let wait = |progress| all(progress, None);
        assert_eq!(
            all(RehearsalProgress::UnderWay(Vec::new()), Some((Skip::Throttled, 7))),
            "the rehearsal (3 of 50 copies compared); 7 requests were not copied: the canary answered 429"
        );
        assert!(wait(RehearsalProgress::NoTraffic).starts_with("traffic to rehearse with"));
        assert_eq!(wait(RehearsalProgress::UnderWay(Vec::new())), "the rehearsal (3 of 50 copies compared)");
        let failed = wait(RehearsalProgress::Failed(vec![refused(Incompatibility::ContextLength)], Millis(599_500)));
        assert!(failed.contains("`serin compare chat`") && failed.contains("10m"), "{failed}");
    }
}
