//! The keys of a rollout, but for those of its guard.
//!
//! Names, kinds, defaults and sentences only: [`compile`](super::super::compile) says what they mean. The sentences are
//! what an editor shows: they are for the people who write the file.
//!
//! Invariant: as in [`keys`](super).

use serde_json::json;

use super::super::bounds::{MOST_ENTRIES, MOST_IDS};
use super::guard::guard;
use super::kinds::{
    Schema, described, entries, fallback, id, key, length, list, map, pins, share, share_or, some_length,
    some_length_or_never, switch, text, texts, whole, word,
};
use crate::decide::endpoint;

/// Where a user's id is looked for unless the file says otherwise.
pub(in crate::flags) const USER: [&str; 5] =
    ["header:x-user-id", "body:safety_identifier", "body:user", "body:metadata.user_id", "body:prompt_cache_key"];

pub(super) fn rollout() -> Schema {
    described(
        "A named move from one provider to another; with `stable` alone a plain route.",
        [
            key("name", text())
                .required()
                .examples(json!(["chat"]))
                .says("What commands and metrics call it: letters, digits, dot, dash, underscore."),
            key("stable", text()).required().examples(json!(["openai"])).says("The provider that serves users today."),
            key("canary", text()).examples(json!(["holysheep"])).says("The provider that they move to."),
            key("percent", share_or(0, "auto")).examples(json!(["auto", "25%", 0])).says(
                "The share of users on the canary. auto: the ramp decides; 25%: pinned; 0: everybody back on stable, \
                 now. Required where there is a canary.",
            ),
            key("match", matches()).says("Which requests it takes; every part that is given must fit."),
            key("user", texts()).default(USER).says(
                "Where the user's id is looked for, the first that is present: header:NAME, cookie:NAME, query:NAME \
                 or body:path.to.field.",
            ),
            key("anonymous", word(&["conversation", "random", "stable"])).default("conversation").says(
                "A request without a user id: hash the opening of its conversation, draw at random, or stay on \
                 stable.",
            ),
            key("salt", text())
                .default("")
                .says("Put before the user id when hashing: another salt shuffles the users anew."),
            key("exclude", list(MOST_IDS, id())).examples(json!([["user-7"]])).says(
                "User ids that always stay on stable. Where stable fails them, the canary still answers, unless \
                 `fallback` is off.",
            ),
            key("pin_users", pins())
                .examples(json!([["user-1"], {"user-1": "canary", "user-2": "stable"}]))
                .says("User ids that are always on the canary, as a list; or a map from id to `canary` or `stable`."),
            key("force", force())
                .examples(json!([{"header": "x-canary", "token": "${CANARY_TOKEN}"}]))
                .says("How a tester chooses the arm."),
            key("ramp", ramp()).says("The schedule that `percent: auto` follows."),
            key("guard", guard()).says("What judges the canary."),
            key("fallback", fallback()).default(true).examples(json!([true, false, ["openai", "azure"]])).says(
                "Who answers when the chosen provider fails before its answer has begun. `true`: the other arm's \
                 provider; a plain route has none. `false`: nobody. A list: these, in turn; it may name stable and \
                 canary. Embeddings never fall back.",
            ),
            key("fallback_4xx", switch()).default(true).says(
                "Whether stable is asked once when the canary refuses a request (400, 404, 413, 422) that may be \
                 sound: what stable takes is `unsupported` on the canary, and the application never sees the refusal.",
            ),
            key("give_up_after", some_length()).default("30s").says(
                "How long the first byte of a streamed canary answer may take while another provider can answer, and \
                 how long any canary answer may be white space or comments alone.",
            ),
            key("hold", length()).default("5s").says(
                "How long the beginning of a stream is held back while it carries no output and another provider \
                 could still answer, and white space before stable's answer. `0s`: nothing is held.",
            ),
            key("retry", retry()).says("When the same provider is asked again."),
            key("stream_mode", word(&["live", "buffered"])).default("live").says(
                "`live` passes a streamed answer on as soon as there is output; `buffered` holds it until it is \
                 whole, so that a cut, a stall or an event that cannot be read is recovered too, at the price of the \
                 waiting.",
            ),
            key("on_regression", word(&["rollback", "hold", "step_back"])).default("rollback").says(
                "What follows when the canary does worse than stable. `rollback`: everybody goes back to \
                 `rollback_to`. `hold`: the ramp is paused and nobody is moved. `step_back`: one stage back, where \
                 the canary is judged anew; a canary that is down, or that was taken three steps back, is rolled back \
                 all the same.",
            ),
            key("rollback_to", share(0, 100)).default("0%").says("The share that an automatic rollback goes back to."),
            key("try_again_after", some_length_or_never()).default("never").examples(json!(["never", "6h"])).says(
                "When an automatic rollback is tried again by itself; each further wait is four times as long, and \
                 there are three tries at most. never: it waits for a human.",
            ),
            key("attempt", whole(1, 1_000_000))
                .default(1)
                .says("A number higher than the one that was rolled back begins a new try."),
        ],
    )
}

