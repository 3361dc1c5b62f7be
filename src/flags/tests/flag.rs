//! What flags of the file mean, and what is wrong with those that are refused.

use serde_json::json;

use crate::decide::policy::{Comparison, Condition, Flag, FlagType, FlagValue, Scalar, Serve, VariantId};
use crate::decide::units::{RolloutId, UnixMillis};
use crate::flags::compile::{Compiled, compile};
use crate::flags::{Environment, render};

fn file(flag: &str) -> String {
    let lines: Vec<String> = flag.lines().map(|line| format!("    {line}\n")).collect();
    "providers: { a: { base_url: http://localhost }, b: { base_url: http://localhost:1 } }\n\
     rollouts: [{ name: chat, stable: a, canary: b, percent: 10% }, { name: plain, stable: a, match: { endpoints: [x] } }]\n\
     flags:\n  f:\n"
        .to_owned()
        + &lines.concat()
}

fn compiled(flag: &str) -> Compiled {
    compile(&file(flag), &Environment::of([].into())).unwrap_or_else(|errors| panic!("{}", render(&errors, "f")))
}

fn flag(text: &str) -> Flag {
    let compiled = compiled(text);
    assert_eq!(compiled.warnings, Vec::<String>::new());
    compiled.policy.flags["f"].clone()
}

/// The only error: path, problem and remedy.
fn error(text: &str) -> String {
    let errors = compile(&file(text), &Environment::of([].into())).unwrap_err();
    assert_eq!(errors.len(), 1, "{}", render(&errors, "f"));
    format!("{}: {}; {}", errors[0].path, errors[0].problem, errors[0].remedy)
}

#[test]
fn a_flag_without_variants_is_on_or_off() {
    let plain = flag("default: on");
    assert_eq!(plain.flag_type, FlagType::Boolean);
    let values: Vec<_> = plain.variants.iter().map(|variant| (variant.name.as_str(), variant.value.clone())).collect();
    assert_eq!(values, [("on", FlagValue::Boolean(true)), ("off", FlagValue::Boolean(false))]);
    assert_eq!((&plain.otherwise, plain.off_variant), (&Serve::Variant(VariantId(0)), VariantId(1)));
    assert_eq!(flag("off: true").otherwise, Serve::Variant(VariantId(1)));
    let canary_on = Serve::Follow { rollout: RolloutId(0), canary: VariantId(0), stable: VariantId(1) };
    assert_eq!(flag("follows: chat").otherwise, canary_on);
}

#[test]
fn the_type_is_that_of_the_values() {
    let first = |variants: &str| {
        let flag = flag(&format!("variants: {variants}\ndefault: a"));
        (flag.flag_type, flag.variants[0].value.clone())
    };
    assert_eq!(first("{ a: short, b: \"7\" }"), (FlagType::String, FlagValue::String("short".into())));
    assert_eq!(first("{ a: 1, b: -2 }"), (FlagType::Integer, FlagValue::Integer(1)));
    assert_eq!(first("{ a: 1, b: 0.5 }"), (FlagType::Float, FlagValue::Float(1.0)));
    assert_eq!(first("{ a: true }"), (FlagType::Boolean, FlagValue::Boolean(true)));
    assert_eq!(first("{ a: { n: 1, l: [x] } }"), (FlagType::Object, FlagValue::Object(json!({"n": 1, "l": ["x"]}))));
    assert_eq!(first("{ a: [1] }"), (FlagType::Object, FlagValue::Object(json!([1]))));
    let float = flag("type: float\nvariants: { a: 1 }\ndefault: a");
    assert_eq!(serde_json::to_string(&float.variants[0].value).unwrap(), "1.0");
}

#[test]
fn each_arm_of_a_rollout_may_have_a_value() {
    let texts = flag(
        "follows: chat\nvariants: { stable: v1, canary: v2, extra: v3 }\nrules: [{ if: { attribute: a, is: 1 }, serve: extra }]",
    );
    assert_eq!(texts.otherwise, Serve::Follow { rollout: RolloutId(0), canary: VariantId(1), stable: VariantId(0) });
    assert_eq!((texts.off_variant, texts.follows()), (VariantId(0), Some(RolloutId(0))));
}

