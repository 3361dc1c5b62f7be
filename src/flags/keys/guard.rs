//! The keys of a rollout's guard.
//!
//! Names, kinds, defaults and sentences only: [`compile`](super::super::compile) says what they mean. The defaults are
//! the numbers of the rule itself.
//!
//! Invariant: as in [`keys`](super).

use serde_json::json;

use super::super::scalar::show_number;
use super::kinds::{Schema, key, map, number_within, or_off, share, share_or, some_length, whole, word};
use crate::decide::policy;

pub(super) fn guard() -> Schema {
    let usual = policy::Guard::default();
    map([
        key("false_alarm", share(1, 10)).default(usual.false_alarm.to_string()).says(
            "The chance that a canary which is no worse than stable is ever taken back, over all tries of an attempt \
             together. Above 0%, at most 10%. The smaller it is, the longer a bad canary stays.",
        ),
        key("tolerated_ratio", number_within(1, 100))
            .default(show_number(usual.tolerated_ratio))
            .says("Up to this multiple of stable's failure rate the canary is not worse; 1 to 100."),
        key("ignore_below", share(0, 100)).default(usual.ignore_below.to_string()).says(
            "A canary that fails less often than this is not taken back for its failures. 0%: there is no such rate.",
        ),
        key("patience", number_within(0.1, 1000)).default(show_number(usual.patience)).says(
            "So many times longer must a deviation last before the canary is taken back, 0.1 to 1000; one that is \
             down is not waited for.",
        ),
        key("max_error_rate", share(0, 100)).default(usual.max_error_rate.to_string()).says(
            "No promotion while the canary's failure rate may lie above this (its 95% upper bound), unless twice \
             stable's rate does: then that is the bound. It takes nobody back; `ceiling` is the hard limit.",
        ),
        key("min_requests", whole(1, 1_000_000_000))
            .default(usual.min_requests)
            .says("No promotion before so many requests were sent to the canary and answered at its present share."),
        key("done_below", share(0, 100)).default(usual.done_below.to_string()).says(
            "The rollout is done when everybody is on the canary and its failure rate lies below this, or below one \
             and a half times stable's.",
        ),
        key("slow", or_off(slow())).says("When slow answers take the canary back. `off`: never."),
        key("client_errors", word(&["hold", "rollback", "ignore"])).default("hold").says(
            "What follows when the canary refuses more requests than stable does. `hold`: the ramp is paused, for \
             somebody to look at it. `rollback`: as any other regression. `ignore`: nothing.",
        ),
        key("answers", answers()).says(
            "What follows when the canary gives more answers than stable does that no status calls bad, and that are \
             worse.",
        ),
        key("ceiling", share_or(1, "off")).default("off").examples(json!(["20%", "off"])).says(
            "Above this failure rate, over `window`, the canary is taken back as soon as anything speaks for its \
             being worse than stable; the chance of that being wrong comes on top of `false_alarm`. `off`: there is \
             no such rate.",
        ),
        key("window", some_length())
            .default(usual.window.to_string())
            .says("The time over which rates are shown, and held against `ceiling`; 1s to 7d."),
        key("throttled", word(&["failure", "ignore"])).default("failure").says(
            "What a 429 is to the guard: a `failure`, since users are turned away; or to `ignore`, where limits are \
             being raised and fallback bridges them.",
        ),
        key("empty", word(&["failure", "ignore"])).default("ignore").says(
            "What an answer of 200 without any output is to the guard: a `failure`; or to `ignore`, since some \
             prompts rightly have no answer.",
        ),
    ])
}

fn answers() -> Schema {
    map([
        key("empty", word(&["hold", "rollback", "ignore"]))
            .default("hold")
            .says("Whole answers of 200 without any output; not looked at where `empty` has them count as failures."),
        key("length", word(&["hold", "rollback", "ignore"]))
            .default("hold")
            .says("Answers that stopped at a limit of their length."),
        key("filtered", word(&["hold", "rollback", "ignore"]))
            .default("hold")
            .says("Answers of 200 that a content filter stopped, and refusals in an answer."),
        key("pace", word(&["hold", "rollback", "ignore"])).default("hold").says(
            "Streams of at least ten outputs whose mean time between two outputs lies above `slow` of stable's own.",
        ),
    ])
}

fn slow() -> Schema {
    let usual = policy::SlowRule::default();
    map([
        key("quantile", number_within(0.5, 0.999))
            .default(show_number(usual.quantile))
            .says("Which quantile of stable's times to the first output is looked at, 0.5 to 0.999."),
        key("tolerance", number_within(1, 100))
            .default(show_number(usual.tolerance))
            .says("An answer is slow that takes more than so many times this quantile; 1 to 100."),
        key("tolerated_ratio", number_within(1, 100))
            .default(show_number(usual.tolerated_ratio))
            .says("Up to this multiple of stable's share of slow answers the canary is not slower; 1 to 100."),
    ])
}
