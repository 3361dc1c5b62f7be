//! The keys of a rollout, but for those of its guard.
//!
//! Names, kinds, defaults and sentences only: [`compile`](super::super::compile) says what they mean. The sentences are
//! what an editor shows: they are for the people who write the file.
//!
//! Invariant: as in [`keys`](super).

use serde_json::json;

use super::super::bounds::{MOST_ENTRIES, MOST_IDS};
use super::copies;
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
                .says("Name in commands and metrics: letters, digits, `.`, `-`, `_`."),
            key("stable", text()).required().examples(json!(["openai"])).says("The provider that serves users today."),
            key("canary", text()).examples(json!(["holysheep"])).says("The provider that users move to."),
            key("percent", share_or(0, "auto")).examples(json!(["auto", "25%", 0])).says(
                "Share of users on the canary. `auto`: the ramp decides. `25%`: pinned. `0`: all users on stable, now. \
                 Required with a canary.",
            ),
            key("match", matches())
                .says("Which requests this rollout takes. Every condition that is given must match."),
            key("user", texts()).default(USER).says(
                "Where the user's id is read from: `header:NAME`, `cookie:NAME`, `query:NAME` or \
                 `body:path.to.field`. The first that is present is used. Empty and junk ids \
                 (\"anonymous\", \"0\") count as absent.",
            ),
            key("anonymous", word(&["conversation", "random", "stable"])).default("conversation").says(
                "A request without a user id: `conversation` hashes the first messages, `random` draws at random, \
                 `stable` sends it to stable.",
            ),
            key("salt", text())
                .default("")
                .says("Text put before the user id when hashing. Another salt assigns users to other buckets."),
            key("exclude", list(MOST_IDS, id())).examples(json!([["user-7"]])).says(
                "User ids that always stay on stable. If stable fails, the canary still answers them, unless \
                 `fallback` is off.",
            ),
            key("pin_users", pins())
                .examples(json!([["user-1"], {"user-1": "canary", "user-2": "stable"}]))
                .says("User ids that are always on the canary, or a map from id to `canary` or `stable`."),
            key("force", force())
                .examples(json!([{"header": "x-canary", "token": "${CANARY_TOKEN}"}]))
                .says("Lets a tester choose the arm with a header."),
            key("ramp", ramp()).says("The schedule of `percent: auto`."),
            key("guard", guard()).says("When the canary is promoted and when it is rolled back."),
            key("fallback", fallback()).default(true).examples(json!([true, false, ["openai", "azure"]])).says(
                "The next candidates when the chosen provider fails before the response has begun. \
                 `true`: the other arm's provider (none for a plain route). `false`: none. Or a list of \
                 up to 8 providers in order, which may name stable and canary. The list of a plain route \
                 is also used when a request is too long for its provider (400, 413 or 422 with the code \
                 `context_length_exceeded`, or with words such as `prompt is too long`), and for no other \
                 refusal. Embeddings never fall back.",
            ),
            key("fallback_4xx", switch()).default(true).says(
                "Whether the request is sent to stable once when the canary refuses it (400, 404, 413, 422) and stable \
                 may accept it.",
            ),
            key("give_up_after", some_length()).default("30s").says(
                "Deadline for the first byte of a streamed canary response while another candidate is \
                 left; it includes the connection and all of its keys. Also the longest time for which \
                 any canary response may consist of white space or comments alone.",
            ),
            key("hold", length()).default("5s").says(
                "How long the start of a stream is buffered while it carries no output and another candidate is left, \
                 and white space before stable's response. `0s`: nothing is buffered.",
            ),
            key("retry", retry()).says("When the same provider is tried again."),
            key("stream_mode", word(&["live", "buffered"])).default("live").says(
                "`live` forwards a streamed response as soon as there is output. `buffered` buffers it until it is \
                 complete, so that a cut, a stall or an unreadable event is recovered too.",
            ),
            key("last_resort", last_resort())
                .examples(json!([{"text": "We are busy, please try again in a minute."}]))
                .says(
                    "What a client gets when every candidate has failed, in place of the error: a complete response \
                     with this text, in the API of the request, streamed where it asked for a stream. It has the \
                     header `x-serin-last-resort`, and is a failure wherever it is counted. Only for \
                     chat/completions, completions, responses and messages, and not where the request itself was \
                     refused or asks for JSON. Default: the error.",
                ),
            key("require", texts()).examples(json!([["eu"]])).says(
                "Tags that every provider which may see a request of this rollout must have: stable, canary, \
                 fallbacks, and the one of `unmatched`. A file in which one lacks a tag is refused. A request \
                 whose body cannot be read counts as one of `match.model`.",
            ),
            key("on_regression", word(&["rollback", "hold", "step_back"])).default("rollback").says(
                "What happens when the canary does worse than stable. `rollback`: the share goes to `rollback_to`. \
                 `hold`: the ramp is paused and no user is moved. `step_back`: one stage back, where the canary is \
                 judged again; a canary that is down, or that was moved three steps back, is rolled back in any case.",
            ),
            key("rollback_to", share(0, 100)).default("0%").says("The share after an automatic rollback."),
            key("try_again_after", some_length_or_never()).default("never").examples(json!(["never", "6h"])).says(
                "Time after which the rollout is retried by itself after an automatic rollback. Each further wait is \
                 four times as long, and there are at most three retries. `never`: no retry.",
            ),
            key("attempt", whole(1, 1_000_000))
                .default(1)
                .says("A number higher than the one that was rolled back begins a new attempt."),
            key("rehearse", copies::rehearse()).examples(json!([{"requests": 50, "per_minute": 30}])).says(
                "Before the canary's first user, copies of stable's requests are sent to it, and their responses are \
                 thrown away. The ramp begins when so many were compared and none of the canary's defects blocks it. \
                 Default: no rehearsal.",
            ),
            key("compare", copies::compare()).examples(json!([{"share": "1%", "per_minute": 30}])).says(
                "Copies of a share of stable's requests are sent to the canary once `rehearse` is passed, or from the \
                 start without it. The canary's responses are compared with stable's and thrown away. Default: no \
                 comparison.",
            ),
        ],
    )
}

