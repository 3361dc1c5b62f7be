//! Nothing panics, nothing takes long, and what is accepted holds together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::decide::policy::{Fallback, FieldRules, Flag, Guard, PathPart, PathTemplate, Policy, Serve, VariantId};
use crate::decide::units::{Millis, Percent};
use crate::flags::compile::compile;
use crate::flags::{Environment, render};

fn environment() -> Environment {
    Environment::of(BTreeMap::from([("SET".to_owned(), "value".to_owned())]))
}

/// What every part of Serin takes for granted of a policy.
fn holds_together(policy: &Policy) {
    let providers = policy.providers.len();
    assert!(providers > 0);
    let names: BTreeSet<&str> = policy.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names.len(), providers);
    let rollouts: BTreeSet<&str> = policy.rollouts.iter().map(|rollout| rollout.name.as_str()).collect();
    assert_eq!(rollouts.len(), policy.rollouts.len());
    if let Some(id) = policy.unmatched.provider() {
        assert!(usize::from(id.0) < providers);
    }
    for rollout in &policy.rollouts {
        assert!(!rollout.name.is_empty() && !rollout.user.is_empty());
        assert!(usize::from(rollout.stable.0) < providers);
        if let Fallback::List(list) = &rollout.fallback {
            assert!(!list.is_empty() && list.iter().all(|id| usize::from(id.0) < providers));
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len());
        }
        assert!((1..=10).contains(&rollout.retry.attempts) && rollout.give_up_after > Millis(0));
        let Some(canary) = &rollout.canary else { continue };
        assert!(usize::from(canary.provider.0) < providers && canary.provider != rollout.stable);
        let stages = &canary.ramp.stages;
        assert!(!stages.is_empty() && stages[0] > Percent::ZERO);
        assert!(stages.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(stages.iter().all(|stage| *stage <= canary.ramp.max));
        assert!(canary.ramp.every > Millis(0) && canary.guard.window > Millis(0) && canary.attempt > 0);
        assert!(canary.rollback_to < canary.ramp.max);
        can_judge(&canary.guard);
    }
    for flag in policy.flags.values() {
        is_whole(flag, policy);
    }
    for provider in &policy.providers {
        assert!(!provider.base_url.host.is_empty() && !provider.base_url.path.ends_with('/'));
        rules_agree(&provider.fields);
        if let Some(PathTemplate(parts)) = &provider.path {
            assert!(matches!(parts.first(), Some(PathPart::Text(text)) if text.starts_with('/')));
        }
        assert!(provider.breaker.is_none_or(|rule| rule.failures > 0 && rule.open_for > Millis(0)));
    }
    assert!(policy.limits.replay_memory >= policy.limits.replay_body && policy.limits.connections > 0);
}

fn is_whole(flag: &Flag, policy: &Policy) {
    let is_known = |id: VariantId| usize::from(id.0) < flag.variants.len();
    assert!(is_known(flag.off_variant));
    for serve in flag.rules.iter().map(|rule| &rule.serve).chain([&flag.otherwise]) {
        match serve {
            Serve::Variant(id) => assert!(is_known(*id)),
            Serve::Split(shares) => {
                assert!(shares.iter().all(|(_, id)| is_known(*id)));
                assert!(shares.windows(2).all(|pair| pair[0].0 <= pair[1].0));
                assert_eq!(shares.last().map(|(end, _)| *end), Some(Percent::ALL));
            }
            Serve::Follow { rollout, canary, stable } => {
                assert!(is_known(*canary) && is_known(*stable));
                assert!(policy.rollouts[usize::from(rollout.0)].canary.is_some());
            }
        }
    }
}

fn can_judge(guard: &Guard) {
    let most = |hundredths| Percent::from_hundredths(hundredths).unwrap();
    assert!(guard.false_alarm > Percent::ZERO && guard.false_alarm <= most(1000));
    assert!((1.0..=100.0).contains(&guard.tolerated_ratio) && (0.1..=1000.0).contains(&guard.patience));
    assert!(guard.min_requests > 0 && guard.ceiling.is_none_or(|ceiling| ceiling > Percent::ZERO));
    if let Some(slow) = guard.slow {
        assert!((0.5..=0.999).contains(&slow.quantile));
        assert!((1.0..=100.0).contains(&slow.tolerance) && (1.0..=100.0).contains(&slow.tolerated_ratio));
    }
}

