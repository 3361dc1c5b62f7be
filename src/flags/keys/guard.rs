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
            "Probability that a canary which is no worse than stable is ever rolled back, over all retries of an \
             attempt together. Above 0%, at most 10%. A smaller value keeps a bad canary longer.",
        ),
        key("tolerated_ratio", number_within(1, 100))
            .default(show_number(usual.tolerated_ratio))
            .says("Up to this multiple of stable's failure rate the canary counts as not worse; 1 to 100."),
        key("ignore_below", share(0, 100))
            .default(usual.ignore_below.to_string())
            .says("A canary with a lower failure rate is not rolled back for its failures. `0%`: no such rate."),
        key("patience", number_within(0.1, 1000)).default(show_number(usual.patience)).says(
            "Factor for the time that a deviation must last before a rollback, 0.1 to 1000. It does not apply to a \
             canary that is down.",
        ),
        key("max_error_rate", share(0, 100)).default(usual.max_error_rate.to_string()).says(
            "No promotion while the canary's failure rate may be above this (its 95% upper bound). If \
                 twice stable's rate is higher, that is the limit. It causes no rollback: a canary at 6% \
                 with a stable at 5% keeps its share. `ceiling` is the hard limit.",
        ),
        key("max_first_output", some_length()).examples(json!(["2s"])).says(
            "No promotion while the canary's median time to the first output, at its present share, is above this, or \
             is not known from 20 responses. Streamed responses count, and whole ones only where none is streamed. It \
             causes no rollback, and does not delay the completion. Default: no bound.",
        ),
        key("rollback_ready", word(&["require", "ignore"])).default("require").says(
            "Whether promotions beyond 50% wait until stable could take everybody back: it is reachable, has a usable \
             key, its limits fit the present traffic, and it answers as quickly as usual. It prevents no rollback and \
             no pinned share. `ignore`: it is only shown.",
        ),
        key("min_requests", whole(1, 1_000_000_000))
            .default(usual.min_requests)
            .says("No promotion before this many requests were sent to the canary and answered at its present share."),
        key("done_below", share(0, 100)).default(usual.done_below.to_string()).says(
            "The rollout is completed when all users are on the canary and its failure rate is below this, or below \
             one and a half times stable's.",
        ),
        key("slow", or_off(slow())).says("When slow responses cause a rollback. `off`: never."),
        key("client_errors", word(&["hold", "rollback", "ignore"])).default("hold").says(
            "What happens when the canary refuses more requests than stable. `hold`: the ramp is paused for review. \
             `rollback`: as for any other regression. `ignore`: nothing.",
        ),
        key("answers", answers()).says(
            "What happens when the canary has more than one and a half times stable's share of responses that are \
             empty, cut off, filtered or slowly streamed, although their status is a success. `hold`: the ramp is \
             paused for review. `rollback`: as for any other regression. `ignore`: nothing.",
        ),
        key("feedback", or_off(feedback())).default("off").examples(json!([{"then": "hold"}, "off"])).says(
            "Compares the share of bad verdicts that the application reports on the canary's responses with that on \
             stable's. With `off` verdicts are not compared, and request ids cannot be judged. `{}` takes the defaults.",
        ),
        key("ceiling", share_or(1, "off")).default("off").examples(json!(["20%", "off"])).says(
            "Above this failure rate, over `window`, the canary is rolled back as soon as any evidence shows it worse \
             than stable. The probability of an error adds to `false_alarm`. `off`: no such rate.",
        ),
        key("window", some_length())
            .default(usual.window.to_string())
            .says("Time over which rates are shown and compared with `ceiling`; 1s to 7d."),
        key("throttled", word(&["failure", "ignore"]))
            .default("failure")
            .says("How the guard counts a 429: `failure` or `ignore`."),
        key("empty", word(&["failure", "ignore"]))
            .default("ignore")
            .says("How the guard counts a 200 without any output: `failure` or `ignore`."),
    ])
}

fn answers() -> Schema {
    map([
        key("empty", word(&["hold", "rollback", "ignore"])).default("hold").says(
            "Complete responses with status 200 and no output. Not checked where the guard's own `empty` counts them \
             as failures.",
        ),
        key("length", word(&["hold", "rollback", "ignore"]))
            .default("hold")
            .says("Responses that stopped at a length limit."),
        key("filtered", word(&["hold", "rollback", "ignore"]))
            .default("hold")
            .says("Responses with status 200 that a content filter stopped, and refusals in a response."),
        key("pace", word(&["hold", "rollback", "ignore"])).default("hold").says(
            "Streams of at least ten outputs whose mean time between two outputs is above `slow` of stable's own.",
        ),
    ])
}

fn feedback() -> Schema {
    let usual = policy::FeedbackRule::default();
    map([
        key("tolerated_ratio", number_within(1, 100))
            .default(show_number(usual.tolerated_ratio))
            .says("Up to this multiple of stable's share of bad verdicts the canary counts as not worse; 1 to 100."),
        key("then", word(&["hold", "rollback"])).default("hold").says(
            "What happens when the canary has more bad verdicts. `hold`: the ramp is paused for review. `rollback`: as \
             for any other regression.",
        ),
    ])
}

fn slow() -> Schema {
    let usual = policy::SlowRule::default();
    map([
        key("quantile", number_within(0.5, 0.999))
            .default(show_number(usual.quantile))
            .says("Quantile of stable's times to first output that is compared, 0.5 to 0.999."),
        key("tolerance", number_within(1, 100))
            .default(show_number(usual.tolerance))
            .says("A response is slow if it takes more than this multiple of the quantile; 1 to 100."),
        key("tolerated_ratio", number_within(1, 100))
            .default(show_number(usual.tolerated_ratio))
            .says("Up to this multiple of stable's share of slow responses the canary counts as not slower; 1 to 100."),
    ])
}