fn retry() -> Schema {
    map([
        key("attempts", whole(1, 10)).default(2).says(
            "Maximum attempts at the same provider for one request, 1 to 10. 1: no retry. A refused \
                 connection is retried. A 5xx, a reset before the response and a 429 are retried after a \
                 pause where no other candidate is left.",
        ),
        key("budget", share(0, 100)).default("10%").says(
            "Share of the rollout's requests that may be retried, over all threads. While it is spent, failures \
             carry `x-should-retry: false`, so that SDKs do not retry either. A reload that keeps the rollout's \
             name does not refill it.",
        ),
        key("backoff", text()).default("500ms..8s").says(
            "Maximum pause before a 5xx or a reset is retried: for the first retry, and for any, at most 1m. It \
             doubles in between. The actual pause is drawn between zero and that.",
        ),
        key("first", word(&["other", "same"])).default("other").says(
            "The next attempt after a 5xx or a reset. `other`: another provider, or the same one where no other is \
             left. `same`: the same one, then another.",
        ),
    ])
}

fn last_resort() -> Schema {
    map([key("text", text())
        .required()
        .examples(json!(["We are busy, please try again in a minute."]))
        .says("What users read; at most 2000 bytes.")])
}

fn matches() -> Schema {
    map([
        key("endpoints", texts()).default(endpoint::GENERATING).says(
            "Paths below the mount where POST and upgrades are split. Every other method and path goes to stable, \
             unsplit, and is not judged.",
        ),
        key("model", text()).examples(json!(["gpt-*"])).says("The model's name. `*` matches any characters."),
        key("header", entries(text()))
            .examples(json!([{"x-team": "search-*"}]))
            .says("Header names and patterns of their values, as a map. `*` matches any characters."),
        key("path", text()).examples(json!(["/chat/*"])).says(
            "A pattern of the path below the mount, in place of `endpoints`, for every method but OPTIONS. `*` matches \
             any characters.",
        ),
    ])
}

fn force() -> Schema {
    map([
        key("header", text())
            .required()
            .examples(json!(["x-canary"]))
            .says("Header with which a tester chooses the arm. It is never forwarded."),
        key("token", text()).required().examples(json!(["${CANARY_TOKEN}"])).says(
            "Value of the header: `TOKEN` or `TOKEN:canary` for the canary, `TOKEN:stable` for stable. Fewer than 16 \
             characters are an error off loopback and a warning on it.",
        ),
    ])
}

fn ramp() -> Schema {
    map([
        key("start", share(1, 100)).default("10%").says("The first stage of `percent: auto`."),
        key("hold_start", length())
            .examples(json!(["7d"]))
            .says("Minimum time of the first stage. Default: as `every`."),
        key("step", share(1, 100)).default("15%").says("What each further stage adds."),
        key("steps", list(MOST_ENTRIES, share(1, 100)))
            .examples(json!([["1%", "5%", "25%", "100%"]]))
            .says("A list of the stages, in place of `step`."),
        key("every", some_length()).default("1d").says("Minimum time of each further stage."),
        key("max", share(1, 100)).default("100%").says("Upper limit of the percent, for every decision and command."),
        key("from", text())
            .examples(json!(["2026-11-23T09:00:00Z"]))
            .says("Timestamp at which the first stage begins, for use where state cannot be kept."),
        key("hours", text()).examples(json!(["mon-fri 09:00-17:00 +02:00"])).says(
            "When promotions may happen: days, a time from and to, and the offset from UTC, as in \
                 `mon-fri 09:00-17:00 +02:00`. Default: always.",
        ),
    ])
}