fn retry() -> Schema {
    map([
        key("attempts", whole(1, 10))
            .default(2)
            .says("How often a provider is asked for one request at most, 1 to 10; 1: never again."),
        key("budget", share(0, 100)).default("10%").says(
            "The share of the rollout's requests that may be asked again, so that retries never double a failing \
             provider's load.",
        ),
        key("backoff", text()).default("500ms..8s").says(
            "The longest pause before a 5xx or a reset is repeated, of the first repeat and of any: it doubles in \
             between, and what is waited is drawn between none and that.",
        ),
        key("first", word(&["other", "same"])).default("other").says(
            "Who is asked first after a 5xx or a reset. other: another provider, and the same one where nobody else \
             is left. same: the same one, then another.",
        ),
    ])
}

fn matches() -> Schema {
    map([
        key("endpoints", texts()).default(endpoint::GENERATING).says(
            "Paths below the mount where POST and upgrades are split. Every other method and path goes to stable, \
             unsplit.",
        ),
        key("model", text()).examples(json!(["gpt-*"])).says("The model's name; `*` stands for any run of characters."),
        key("header", entries(text()))
            .examples(json!([{"x-team": "search-*"}]))
            .says("Headers and what they hold; `*` stands for any run of characters."),
        key("path", text()).examples(json!(["/chat/*"])).says(
            "The path below the mount, in place of `endpoints`, with every method but OPTIONS; `*` stands for any run \
             of characters.",
        ),
    ])
}

fn force() -> Schema {
    map([
        key("header", text())
            .required()
            .examples(json!(["x-canary"]))
            .says("The header's name; it is never forwarded."),
        key("token", text())
            .required()
            .examples(json!(["${CANARY_TOKEN}"]))
            .says("The header's value: TOKEN or TOKEN:canary for the canary, TOKEN:stable for stable."),
    ])
}

fn ramp() -> Schema {
    map([
        key("start", share(1, 100)).default("10%").says("The first stage."),
        key("hold_start", length())
            .examples(json!(["7d"]))
            .says("How long the first stage lasts at least. Default: as `every`."),
        key("step", share(1, 100)).default("15%").says("How much each further stage adds."),
        key("steps", list(MOST_ENTRIES, share(1, 100)))
            .examples(json!([["1%", "5%", "25%", "100%"]]))
            .says("The stages one by one, in place of `step`."),
        key("every", some_length()).default("1d").says("How long each further stage lasts at least."),
        key("max", share(1, 100)).default("100%").says("Never more than this, whatever asks for it."),
        key("from", text()).examples(json!(["2026-11-23T09:00:00Z"])).says(
            "When the first stage begins: the schedule is then a function of file and clock, for where state cannot \
             be kept.",
        ),
        key("hours", text()).examples(json!(["mon-fri 09:00-17:00 +02:00"])).says(
            "When promotions may happen: days, a time from and to, and the offset from UTC where it is not zero.",
        ),
    ])
}