fn rules_agree(rules: &FieldRules) {
    let mut paths: Vec<&Vec<String>> = rules.rename.iter().map(|(path, _)| path).collect();
    paths.extend(&rules.drop);
    paths.extend(rules.set.iter().map(|(path, _)| path));
    paths.extend(rules.max.iter().map(|(path, _)| path));
    paths.sort();
    // Sorted, whatever lies in a field stands right behind it.
    assert!(paths.windows(2).all(|pair| !pair[1].starts_with(pair[0])), "{rules:?}");
    for path in paths {
        assert!(path.iter().all(|part| !part.is_empty()) && path[0] != "model" && path[0] != "stream");
    }
    for (_, value) in &rules.set {
        serde_json::from_str::<serde_json::Value>(value).unwrap();
    }
    assert!(rules.max.iter().all(|(_, most)| most.is_finite()));
}

fn judge(text: &str) {
    for environment in [environment(), Environment::without_secrets()] {
        match compile(text, &environment) {
            Ok(compiled) => holds_together(&compiled.policy),
            Err(errors) => {
                assert!(!errors.is_empty());
                for error in &errors {
                    assert!(!error.problem.is_empty() && !error.remedy.is_empty());
                    assert!(error.line <= text.lines().count() + 1);
                }
                let _ = render(&errors, "flags.yaml");
            }
        }
    }
}

/// Pieces of which files are made, right ones and wrong ones.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "providers",
        "a",
        "b",
        "base_url",
        "http://localhost",
        "rollouts",
        "name",
        "stable",
        "canary",
        "percent",
        "auto",
        "10%",
        "0.5",
        "ramp",
        "start",
        "step",
        "steps",
        "every",
        "1d",
        "max",
        "guard",
        "window",
        "slow",
        "quantile",
        "tolerated_ratio",
        "ceiling",
        "on_regression",
        "hold",
        "user",
        "header:x",
        "match",
        "endpoints",
        "embeddings",
        "flags",
        "follows",
        "api_keys",
        "${SET}",
        "${UNSET}",
        "${",
        "~",
        "null",
        "007",
        "true",
        "1.5",
        "pin_users",
        "exclude",
        "breaker",
        "off",
        "fallback",
        "retry",
        "drop_fields",
        "set_fields",
        "rename_fields",
        "path",
        "/{model}/{rest}",
        "listen",
        "0.0.0.0:1",
        "&x",
        "*x",
        "<<",
        "!t",
        "\"q\"",
        "'q'",
        "|",
        ">",
        "---",
        "...",
        "#",
        "é",
        "\u{feff}",
        "\u{7}",
        "x: y",
    ];
    let marks = [": ", ":\n  ", ":\n    ", "\n", "\n  ", "\n  - ", "- ", ", ", "{ ", " }", "[", "]", " ", "\t", "\r\n"];
    prop_oneof![
        proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(marks.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(marks.to_vec()).prop_map(str::to_owned),
    ]
}

pub(super) const GOOD: &str = r#"listen: 127.0.0.1:7171
providers:
  a: { base_url: "https://a.test/v1", api_keys: ["${SET}"], models: { x: y } }
  b:
    base_url: http://localhost:8080
    timeouts: { connect: 1s }
    path: /x/{model}/{rest}
    breaker: { failures: 3, open_for: 10s }
    rate_limit: { requests_per_minute: 600, burst: 100, tokens_per_minute: 2000, when_full: wait, wait: 1s }
    drop_fields: [n, a.b]
    rename_fields: { max_tokens: c, a.d: e }
    set_fields: { a.c: [1, 0.5, "x", { y: true }], t: 1e2 }
    max_fields: { c: 100 }
rollouts:
  - name: chat
    stable: a
    canary: b
    percent: auto
    user: [header:x-user-id, body:user]
    pin_users: { u1: canary, u2: stable }
    fallback: [b, a]
    retry: { attempts: 3, budget: 20%, backoff: 100ms..2s, first: same }
    ramp: { start: 1%, steps: [1%, 5%, 100%], every: 1h, hours: "mon-fri 09:00-17:00" }
    on_regression: step_back
    guard:
      { max_error_rate: 2.5%, window: 10m, min_requests: 50, false_alarm: 1%, patience: 2, ceiling: 20% }
  - name: judged
    stable: a
    canary: b
    percent: 5%
    match: { model: "m-*" }
    on_regression: hold
    guard:
      tolerated_ratio: 1.5
      ignore_below: 0%
      done_below: 1%
      slow: { quantile: 0.9, tolerance: 2, tolerated_ratio: 3.25 }
      client_errors: ignore
  - { name: rest, stable: a, match: { path: "/*" } }
flags:
  f: { follows: chat }
"#;

proptest! {
    // A counter-example becomes a test with a name, not a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_text_is_judged(text in "\\PC{0,200}") {
        judge(&text);
    }

    #[test]
    fn any_text_of_yaml_s_parts_is_judged(pieces in proptest::collection::vec(piece(), 0..60)) {
        judge(&pieces.concat());
    }

    #[test]
    fn a_good_file_with_a_scratch_is_judged(at in 0..GOOD.len(), length in 0usize..20, piece in piece()) {
        let mut text = GOOD.to_owned();
        let end = (at + length).min(text.len());
        text.replace_range(at..end, &piece);
        judge(&text);
    }
}

