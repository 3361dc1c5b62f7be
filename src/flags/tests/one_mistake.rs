//! One mistake gives one error: at its own place, and nothing of what follows from it.

use std::collections::BTreeMap;

use crate::flags::compile::compile;
use crate::flags::{Environment, render};

const GOOD: &str = r#"listen: 127.0.0.1:7171
admin:
  listen: 127.0.0.1:7172
  tokens:
    - { name: ops, token: "${TOKEN}", may: [read] }
unmatched: openai
clients:
  - { name: shop, key: "${SHOP}" }
providers:
  openai:
    base_url: https://api.openai.com/v1
    api_keys: ["${KEY}"]
  other:
    base_url: https://other.test/v1
    api_keys: ["${KEY}"]
    breaker: { failures: 3 }
    timeouts: { connect: 3s }
rollouts:
  - name: chat
    stable: openai
    canary: other
    percent: auto
    match: { model: "gpt-*" }
    ramp: { start: 10%, every: 1d }
    guard:
      max_error_rate: 5%
      slow: { quantile: 0.9 }
    retry: { attempts: 1 }
    force: { header: x-canary, token: "${TOKEN}" }
    fallback: [openai]
flags:
  new-prompt: { follows: chat }
  old-prompt: { follows: chat }
"#;

fn errors(text: &str) -> Vec<String> {
    let set = |name: &str| (name.to_owned(), format!("{name}-0123456789abcdef"));
    let environment = Environment::of(BTreeMap::from(["TOKEN", "SHOP", "KEY"].map(set)));
    compile(text, &environment).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The good file with one thing written otherwise.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(errors(GOOD), Vec::<String>::new());
}

#[test]
fn a_misspelt_key_at_any_level_is_one_error() {
    for (from, to) in [
        ("providers:", "provider:"),
        ("rollouts:", "rollout:"),
        ("clients:", "client:"),
        ("  tokens:", "  token:"),
        ("base_url: https://api", "base_ur: https://api"),
        ("base_url: https://api", "url: https://api"),
        ("api_keys:", "api_key:"),
        ("failures:", "failure:"),
        ("connect:", "conect:"),
        ("- name: chat", "- nam: chat"),
        ("- name: chat", "- title: chat"),
        ("stable:", "stabel:"),
        ("canary:", "cannary:"),
        ("percent:", "percnt:"),
        ("percent:", "weight:"),
        ("match:", "matches:"),
        ("model:", "modle:"),
        ("ramp:", "rampe:"),
        ("start:", "begin:"),
        ("guard:", "guards:"),
        ("max_error_rate:", "max_errors:"),
        ("quantile:", "quantil:"),
        ("attempts:", "atempts:"),
        ("header:", "heade:"),
        ("follows: chat", "follow: chat"),
        ("{ name: shop, key", "{ name: shop, pass"),
        ("may:", "roles:"),
        ("listen: 127.0.0.1:7171", "lissten: 127.0.0.1:7171"),
        ("flags:", "flag:"),
    ] {
        let found = errors(&with(from, to));
        assert_eq!(found.len(), 1, "{to}: {found:#?}");
        assert!(found[0].contains("there is no key"), "{to}: {found:#?}");
    }
}

#[test]
fn what_is_missing_is_one_error() {
    let without = |from: &str, to: &str| {
        let (begin, end) = (GOOD.find(from).unwrap(), GOOD.find(to).unwrap());
        format!("{}{}", &GOOD[..begin], &GOOD[end..])
    };
    for (text, expected) in [
        (without("providers:", "rollouts:"), "`providers` is missing"),
        (with("    canary: other\n", ""), "have no meaning without a `canary`"),
        (with("    percent: auto\n", ""), "`percent` is missing"),
        (with("    stable: openai\n", ""), "`stable` is missing"),
        (with("    base_url: https://other.test/v1\n", ""), "`base_url` is missing"),
    ] {
        let found = errors(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:#?}");
    }
}

#[test]
fn a_name_that_nothing_has_is_one_error_however_often_it_is_used() {
    let found = errors(&with("  openai:\n", "  opnai:\n"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("line 6, column 12: unmatched: `openai` is not a provider (also on lines 20 and 30)"),
        "{found:#?}"
    );
    assert!(found[0].contains("did you mean `opnai`?"), "{found:#?}");
    let found = errors(&with("name: chat", "name: chats"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("new-prompt.follows: `chat` is not a rollout (also on line 33)"), "{found:#?}");
}

#[test]
fn a_wrong_kind_above_is_one_error() {
    let list = with("providers:\n  openai:\n    base", "providers:\n  - name: openai\n    base");
    let list = list.replacen("  other:\n    base", "  - name: other\n    base", 1);
    let map = with("  - name: chat\n", "    name: chat\n");
    for text in [
        list,
        map,
        with("    guard:\n      max_error_rate: 5%\n      slow: { quantile: 0.9 }\n", "    guard: 5%\n"),
        with("slow: { quantile: 0.9 }", "slow: [0.9]"),
        with("ramp: { start: 10%, every: 1d }", "ramp: 10%"),
        with("    base_url: https://other.test/v1\n", "    base_url: [https://other.test/v1]\n"),
        with("- { name: shop, key: \"${SHOP}\" }", "- shop"),
        with("new-prompt: { follows: chat }", "new-prompt: chat"),
    ] {
        let found = errors(&text);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    }
}

#[test]
fn what_is_not_indented_is_one_error() {
    let outdented = "providers:\nopenai:\n  base_url: https://api.openai.com/v1\nother:\n  base_url: https://b.test/v1\n\
                     rollouts:\n  - { name: chat, stable: openai, canary: other, percent: auto }\n";
    let found = errors(outdented);
    assert_eq!(
        found,
        ["line 1, column 1: providers: `providers` has no value\n  fix: indent the lines that belong to it, \
             from line 2 on"]
    );
    let found = errors(&with("      max_error_rate: 5%\n      slow: { quantile: 0.9 }\n", "    max_error_rate: 5%\n"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("`guard` has no value"), "{found:#?}");
    let found = errors(&with("  openai:\n", "\topenai:\n"));
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn several_mistakes_are_still_several_errors() {
    let text = with("stable: openai", "stabel: opena").replacen("every: 1d", "every: 1", 1);
    let found = errors(&text);
    assert_eq!(found.len(), 3, "{}", found.join("\n"));
    // A key that belongs elsewhere is not what is missing here.
    let found = errors(&with("    percent: auto\n", "    min_requests: 5\n"));
    assert_eq!(found.len(), 2, "{found:#?}");
    let all = compile(&text, &Environment::without_secrets()).unwrap_err();
    assert!(render(&all, "flags.yaml").contains("    stabel: opena\n"), "the line as it was written");
}