#[test]
fn shares_are_ends_in_the_written_order() {
    let split = flag("split: { on: 12.5%, off: 87.5% }");
    let end = |hundredths| crate::decide::units::Percent::from_hundredths(hundredths).unwrap();
    assert_eq!(split.otherwise, Serve::Split(vec![(end(1250), VariantId(0)), (end(10_000), VariantId(1))]));
    assert_eq!((split.salt.as_str(), flag("split: { on: 100% }\nsalt: x").salt.as_str()), ("f", "x"));
    let three = flag("variants: { a: 1, b: 2, c: 3 }\nsplit: { c: 33.33%, a: 33.33%, b: 33.34% }");
    assert_eq!(three.off_variant, VariantId(1), "the last of the split");
}

#[test]
fn conditions_nest_and_compare() {
    let rules = "rules:\n\
                 - if: { all: [{ attribute: plan, in: [pro, 7, true] }, { not: { attribute: mail, ends_with: .test } }] }\n  serve: on\n\
                 - if: [{ attribute: age, \">=\": 18, <: 65 }, { any: [{ attribute: at, after: 2026-01-01T00:00:00Z }] }]\n  split: { on: 1%, off: 99% }\n\
                 - serve: off\n";
    let rules = flag(rules).rules;
    let attribute = |name: &str, comparisons| Condition::Attribute { name: name.to_owned(), comparisons };
    let values = vec![Scalar::Text("pro".into()), Scalar::Number(7.0), Scalar::Boolean(true)];
    let mail = attribute("mail", vec![Comparison::EndsWith(vec![".test".into()])]);
    let first = Condition::All(vec![attribute("plan", vec![Comparison::In(values)]), Condition::Not(Box::new(mail))]);
    assert_eq!(rules[0].condition, Some(first));
    let at = attribute("at", vec![Comparison::After(UnixMillis(1_767_225_600_000))]);
    let age = attribute("age", vec![Comparison::Below(65.0), Comparison::AtLeast(18.0)]);
    assert_eq!(rules[1].condition, Some(Condition::All(vec![age, Condition::Any(vec![at])])));
    assert_eq!((&rules[2].condition, &rules[2].serve), (&None, &Serve::Variant(VariantId(1))));
}