#[test]
fn the_good_file_is_good() {
    judge(GOOD);
    compile(GOOD, &environment()).unwrap();
}

#[test]
fn hostile_files_are_refused_in_bounded_time() {
    let bomb = {
        let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
        for (name, last) in "bcdefghij".chars().zip("abcdefghi".chars()) {
            text += &format!("{name}: &{name} [{}]\n", vec![format!("*{last}"); 9].join(", "));
        }
        text
    };
    let hostile = [
        ("brackets", "[".repeat(200_000)),
        ("braces", "{a: ".repeat(100_000)),
        ("brackets apart", "[\n".repeat(200_000)),
        ("closed brackets", "[]".repeat(250_000)),
        ("dashes", "- ".repeat(200_000)),
        ("question marks", "? ".repeat(200_000)),
        ("deep blocks", (0..700).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()),
        ("bomb", bomb),
        ("long key", format!("{}: 1\n", "k".repeat(500_000))),
        ("many keys", (0..60_000).map(|key| format!("k{key}: 1\n")).collect()),
        ("one key", "k: 1\n".repeat(100_000)),
        ("long line", format!("providers: {{ {} }}", "a: {}, ".repeat(100_000))),
        ("quotes", "\"".repeat(500_000)),
        ("anchors", (0..50_000).map(|n| format!("- &a{n} x\n")).collect()),
        ("blanks", " ".repeat(1_000_000) + "x"),
        ("newlines", "\n".repeat(1_000_000) + "x: ["),
        (
            "models",
            format!("providers: {{ a: {{ base_url: http://x, models: {{ {} }} }} }}", {
                (0..60_000).map(|n| format!("m{n}: n, ")).collect::<String>()
            }),
        ),
        ("a large value", {
            let list = "x".repeat(8000) + ", ";
            format!("providers: {{ a: {{ base_url: http://x, set_fields: {{ a: [{}] }} }} }}", list.repeat(120))
        }),
        (
            "a repeated value",
            format!(
                "a: &a [{}]\nproviders: {{ a: {{ base_url: http://x, set_fields: {{ b: [{}] }} }} }}",
                "x, ".repeat(90),
                "*a, ".repeat(90)
            ),
        ),
        ("rules", {
            let of = |kind: &str| {
                format!("{kind}: {{ {} }}", (0..999).map(|n| format!("a.b.c.d.e.f{n}: 1, ")).collect::<String>())
            };
            let provider =
                |n: usize| format!("p{n}: {{ base_url: http://x, {}, {} }}, ", of("set_fields"), of("max_fields"));
            format!("providers: {{ {} }}", (0..20).map(provider).collect::<String>())
        }),
        (
            "keys of a value",
            format!("providers: {{ a: {{ base_url: http://x, set_fields: {{ a: {{ {} }} }} }} }}", {
                (0..60_000).map(|n| format!("k{n}: n, ")).collect::<String>()
            }),
        ),
        ("commas", "[".to_owned() + &",".repeat(1_000_000)),
        ("items", "[".to_owned() + &"a,".repeat(500_000)),
        ("values", "- a\n".repeat(260_000)),
        ("a long text", format!("providers: {{ a: {{ base_url: http://{} }} }}", "x".repeat(900_000))),
        ("directives", "%a\n".repeat(300_000)),
        ("references", format!("providers: {{ a: {{ base_url: \"{}\" }} }}", "${".repeat(200_000))),
    ];
    for (name, text) in hostile {
        let began = crate::clock::instant();
        let errors = compile(&text, &environment()).unwrap_err();
        let _ = render(&errors, "flags.yaml");
        let took = began.elapsed();
        assert!(errors.len() <= 101, "{name}: {}", errors.len());
        eprintln!("{name}: {took:?}");
        // A debug build on a busy machine; the quadratic parser behind this takes minutes.
        assert!(took < Duration::from_secs(8), "{name} took {took:?}");
    }
}

#[test]
fn a_large_honest_file_is_accepted() {
    let ids: String = (0..40_000).map(|id| format!("      - user-{id}\n")).collect();
    let text = format!(
        "providers: {{ a: {{ base_url: http://localhost }}, b: {{ base_url: http://localhost:1 }} }}\n\
         rollouts:\n  - name: r\n    stable: a\n    canary: b\n    percent: 0\n    pin_users:\n{ids}"
    );
    let began = crate::clock::instant();
    let compiled = compile(&text, &environment()).unwrap();
    eprintln!("large: {:?}", began.elapsed());
    assert_eq!(compiled.policy.rollouts[0].pins.len(), 40_000);
}
