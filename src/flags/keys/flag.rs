//! The keys of a flag, its rules, and what a rule's condition may compare.
//!
//! A condition is described one level deep: in `all`, `any` and `not` the same keys stand again. What they mean is
//! compiled in `compile/condition.rs`, which alone judges their shape.

use serde_json::json;

use super::super::bounds::{MOST_RULES, MOST_VARIANTS};
use super::kinds::{Key, Schema, anything, described, entries, key, list, nested, share, switch, text, texts, word};

pub(super) fn flag() -> Schema {
    let mut flag = keys();
    flag.insert("examples".to_owned(), json!([{"follows": "chat"}]));
    flag
}

fn keys() -> Schema {
    described(
        "A flag that the application reads over OFREP.",
        [
            key("type", word(&["boolean", "string", "integer", "float", "object"]))
                .examples(json!(["string"]))
                .says("Type of the values. Default: that of the variants; `boolean` for a flag without `variants`."),
            key("variants", with_most(MOST_VARIANTS, entries(anything())))
                .examples(json!([{"low": 512, "high": 4096}]))
                .says(
                    "The values by name, all of one type. Default, for a boolean flag: `on` is true and `off` is \
                     false.",
                ),
            key("default", text()).examples(json!(["low"])).says(
                "Variant for users whom no rule serves. Default: the variant `off`. Required for other variants, \
                 unless the flag has a `split` or follows a rollout.",
            ),
            key("rules", list(MOST_RULES, rule()))
                .examples(json!([[{"if": {"attribute": "plan", "is": "pro"}, "serve": "high"}]]))
                .says("Rules in order. The first whose condition holds serves its variant or its split."),
            key("split", shares()).examples(json!([{"on": "10%", "off": "90%"}])).says(
                "Shares of users by variant, for users whom no rule serves. They sum to 100%. The targeting key's \
                 bucket chooses, in the written order: raising the first share only adds users to it.",
            ),
            key("salt", text()).examples(json!(["new-ui-2"])).says(
                "Put before the targeting key when a split hashes it. Default: the flag's name, so that two flags \
                 split independently.",
            ),
            key("follows", text()).examples(json!(["chat"])).says(
                "Rollout whose split decides for users whom no rule serves. Its users on the canary get the variant \
                 `canary`, all others `stable`; without such variants, `on` and `off`.",
            ),
            key("from", text())
                .examples(json!(["2026-12-01T00:00:00Z"]))
                .says("Timestamp before which the flag is off."),
            key("until", text())
                .examples(json!(["2026-12-24T00:00:00Z"]))
                .says("Timestamp from which on the flag is off."),
            key("off", switch()).examples(json!([true])).says(
                "`true`: the flag is off. All users get the variant `off`; if there is none, `default`, `stable` of a \
                 flag that follows, or the last variant of `split`.",
            ),
        ],
    )
}

fn rule() -> Schema {
    described(
        "A rule of a flag.",
        [
            key("if", condition()).examples(json!([{"attribute": "plan", "is": "pro"}])).says(
                "The condition. Without it the rule holds for all users. A list holds if all of its conditions hold. \
                 `<`, `<=`, `>` and `>=` compare numbers; `>` needs quotes, as in `{ attribute: age, \">=\": 18 }`. \
                 An attribute that is missing or of another type makes its condition false.",
            ),
            key("serve", text()).examples(json!(["high"])).says("Variant that the rule serves."),
            key("split", shares())
                .examples(json!([{"high": "10%", "low": "90%"}]))
                .says("Shares of users by variant, in place of `serve`."),
        ],
    )
}

/// The signs that compare numbers are a pattern, since they are all of one kind.
fn condition() -> Schema {
    let mut condition = nested(conditions());
    condition.insert("patternProperties".to_owned(), json!({"^[<>]=?$": {"type": ["number", "string"]}}));
    condition
}

fn conditions() -> [Key; 10] {
    [
        key("attribute", text()).examples(json!(["plan", "targetingKey", "device.model"])).says(
            "Attribute of the context that the other keys compare; `targetingKey` is the user. Dots lead into objects.",
        ),
        key("is", anything()).examples(json!(["pro"])).says("The attribute is this text, number, `true` or `false`."),
        key("in", anything()).examples(json!([["DE", "FR"]])).says("The attribute is one of these."),
        key("starts_with", texts()).examples(json!(["beta-"])).says("The text begins with this, or with one of these."),
        key("ends_with", texts())
            .examples(json!(["@example.com"]))
            .says("The text ends with this, or with one of these."),
        key("before", text())
            .examples(json!(["2026-12-01T00:00:00Z"]))
            .says("The attribute is an earlier moment. It may be a timestamp or Unix time in seconds or milliseconds."),
        key("after", text()).examples(json!(["2026-12-01T00:00:00Z"])).says("The attribute is a later moment."),
        key("all", condition_list())
            .examples(json!([[{"attribute": "plan", "is": "pro"}, {"attribute": "age", ">": 17}]]))
            .says("All of these conditions hold."),
        key("any", condition_list())
            .examples(json!([[{"attribute": "plan", "is": "pro"}, {"attribute": "age", ">": 17}]]))
            .says("At least one of these conditions holds."),
        key("not", nested([]))
            .examples(json!([{"attribute": "plan", "is": "free"}]))
            .says("This condition does not hold. That is so for a user without the attribute as well."),
    ]
}

fn condition_list() -> Schema {
    nested([])
}

fn shares() -> Schema {
    with_most(MOST_VARIANTS, entries(share(0, 100)))
}

fn with_most(most: usize, mut map: Schema) -> Schema {
    map.insert("maxProperties".to_owned(), most.into());
    map
}