#[test]
fn what_cannot_be_meant_is_refused_at_its_place() {
    for (text, expected) in [
        ("default: onn", "flags.f.default: `onn` is not a variant; did you mean `on`?"),
        (
            "variants: { a: 1 }",
            "flags.f: `default` is missing: no variant is named `off`; add `default` with a variant, such as `default: a`",
        ),
        ("variants: {}", "flags.f.variants: there are no variants; add one, such as `on: true`, or remove this"),
        (
            "type: string",
            "flags.f: `variants` is missing for a flag of type string; add `variants`, such as `variants: { low: short }`",
        ),
        (
            "type: text\nvariants: { off: a }",
            "flags.f.type: `text` is not a type; write `boolean`, `string`, `integer`, `float` or `object`",
        ),
        (
            "type: string\nvariants: { off: 7 }",
            "flags.f.variants.off: `7` is not a string; write it in quotes, or set another `type`",
        ),
        (
            "variants: { off: 7, b: x }",
            "flags.f.variants.b: `x` is not an integer, as the first variant is; write a whole number, or set `type: float`",
        ),
        (
            "variants: { off: yes }",
            "flags.f.variants.off: `yes` can be read in two ways; write `true` or `false`; if a text is meant, write it in quotes: \"yes\"",
        ),
        (
            "variants: { off: 9007199254740993 }",
            "flags.f.variants.off: `9007199254740993` is too large: not every client reads it exactly, as the first variant is; write it as a text, in quotes",
        ),
        (
            "variants: { off: ~ }",
            "flags.f.variants.off: `off` has no value; give it a value, such as `1`, or remove the key",
        ),
        ("split: { on: 10%, off: 89% }", "flags.f.split: the shares sum to 99%; write shares that sum to 100%"),
        ("split: { on: 90%, off: 10.5% }", "flags.f.split: the shares sum to 100.50%; write shares that sum to 100%"),
        ("split: { on: 10%, offf: 90% }", "flags.f.split.offf: `offf` is not a variant; did you mean `off`?"),
        (
            "split: { on: 0.1, off: 99.9% }",
            "flags.f.split.on: `0.1` can be read in two ways; write `0.1%` or `10%`, whichever was meant",
        ),
        (
            "follows: chat\nsplit: { on: 100% }",
            "flags.f.split: a flag that follows a rollout has no `split`; remove `split` or `follows`",
        ),
        (
            "follows: chat\ndefault: on",
            "flags.f.default: a flag that follows a rollout has no `default`; remove `default` or `follows`",
        ),
        ("follows: chta", "flags.f.follows: `chta` is not a rollout; did you mean `chat`?"),
        (
            "follows: plain",
            "flags.f.follows: `plain` is a plain route: it has no canary to follow; follow a rollout with a `canary`",
        ),
        (
            "follows: chat\nvariants: { v1: a, v2: b }",
            "flags.f.variants: it is not known which variant each arm has; name two of the variants `canary` and `stable`",
        ),
        (
            "from: 2026-01-02T00:00:00Z\nuntil: 2026-01-01T00:00:00Z",
            "flags.f.until: `until` is not after `from`; write a later timestamp",
        ),
        (
            "from: tomorrow",
            "flags.f.from: `tomorrow` is not a timestamp; write date, time and offset, such as `2026-11-23T09:00:00Z`",
        ),
        (
            "rules: [{ if: { attribute: a, is: 1 } }]",
            "flags.f.rules[0]: the rule serves nothing; add `serve` with a variant, such as `serve: on`, or `split`",
        ),
        (
            "rules: [{ serve: on, split: { on: 100% } }]",
            "flags.f.rules[0].split: a rule has either `serve` or `split`; keep one of the two",
        ),
        (
            "rules: [{ if: { attribute: a }, serve: on }]",
            "flags.f.rules[0].if: this condition compares the attribute with nothing; write a condition such as `{ attribute: plan, is: pro }`",
        ),
        (
            "rules: [{ if: { is: a }, serve: on }]",
            "flags.f.rules[0].if: `attribute` is missing; add it, such as `attribute: plan`",
        ),
        (
            "rules: [{ if: {}, serve: on }]",
            "flags.f.rules[0].if: this condition is empty; write a condition such as `{ attribute: plan, is: pro }`",
        ),
        (
            "rules: [{ if: pro, serve: on }]",
            "flags.f.rules[0].if: this is not a condition; write a condition such as `{ attribute: plan, is: pro }`",
        ),
        (
            "rules: [{ if: { any: [] }, serve: on }]",
            "flags.f.rules[0].if.any: there are no conditions; write a condition such as `{ attribute: plan, is: pro }`, or remove this",
        ),
        (
            "rules: [{ if: { attribute: a, equals: 1 }, serve: on }]",
            "flags.f.rules[0].if.equals: there is no key `equals` here; did you mean `is`?",
        ),
        (
            "rules: [{ if: { attribute: a, strats_with: x }, serve: on }]",
            "flags.f.rules[0].if.strats_with: there is no key `strats_with` here; did you mean `starts_with`?",
        ),
        (
            "rules: [{ if: { attribute: a, \">\": old }, serve: on }]",
            "flags.f.rules[0].if[\">\"]: this is not a number; write a number without quotes; `before` and `after` compare moments",
        ),
        (
            "rules: [{ if: { attribute: a, starts_with: 5 }, serve: on }]",
            "flags.f.rules[0].if.starts_with: this is not a text; write it in quotes",
        ),
        (
            "rules: [{ if: { attribute: a, before: 5 }, serve: on }]",
            "flags.f.rules[0].if.before: `5` is not a timestamp; write date, time and offset, such as `2026-11-23T09:00:00Z`",
        ),
        (
            "rules: [{ if: { attribute: a, is: [1] }, serve: on }]",
            "flags.f.rules[0].if.is: this is not a single value; write one value; `in` takes a list",
        ),
        (
            "rules: [{ if: { attribute: a, is: 1, any: [{ attribute: b, is: 1 }] }, serve: on }]",
            "flags.f.rules[0].if: this is more than one condition; write `attribute` with comparisons, or one of `all`, `any` and `not`",
        ),
        (
            "rules: [{ if: { attribute: a, is: ~ }, serve: on }]",
            "flags.f.rules[0].if.is: there is no value; write a value",
        ),
        ("rule: []", "flags.f.rule: there is no key `rule` here; did you mean `rules`?"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn what_is_never_reached_is_a_warning() {
    let warnings = |text: &str| compiled(text).warnings;
    assert_eq!(
        warnings("rules: [{ serve: on }, { if: { attribute: a, is: 1 }, serve: off }]"),
        ["line 5: flags.f.rules[0]: the rules below are never reached: this one has no `if` and holds for all users"]
    );
    assert_eq!(
        warnings("follows: chat\nrules: [{ serve: on }]"),
        ["line 5: flags.f.follows: this is never reached: the last rule has no `if` and serves all users"]
    );
    assert_eq!(
        warnings("default: on\nsalt: x"),
        ["line 6: flags.f.salt: this changes nothing: the flag has no split of its own"]
    );
}

#[test]
fn conditions_have_a_depth_and_lists_have_a_length() {
    let deep = |levels: usize| {
        let (open, close) = ("{ not: ".repeat(levels - 1), " }".repeat(levels - 1));
        format!("rules: [{{ if: {open}{{ attribute: a, is: 1 }}{close}, serve: on }}]")
    };
    assert_eq!(flag(&deep(8)).rules.len(), 1);
    assert!(
        error(&deep(9))
            .ends_with("conditions are nested deeper than 8; combine them in fewer levels, or make several rules")
    );
    let rules =
        |count: usize| format!("rules: [{}]", vec!["{ if: { attribute: a, is: 1 }, serve: on }"; count].join(", "));
    assert_eq!(flag(&rules(100)).rules.len(), 100);
    assert!(error(&rules(101)).contains("there are 101 entries, and at most 100 are allowed"));
    let variants: Vec<String> = (0..101).map(|n| format!("v{n}: {n}")).collect();
    assert!(
        error(&format!("default: v1\nvariants: {{ {} }}", variants.join(", "))).contains("at most 100 are allowed")
    );
}

#[test]
fn origins_are_as_browsers_send_them() {
    let of = |cors: &str| {
        let text = format!("admin: {{ cors: {cors} }}\nproviders: {{ a: {{ base_url: http://localhost }} }}\n");
        compile(&text, &Environment::of([].into())).map(|compiled| compiled.policy.cors.clone())
    };
    let listed = of("[https://App.example.com, http://localhost:3000, '*']").unwrap().unwrap();
    assert_eq!(listed, ["https://app.example.com", "http://localhost:3000", "*"]);
    assert_eq!(of("[]").unwrap(), Some(Vec::new()));
    for (wrong, remedy) in [
        ("https://a.example/", "write `https://a.example`"),
        ("a.example", "write scheme and host as browsers send them, such as `https://app.example.com`, or `*`"),
        ("https://a.example:443", "write `https://a.example`"),
        ("https://*.example", "name each origin, or write `*` for every one"),
        ("https://", "write scheme and host as browsers send them, such as `https://app.example.com`, or `*`"),
    ] {
        let errors = of(&format!("['{wrong}']")).unwrap_err();
        assert_eq!((errors.len(), errors[0].path.as_str(), errors[0].remedy.as_str()), (1, "admin.cors[0]", remedy));
    }
}
